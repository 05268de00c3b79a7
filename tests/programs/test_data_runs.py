"""Long runs: workers, shards, interruptions, and starting again."""

import glob
import json
import os
import pathlib
import random
import re
import resource
import signal
import subprocess
import sys
import time

import launcher
import pytest

from bert_wwm.core.seeding import integer, rng_for
from bert_wwm.core.shards import find_shards
from bert_wwm.records.framing import compression_of, read_records
from bert_wwm.records.manifest import Manifest
from bert_wwm.text.sentences import split_sentences

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = "create_pretraining_data_wwm.py"
SEGMENT = "scripts/segment_corpus.py"
TEXT = (
    "使用语言模型来预测下一个词的概率。我们在学习。今天天气很不错！中国人民大家好。"
    "使用 BERT 预测 Probability。2019年中国人民在学习语言。我们大家来使用模型。"
)
SIZES = ("--max_seq_length=64", "--max_predictions_per_seq=10", "--dupe_factor=2")


@pytest.fixture(scope="session")
def large_corpus(tmp_path_factory) -> str:
    """5.5 MB in two files: five blocks."""
    sentences = split_sentences(TEXT)
    rng = rng_for(1)
    folder = tmp_path_factory.mktemp("large")
    for name, size in (("a.txt", 3_300_000), ("b.txt", 2_200_000)):
        documents = []
        while size > 0:
            count = 1 + integer(rng, 20)
            lines = [sentences[integer(rng, len(sentences))] for _ in range(count)]
            documents.append("\n".join(lines))
            size -= len(documents[-1].encode()) + 2
        (folder / name).write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    return str(folder / "*.txt")


@pytest.fixture
def flags(vocab_file, tmp_path):
    """Flags of a run on a file, with a segmenter that needs nothing."""

    def make_flags(input_file, output="out", *more):
        return (
            f"--input_file={input_file}",
            f"--output_file={tmp_path / output}",
            f"--vocab_file={vocab_file}",
            "--segmenter=characters",
            "--num_workers=2",
            *SIZES,
            *more,
        )

    return make_flags


def contents(folder: pathlib.Path, pattern: str):
    # As a shell or TensorFlow would match it: without hidden names.
    found = sorted(glob.glob(str(folder / pattern)))
    return {os.path.basename(path): pathlib.Path(path).read_bytes() for path in found}


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes(flags, large_corpus, tmp_path):
    made = []
    for workers in (1, 2, 3):
        name = f"w{workers}/out"
        more = (f"--num_workers={workers}", "--num_output_shards=4")
        launcher.run(PROGRAM, *flags(large_corpus, name, *more))
        made.append(contents(tmp_path / f"w{workers}", "out-*"))
    assert list(made[0]) == [f"out-0000{shard}-of-00004" for shard in range(4)]
    assert made[0] == made[1] == made[2]
    sizes = [len(content) for content in made[0].values()]
    assert max(sizes) < 1.01 * min(sizes)  # spread evenly


@pytest.mark.slow
@pytest.mark.parametrize("program", [PROGRAM, SEGMENT])
def test_killed_at_twenty_moments_it_ends_with_the_same_bytes(
    flags, large_corpus, tmp_path, program
):
    if program == PROGRAM:
        command = flags(large_corpus, "killed/out", "--num_output_shards=3", "--compression=GZIP")
    else:
        command = flags(large_corpus, "killed/out", "--num_output_shards=3", "--annotate=")
        command = [f for f in command if f not in SIZES and "vocab_file" not in f]
    whole = [flag.replace("killed/out", "whole/out") for flag in command]
    begun = time.monotonic()
    launcher.run(program, *whole)
    seconds = time.monotonic() - begun
    expected = contents(tmp_path / "whole", "out-*")

    moments = random.Random(3)
    gone_on = 0
    killed = 0
    while killed < 20:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / program), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        try:
            process.wait(moments.uniform(0.3, seconds))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
            visible = contents(tmp_path / "killed", "*")
            # Nothing that looks finished is not; the manifest comes last.
            assert "manifest.out.json" not in visible or len(visible) == len(expected) + 1
            assert all(expected[name] == visible[name] for name in visible if "json" not in name)
        output = process.communicate()[0]
        assert process.returncode in (0, -signal.SIGKILL)
        gone_on += "Going on behind" in output
        if process.returncode == 0:  # it was faster than the signal
            assert contents(tmp_path / "killed", "out-*") == expected
            for path in (tmp_path / "killed").iterdir():
                path.unlink()
    launcher.run(program, *command)
    assert contents(tmp_path / "killed", "out-*") == expected
    assert gone_on > 3
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "manifest.out.json",
        *expected,
    ]


def children(pid: int):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def command_line(pid: str) -> str:
    return pathlib.Path(f"/proc/{pid}/cmdline").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0, 1])  # while it starts, and at work
