import glob
import pathlib
import re

import launcher
import pytest
from packed_instances import count_instances, read_rows

from bert_wwm.core.shards import manifest_path
from bert_wwm.records.checks import decode_features
from bert_wwm.records.framing import read_records
from bert_wwm.records.manifest import Manifest
from bert_wwm.text.vocabulary import Vocabulary

PROGRAM = "create_pretraining_data_wwm.py"
SIZES = ("--max_seq_length=32", "--max_predictions_per_seq=5", "--dupe_factor=3")


@pytest.fixture
def make(vocab_file, tmp_path):
    """Makes records of a file in a folder of the test's own; returns the program's result."""

    def make_records(input_file, *flags, status=0, segmenter="characters"):
        return launcher.run(
            PROGRAM,
            f"--input_file={input_file}",
            f"--output_file={tmp_path / 'out.tfrecord'}",
            f"--vocab_file={vocab_file}",
            f"--segmenter={segmenter}",
            *SIZES,
            *flags,
            status=status,
        )

    return make_records


def write(tmp_path, content: bytes):
    path = tmp_path / "in.txt"
    path.write_bytes(content)
    return path


def test_records_have_googles_features(records):
    features = decode_features(next(read_records(records)), records)
    assert {name: len(values) for name, values in features.items()} == {
        "input_ids": 32,
        "input_mask": 32,
        "segment_ids": 32,
        "masked_lm_positions": 5,
        "masked_lm_ids": 5,
        "masked_lm_weights": 5,
        "next_sentence_labels": 1,
    }


def test_the_manifest_says_what_they_were_made_with(records, vocab_file):
    manifest = Manifest.load(manifest_path(records))
    assert manifest.strategy == "wwm"
    assert (manifest.max_seq_length, manifest.max_predictions_per_seq) == (32, 5)
    assert manifest.vocab_sha256 == Vocabulary.from_file(vocab_file).sha256()
    assert manifest.segmenter["name"] == "characters"
    assert manifest.flags["dupe_factor"] == 3
    assert manifest.counts["documents"] == 12
    size = pathlib.Path(records).stat().st_size
    written = sum(1 for _ in read_records(records))
    assert manifest.files == {"a.tfrecord": {"records": written, "bytes": size}}
    assert manifest.counts["instances"] == written


def test_same_seed_same_bytes(make, corpus, records, tmp_path):
    result = make(corpus)
    made = (tmp_path / "out.tfrecord").read_bytes()
    assert made == pathlib.Path(records).read_bytes()
    for row in "documents sentences instances words selected replaced".split():
        assert row in result.stdout
    make(corpus, "--random_seed=2", f"--output_file={tmp_path / 'a'},{tmp_path / 'b'}")
    assert (tmp_path / "a").stat().st_size and (tmp_path / "b").stat().st_size
    assert Manifest.load(str(tmp_path / "manifest.b.json")).flags["random_seed"] == 2


def test_packed_records_hold_the_same_instances(single_records, packed_records):
    paths = sorted(glob.glob(packed_records))
    rows = read_rows(paths)
    assert {name: len(values) for name, values in rows[0].items()} == {
        "input_ids": 64,
        "input_mask": 64,
        "segment_ids": 64,
        "masked_lm_positions": 10,
        "masked_lm_ids": 10,
        "masked_lm_weights": 10,
        "next_sentence_labels": 4,
        "instance_starts": 4,
    }
    found = count_instances(rows)
    assert found == count_instances(read_rows([single_records]))
    manifest, single = (Manifest.load(manifest_path(path)) for path in (paths[0], single_records))
    assert (manifest.max_instances_per_seq, single.max_instances_per_seq) == (4, 1)
    assert len(rows) < 0.8 * found.total()
    assert manifest.counts == {**single.counts, "rows": len(rows)}
    assert manifest.counts["instances"] == found.total()


def test_single_pieces_on_request(make, corpus, tmp_path):
    make(corpus, "--do_whole_word_mask=False", segmenter="presegmented")
    assert Manifest.load(str(tmp_path / "manifest.out.tfrecord.json")).strategy == "piece"


@pytest.mark.parametrize("flag", ["--do_whole_word_mask=False", "--masking_strategy=piece"])
def test_single_pieces_need_no_segmenter(corpus, vocab_file, tmp_path, flag):
    """LTP, the default where words are masked, isn't there."""
    flags = [
        f"--input_file={corpus}",
        f"--output_file={tmp_path / 'out.tfrecord'}",
        f"--vocab_file={vocab_file}",
        f"--ltp_model={tmp_path / 'ltp'}",
        *SIZES,
    ]
    for more in (["--dry_run"], []):
        launcher.run(PROGRAM, *flags, flag, *more)
    manifest = Manifest.load(str(tmp_path / "manifest.out.tfrecord.json"))
    assert manifest.segmenter == {"name": manifest.flags["segmenter"]} == {"name": "none"}
    # Words that are masked as wholes, or a segmenter that is asked for, need it.
    for more in ([], [flag, "--segmenter=ltp"]):
        message = launcher.error(PROGRAM, *flags, "--overwrite", *more)
        assert "no such folder" in message and "for English --segmenter=none" in message


