"""Long runs: workers, shards, interruptions, and starting again."""

import contextlib
import functools
import glob
import gzip
import json
import os
import pathlib
import random
import re
import resource
import signal
import time

import launcher
import pytest

from bert_wwm.core.seeding import integer, rng_for
from bert_wwm.core.shards import find_shards
from bert_wwm.corpus.sentences import split_sentences
from bert_wwm.records.framing import find_compression, read_records
from bert_wwm.records.manifest import Manifest

PROGRAM = "create_pretraining_data_wwm.py"
SEGMENT = "scripts/segment_corpus.py"
TEXT = (
    "使用语言模型来预测下一个词的概率。我们在学习。今天天气很不错！中国人民大家好。"
    "使用 BERT 预测 Probability。2019年中国人民在学习语言。我们大家来使用模型。"
)
SIZES = ("--max_seq_length=64", "--max_predictions_per_seq=10", "--dupe_factor=2")


@pytest.fixture(scope="session")
def large_corpus(tmp_path_factory) -> str:
    """2.3 MB in two files: five blocks."""
    sentences = split_sentences(TEXT)
    rng = rng_for(1)
    folder = tmp_path_factory.mktemp("large")
    for name, size in (("a.txt", 1_400_000), ("b.txt", 900_000)):
        documents = []
        while size > 0:
            count = 1 + integer(rng, 20)
            lines = [sentences[integer(rng, len(sentences))] for _ in range(count)]
            documents.append("\n".join(lines))
            size -= len(documents[-1].encode()) + 2
        (folder / name).write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    return str(folder / "*.txt")


def make_flags(input_file, output, vocab_file, *more):
    """Flags of a run on a file, with a segmenter that needs nothing."""
    return (
        f"--input_file={input_file}",
        f"--output_file={output}",
        f"--vocab_file={vocab_file}",
        "--segmenter=characters",
        *SIZES,
        *more,
    )


@pytest.fixture
def flags(vocab_file, tmp_path):
    """Makes flags of a run whose output is in a folder of the test's own."""
    return lambda input_file, output="out", *more: make_flags(
        input_file, tmp_path / output, vocab_file, "--num_workers=1", *more
    )


def contents(folder: pathlib.Path, pattern: str = "out-*"):
    # As a shell or TensorFlow would match it: without hidden names.
    found = sorted(glob.glob(str(folder / pattern)))
    return {os.path.basename(path): pathlib.Path(path).read_bytes() for path in found}


class LargeRun:
    """A program that makes three shards of the large corpus.

    Attributes:
        expected: what it writes if nothing interrupts it, by name.
        seconds: how long that takes.
    """

    def __init__(self, program, corpus, vocab_file, folder):
        self._program = program
        flags = make_flags(corpus, "", vocab_file, "--num_output_shards=3", "--num_workers=2")
        if program == SEGMENT:
            of_records = {*SIZES, f"--vocab_file={vocab_file}"}
            self._flags = [flag for flag in flags if flag not in of_records] + ["--annotate="]
        else:
            self._flags = [*flags, "--compression=GZIP", "--pack"]
        begun = time.monotonic()
        launcher.run(*self.command(folder))
        self.seconds = time.monotonic() - begun
        self.expected = contents(folder)

    def command(self, folder, *more):
        return (self._program, *self._flags, f"--output_file={folder / 'out'}", *more)

    def start(self, folder):
        return launcher.start(*self.command(folder), new_session=True)

    def finish(self, folder):
        """Runs it to its end, where it writes what it always does; returns what it prints."""
        printed = launcher.output(*self.command(folder))
        assert contents(folder) == self.expected
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["manifest.out.json", *self.expected]
        return printed