def test_a_worker_that_is_killed_ends_the_run_and_loses_nothing(
    flags, large_corpus, tmp_path, delay
):
    launcher.run(PROGRAM, *flags(large_corpus, "whole/out"))
    command = flags(large_corpus, "killed/out", "--num_workers=2")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / PROGRAM), *command],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    workers = []
    while len(workers) < 2:
        assert process.poll() is None
        time.sleep(0.02)
        workers = [pid for pid in children(process.pid) if "spawn_main" in command_line(pid)]
    time.sleep(delay)
    os.kill(int(workers[1]), signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "a worker process was killed" in errors and "Traceback" not in errors
    launcher.run(PROGRAM, *command)
    assert contents(tmp_path / "killed", "out") == contents(tmp_path / "whole", "out")


@pytest.mark.slow
@pytest.mark.parametrize("program", [PROGRAM, SEGMENT])
@pytest.mark.parametrize("delay", [0.0, 0.2, 1.0])
def test_interrupted_it_ends_at_once_and_goes_on_later(
    flags, large_corpus, tmp_path, program, delay
):
    def command(output):
        every = flags(large_corpus, output)
        is_text = program == SEGMENT
        return [f for f in every if not is_text or (f not in SIZES and "vocab_file" not in f)]

    launcher.run(program, *command("whole/out"))
    process = subprocess.Popen(
        [sys.executable, str(ROOT / program), *command("stopped/out")],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "stopped" / ".out.unfinished" / "journal.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert errors.endswith("interrupted\n") and "Traceback" not in errors
    launcher.run(program, *command("stopped/out"))
    assert contents(tmp_path / "stopped", "out") == contents(tmp_path / "whole", "out")


@pytest.mark.slow
def test_a_full_disk_ends_the_run_and_loses_nothing(flags, large_corpus, tmp_path):
    launcher.run(PROGRAM, *flags(large_corpus, "whole/out"))
    command = flags(large_corpus, "full/out")
    process = subprocess.run(
        [sys.executable, str(ROOT / PROGRAM), *command],
        # To write past a limit fails as it does on a full disk.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, -1)),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert process.returncode == 1
    assert "error: [Errno 27] File too large" in process.stderr
    assert "Traceback" not in process.stderr
    assert not contents(tmp_path / "full", "*")
    assert "Going on behind" in launcher.run(PROGRAM, *command).stdout
    assert contents(tmp_path / "full", "out") == contents(tmp_path / "whole", "out")


@pytest.mark.slow
def test_a_workers_error_names_file_and_line(flags, large_corpus, tmp_path):
    good = pathlib.Path(large_corpus).parent / "b.txt"
    bad = tmp_path / "bad.txt"
    text = good.read_bytes() * 2
    bad.write_bytes(text + "我们\n好".encode() + b"\xe5\xa5\n")
    line = text.count(b"\n") + 2
    errors = launcher.run(PROGRAM, *flags(bad), status=1).stderr
    assert f"bad.txt:{line}: byte 0xe5 at column 4 is not UTF-8" in errors
    assert not (tmp_path / "out").exists()


def test_other_flags_are_refused_and_named(flags, corpus, tmp_path):
    launcher.run(PROGRAM, *flags(corpus))
    before = contents(tmp_path, "out*")
    errors = launcher.run(PROGRAM, *flags(corpus, "out", "--dupe_factor=3"), status=1).stderr
    assert "was made with flag dupe_factor = 2, this run has 3; expected the same" in errors
    assert (
        "finished already" in launcher.run(PROGRAM, *flags(corpus, "out", "--num_workers=1")).stdout
    )
    assert contents(tmp_path, "out*") == before
    launcher.run(PROGRAM, *flags(corpus, "out", "--dupe_factor=3", "--overwrite"))
    assert Manifest.load(str(tmp_path / "manifest.out.json")).flags["dupe_factor"] == 3


def test_another_input_is_refused(flags, corpus, tmp_path):
    copy = tmp_path / "copy.txt"
    copy.write_bytes(pathlib.Path(corpus).read_bytes())
    launcher.run(PROGRAM, *flags(copy))
    copy.write_bytes(copy.read_bytes() + "我们\n".encode())
    assert "was made with input" in launcher.run(PROGRAM, *flags(copy), status=1).stderr


def test_the_order_of_the_inputs_counts(flags, corpus, tmp_path):
    copies = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    for copy in copies:
        pathlib.Path(copy).write_bytes(pathlib.Path(corpus).read_bytes())
    launcher.run(PROGRAM, *flags(",".join(copies)))
    errors = launcher.run(PROGRAM, *flags(",".join(reversed(copies))), status=1).stderr
    assert re.search(r"input \S+b\.txt = file 2, .*, this run has file 1, ", errors)


def test_a_file_of_other_origin_is_not_replaced(flags, corpus, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "no manifest tells what it is" in launcher.run(PROGRAM, *flags(corpus), status=1).stderr
    assert (tmp_path / "out").read_text() == "mine"


def test_a_dry_run_writes_nothing(flags, corpus, tmp_path):
    output = launcher.run(PROGRAM, *flags(corpus, "out", "--dry_run")).stdout
    for row in ("instances", "output", "time", "memory"):
        assert f"\n  {row}" in output
    assert not list(tmp_path.iterdir())


def test_compressed_records_hold_the_same(flags, corpus, tmp_path):
    launcher.run(PROGRAM, *flags(corpus, "plain", "--num_output_shards=2"))
    launcher.run(PROGRAM, *flags(corpus, "small", "--num_output_shards=2", "--compression=GZIP"))
    plain, small = (find_shards([str(tmp_path / f"{name}-*")]) for name in ("plain", "small"))
    assert [compression_of(path) for path in plain + small] == ["", "", "GZIP", "GZIP"]
    for one, other in zip(plain, small):
        assert list(read_records(one)) == list(read_records(other))


def test_a_segmented_corpus_gives_the_same_records(flags, large_corpus, tmp_path):
    a_file = large_corpus.replace("*", "b")
    segmented = tmp_path / "segmented.gz"
    launcher.run(
        SEGMENT, f"--input_file={a_file}", f"--output_file={segmented}", "--segmenter=none"
    )
    launcher.run(PROGRAM, *flags(a_file, "direct", "--segmenter=none"))
    launcher.run(PROGRAM, *flags(segmented, "twice", "--segmenter=presegmented"))
    assert (tmp_path / "twice").read_bytes() == (tmp_path / "direct").read_bytes()
    manifest = Manifest.load(str(tmp_path / "manifest.twice.json"))
    assert manifest.segmenter == {"name": "presegmented", "by": {"name": "none"}}


def test_a_segmented_corpus_is_not_taken_for_text(flags, corpus, tmp_path):
    segmented = tmp_path / "segmented.gz"
    launcher.run(
        SEGMENT, f"--input_file={corpus}", f"--output_file={segmented}", "--segmenter=characters"
    )
    errors = launcher.run(PROGRAM, *flags(segmented), status=1).stderr
    assert "is a segmented corpus; expected text, or --segmenter=presegmented" in errors
    lert = ("--segmenter=presegmented", "--masking_strategy=lert")
    errors = launcher.run(PROGRAM, *flags(segmented, "out", *lert), status=1).stderr
    assert "has no tags of pos, ner, dep; expected a corpus that was segmented with" in errors


@pytest.mark.parametrize(
    "more, message",
    [
        (["--masking_strategy=macbert"], "needs --similar_words_file"),
        (["--similar_words_file=x"], "--masking_strategy=wwm has no use for it"),
        (["--masking_strategy=lert"], "can't tag words for pos, ner, dep"),
        (["--masking_strategy=lert", "--lert_labels=pos,verbs"], "unknown label of LERT 'verbs'"),
        (["--masking_strategy=pert", "--do_whole_word_mask=False"], "contradicts --do_whole_word"),
        (["--masking_strategy=roberta"], "value should be one of <piece|wwm|ngram|macbert|"),
        (["--pairing=next"], "value should be one of <nsp|sop|contiguous|single>"),
        (["--num_output_shards=0"], "--num_output_shards"),
        (["--num_output_shards=2", "--output_file=a,b"], "expected a single name"),
        (["--num_workers=0"], "--num_workers"),
        (["--pert_target=origins"], "--masking_strategy=wwm has no use for it"),
        (["--output_file=new/"], "new/: no name of a file"),
        (["--output_file=x-00001-of-00002"], "expected all of them in one run"),
    ],
)
def test_flags_that_contradict_are_named(flags, corpus, tmp_path, more, message):
    assert message in launcher.run(PROGRAM, *flags(corpus, "out", *more), status=1).stderr
    assert not list(tmp_path.iterdir())


def test_similar_words_of_macbert(flags, corpus, tmp_path):
    similar = tmp_path / "similar.txt"
    rows = {"我": "大 人", "语": "词 言", "言": "语", "大": "国 中", "学": "用"}
    similar.write_text("".join(f"{word}\t{rows[word]}\n" for word in rows), encoding="utf-8")
    more = ("--masking_strategy=macbert", f"--similar_words_file={similar}", "--dupe_factor=9")
    output = launcher.run(PROGRAM, *flags(corpus, "out", *more)).stdout
    assert "swapped" in output and "by similar words" in output
    manifest = Manifest.load(str(tmp_path / "manifest.out.json"))
    assert manifest.pairing == "sop"
    kinds = manifest.counts["kinds"]
    assert not kinds.get("mask") and kinds["similar"] and kinds["kept"]
    assert kinds.get("fallback", 0) <= 0.1 * manifest.counts["budget"]
    json.dumps(manifest.run)  # as it was compared