def test_a_text_without_line_breaks_loses_nothing(make, tmp_path):
    # NUL and other control characters are dropped, as the tokenizer does.
    line = ("今天天气\x00很不错\x07！" * 40_000).encode()
    assert len(line) > 1_000_000
    result = make(write(tmp_path, line + b"\n\n" + "我们学习。\n".encode()), "--dupe_factor=1")
    counts = Manifest.load(str(tmp_path / "manifest.out.tfrecord.json")).counts
    assert counts["pieces"] == 8 * 40_000 + 5
    assert counts["sentences_split"] == 1
    assert counts["tokens"] > 300_000
    assert re.search(r"too long +1, cut", result.stdout)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "no text; expected one sentence a line"),
        (b"\n \n\n", "no text; expected one sentence a line"),
        ("我们\n好".encode() + b"\xe5\xa5\n", "in.txt:2: byte 0xe5 at column 4 is not UTF-8"),
        (
            "我们\n学习\n".encode(),
            "in.txt: no instance could be made of 1 document(s); next sentence prediction needs",
        ),
        (b"\x00\x00\n\n\x01\n", "in.txt: no text"),
    ],
)
def test_bad_text_is_named_and_leaves_nothing(make, tmp_path, content, message):
    result = make(write(tmp_path, content), status=1)
    assert message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--input_file=nothing.txt", "nothing.txt: no such file"),
        ("--vocab_file=nothing.txt", "nothing.txt: no such file"),
        ("--segmenter=nltk", "value should be one of <ltp|rjieba|presegmented|characters|none>"),
        ("--dupe_factor=0", "0 is not a positive integer"),
        ("--masked_lm_prob=15", "--masked_lm_prob=15.0: out of range; expected 0 to 1"),
        ("--max_seq_length=3", "--max_seq_length=3: out of range"),
        ("--pack --max_seq_length=31", "--max_seq_length=31 is too short for several instances"),
        ("--max_seq_len=3", "Unknown command line flag 'max_seq_len'"),
        ("--input_file=", "no input file is named"),
        ("--output_file=a,./a", "./a is named twice; expected different files"),
        ("--output_file=a,", "expected names of files to write"),
        ("--output_file=/dev/null", "/dev/null: is no regular file"),
        ("--output_file=/proc/nothing/a", "/proc/nothing"),
        ("corpus2.txt", "unexpected argument 'corpus2.txt'"),
    ],
)
def test_bad_flags_are_named(make, corpus, flag, message):
    assert message in make(corpus, *flag.split(), status=1).stderr


def test_no_input_is_written_over(make, corpus, vocab_file):
    for path in corpus, vocab_file:
        before = pathlib.Path(path).read_bytes()
        assert "is an input" in make(corpus, f"--output_file={path}", status=1).stderr
        assert pathlib.Path(path).read_bytes() == before


def test_outputs_in_two_folders_are_described_each_by_its_own(make, corpus, tmp_path):
    paths = [tmp_path / folder / "a" for folder in "xy"]
    make(corpus, f"--output_file={paths[0]},{paths[1]}")
    for path in paths:
        entry = Manifest.load(manifest_path(str(path))).files["a"]
        assert entry["bytes"] == path.stat().st_size


def test_words_that_are_too_long_are_told(make, corpus):
    result = make(corpus, "--max_predictions_per_seq=1", segmenter="presegmented")
    assert "Few pieces are selected" in result.stdout


def test_bad_vocabularies_are_named(make, corpus, tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n中\n")
    assert "lacks [MASK]" in make(corpus, f"--vocab_file={path}", status=1).stderr
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n中\n中\n")
    assert "vocab.txt:7: '中' is already" in make(corpus, f"--vocab_file={path}", status=1).stderr


def test_help_names_every_flag_of_google():
    text = launcher.run(PROGRAM, "--help", status=1).stdout
    for flag in (
        "input_file output_file vocab_file do_lower_case do_whole_word_mask max_seq_length "
        "max_predictions_per_seq random_seed dupe_factor masked_lm_prob short_seq_prob"
    ).split():
        assert f"--{flag}" in text or f"--[no]{flag}" in text
    assert "--segmenter" in text and "--ltp_model" in text