@pytest.fixture(scope="module")
def records_run(large_corpus, vocab_file, tmp_path_factory):
    return LargeRun(PROGRAM, large_corpus, vocab_file, tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module", params=[PROGRAM, SEGMENT])
def large_run(request, large_corpus, vocab_file, tmp_path_factory):
    if request.param == PROGRAM:
        return request.getfixturevalue("records_run")
    return LargeRun(SEGMENT, large_corpus, vocab_file, tmp_path_factory.mktemp("segmented"))


def test_any_number_of_workers_gives_the_same_bytes(records_run, tmp_path):
    for workers in (1, 3):
        launcher.run(*records_run.command(tmp_path / f"{workers}", f"--num_workers={workers}"))
        assert contents(tmp_path / f"{workers}") == records_run.expected
    assert list(records_run.expected) == [f"out-0000{shard}-of-00003" for shard in range(3)]
    sizes = [len(content) for content in records_run.expected.values()]
    assert max(sizes) < 1.01 * min(sizes)  # spread evenly


def test_killed_at_any_moment_it_ends_with_the_same_bytes(large_run, tmp_path):
    moments = random.Random(3)
    killed = 0
    while killed < 4:
        process = large_run.start(tmp_path)
        time.sleep(moments.uniform(0.1, large_run.seconds))
        if process.poll() is None:
            process.kill()
            killed += 1
        ended = process.result()
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        # Nothing that looks finished is not; the manifest comes last.
        visible = contents(tmp_path, "*")
        assert "manifest.out.json" not in visible or len(visible) == len(large_run.expected) + 1
        assert all(
            large_run.expected[name] == visible[name] for name in visible if "json" not in name
        )
        if ended.returncode == 0:  # it was faster than the signal
            assert contents(tmp_path) == large_run.expected
            for path in tmp_path.iterdir():
                path.unlink()
    large_run.finish(tmp_path)


def workers_of(process):
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    command_lines = {pid: pathlib.Path(f"/proc/{pid}/cmdline") for pid in children}
    return [pid for pid, path in command_lines.items() if "spawn_main" in path.read_text()]


def unfinished_size(folder):
    """Bytes written so far."""
    size = 0
    for path in folder.glob(".out.unfinished/0*"):
        with contextlib.suppress(FileNotFoundError):  # it has just been renamed
            size += path.stat().st_size
    return size


def wait_until(process, condition):
    while not condition():
        assert process.poll() is None, process.stderr()
        time.sleep(0.005)


def test_a_worker_that_is_killed_ends_the_run_and_loses_nothing(records_run, tmp_path):
    for is_at_work in (False, True):
        before = unfinished_size(tmp_path)
        process = records_run.start(tmp_path)
        wait_until(process, lambda process=process: len(workers_of(process)) == 2)
        worker = workers_of(process)[1]
        if is_at_work:
            wait_until(process, lambda before=before: unfinished_size(tmp_path) > before)
        os.kill(int(worker), signal.SIGKILL)
        ended = process.result(30)
        assert ended.returncode == 1
        assert "a worker process was killed" in ended.stderr and "Traceback" not in ended.stderr
    records_run.finish(tmp_path)


def test_interrupted_it_ends_at_once_and_resumes_later(large_run, tmp_path):
    def has_begun(process, before):
        return (tmp_path / ".out.unfinished" / "journal.json").exists()

    def has_workers(process, before):
        return len(workers_of(process)) == 2

    def has_written(process, before):
        return unfinished_size(tmp_path) > before

    for condition in (has_begun, has_workers, has_written):
        before = unfinished_size(tmp_path)
        process = large_run.start(tmp_path)
        wait_until(process, functools.partial(condition, process, before))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
        ended = process.result(20)
        if condition is has_written and ended.returncode == 0:  # it was faster than the signal
            break
        assert ended.returncode == 130, ended.stderr
        assert ended.stderr.endswith("interrupted\n") and "Traceback" not in ended.stderr
    large_run.finish(tmp_path)


def test_a_full_disk_ends_the_run_and_loses_nothing(records_run, tmp_path):
    command = records_run.command(tmp_path, "--compression=")
    expected = {name: gzip.decompress(data) for name, data in records_run.expected.items()}
    process = launcher.start(*command)
    wait_until(process, lambda: len(workers_of(process)) == 2)  # what they need is written
    # To write past a limit fails as it does on a full disk.
    limit = len(min(expected.values(), key=len)) // 2
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, -1))
    ended = process.result()
    assert ended.returncode == 1
    assert "error: [Errno 27] File too large" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not contents(tmp_path, "*")
    assert "Resumes after" in launcher.output(*command)
    assert contents(tmp_path) == expected


def test_a_workers_error_names_file_and_line(flags, large_corpus, tmp_path):
    good = pathlib.Path(large_corpus).parent / "b.txt"
    bad = tmp_path / "bad.txt"
    text = good.read_bytes() * 2
    bad.write_bytes(text + "我们\n好".encode() + b"\xe5\xa5\n")
    line = text.count(b"\n") + 2
    errors = launcher.run(PROGRAM, *flags(bad, "out", "--num_workers=2"), status=1).stderr
    assert f"bad.txt:{line}: byte 0xe5 at column 4 is not UTF-8" in errors
    assert not (tmp_path / "out").exists()


def test_other_flags_are_refused_and_named(flags, corpus, tmp_path):
    launcher.run(PROGRAM, *flags(corpus))
    before = contents(tmp_path, "out*")
    errors = launcher.run(PROGRAM, *flags(corpus, "out", "--dupe_factor=3"), status=1).stderr
    assert "was made with flag dupe_factor = 2, this run has 3; expected the same" in errors
    assert (
        "finished already" in launcher.run(PROGRAM, *flags(corpus, "out", "--num_workers=2")).stdout
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
    assert [find_compression(path) for path in plain + small] == ["", "", "GZIP", "GZIP"]
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


def test_line_ends_of_the_classic_mac_give_the_same_records_and_words(flags, corpus, tmp_path):
    text = pathlib.Path(corpus).read_bytes()
    assert b"\n\n" in text and b"\r" not in text
    (tmp_path / "returns.txt").write_bytes(text.replace(b"\n", b"\r"))
    for name, path in (("feeds", corpus), ("returns", tmp_path / "returns.txt")):
        launcher.run(PROGRAM, *flags(path, name))
        words = f"--output_file={tmp_path / name}.gz"
        launcher.run(SEGMENT, f"--input_file={path}", words, "--segmenter=characters")
    for end in ("", ".gz"):
        made = (tmp_path / f"returns{end}").read_bytes()
        assert made == (tmp_path / f"feeds{end}").read_bytes()


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
        (["--pert_scope=unit"], "--masking_strategy=wwm has no use for it"),
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
