"""The program that shows what records hold, as users run it."""

import functools
import gzip
import pathlib
import re
import shutil

import launcher
import pytest

from bert_wwm.core.shards import manifest_path

PROGRAM = "scripts/inspect_records.py"


@pytest.fixture(scope="module")
def make_records(corpus, vocab_file, tmp_path_factory):
    """Makes records of length 32 with 5 predictions, their words parted by jieba."""

    @functools.cache
    def make(*flags):
        path = str(tmp_path_factory.mktemp("records") / "a.tfrecord")
        launcher.run(
            "create_pretraining_data_wwm.py",
            f"--input_file={corpus}",
            f"--output_file={path}",
            f"--vocab_file={vocab_file}",
            "--segmenter=rjieba",
            "--max_seq_length=32",
            "--max_predictions_per_seq=5",
            "--dupe_factor=10",
            *flags,
        )
        return path

    return make


@pytest.fixture
def inspect(vocab_file):
    def run_program(path, *flags, status=0):
        flags = (f"--input_file={path}", f"--vocab_file={vocab_file}", *flags)
        return launcher.run(PROGRAM, *flags, status=status)

    return run_program


def test_whole_words_are_told_from_single_pieces(make_records, inspect):
    whole = inspect(make_records()).stdout
    assert whole.startswith("Yes: whole words are masked.\n")
    single = inspect(make_records("--masking_strategy=piece")).stdout
    assert single.startswith("No: single pieces are masked.\n")
    assert "'piece'" in single.split("\n\n")[0]


def test_it_writes_a_page(make_records, inspect, tmp_path):
    page = tmp_path / "page.html"
    printed = inspect(make_records(), f"--html={page}", "--num_examples=3").stdout
    assert printed.endswith(f"Wrote {page}\n")
    content = page.read_text(encoding="utf-8")
    assert content.startswith("<!DOCTYPE html>") and content.endswith("</html>\n")
    assert "Yes: whole words are masked." in content
    assert content.count('<article class="example">') == 3
    for title in re.findall(r"^  (\S.*?)  ", printed, re.MULTILINE):
        assert title in content


@pytest.mark.parametrize(
    "flags, shown",
    [
        (["--masking_strategy=ngram", "--compression=GZIP"], "[x] masked"),
        (["--masking_strategy=pert"], "[x>y] exchanged for y of another place"),
        (["--pairing=single"], "[x] masked"),
        (["--pairing=sop"], "swapped"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_records_of_every_kind(make_records, inspect, flags, shown):
    printed = inspect(make_records(*flags)).stdout
    assert printed.startswith("Yes: whole words are masked.\n")
    assert shown in printed


def test_packed_records(make_records, inspect, tmp_path):
    page = tmp_path / "page.html"
    path = make_records("--pack", "--max_seq_length=256", "--max_predictions_per_seq=40")
    printed = inspect(path, "--num_examples=2", f"--html={page}").stdout
    assert printed.startswith("Yes: whole words are masked.\n")
    assert re.search(r"^instances +\d+, packed$", printed, re.MULTILINE)
    heads = re.findall(r"record (\d+), instance (\d+) of (\d+): ", printed)
    counts = [int(heads[0][2]), int(heads[-1][2])]
    assert heads == [
        (str(record), str(n), str(count))
        for record, count in enumerate(counts)
        for n in range(1, count + 1)
    ]
    assert page.read_text(encoding="utf-8").count('<article class="example">') == sum(counts)


def test_without_a_manifest_words_need_a_segmenter(make_records, inspect, tmp_path):
    path = tmp_path / "b.tfrecord"
    shutil.copy(make_records(), path)
    printed = inspect(path).stdout
    assert printed.startswith("Can't tell whether whole words are masked.\n")
    assert re.search(r"without a manifest +1 of 1 file\(s\)\n", printed)
    assert "Of a sample of" in printed and "Of all" not in printed
    assert inspect(path, "--segmenter=rjieba").stdout.startswith("Yes: ")


def test_the_sample_is_of_all_files_in_turn(make_records, inspect, tmp_path):
    for name in "ab":
        shutil.copy(make_records(), tmp_path / f"{name}.tfrecord")
    printed = inspect(
        f"{tmp_path}/*.tfrecord", "--num_sampled=5", "--num_examples=4", "--skip=2"
    ).stdout
    assert "Of a sample of 5 records" in printed
    records = re.findall(r"/(.)\.tfrecord record (\d+):", printed)
    assert records == [("a", "2"), ("b", "2"), ("a", "3"), ("b", "3")]


def test_refusals_are_one_sentence(make_records, inspect, vocab_file, tmp_path):
    path = make_records()
    error = inspect(path, f"--html={path}", status=1).stderr
    assert error.endswith(f"--html: {path} is an input; expected a file to write\n")
    assert inspect(path, "--skip=100000", status=1).stderr.endswith("after --skip=100000\n")
    other = tmp_path / "c.tfrecord"
    other.write_bytes(gzip.compress(b"not a record"))
    assert "record 0 at byte 0" in inspect(other, status=1).stderr
    shutil.copy(path, other)
    shutil.copy(manifest_path(path), manifest_path(str(other)))
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text(pathlib.Path(vocab_file).read_text(encoding="utf-8") + "更\n")
    assert "SHA-256" in inspect(other, f"--vocab_file={vocabulary}", status=1).stderr
