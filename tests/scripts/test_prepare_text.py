"""The program that prepares raw text, as users run it."""

import contextlib
import csv
import glob
import gzip
import itertools
import json
import os
import pathlib
import random
import signal
import time

import launcher
import pytest
from refusals import refusal

from bert_wwm.corpus.documents import read_documents

PROGRAM = "prepare_text.py"


def prepare(*flags):
    """Runs the program; returns what it printed."""
    return launcher.output(f"scripts/{PROGRAM}", *flags)


def documents(*paths):
    return [document.sentences for document in read_documents(sorted(map(str, paths)))]


def manifest(folder, name="out"):
    return json.loads((folder / f"manifest.{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def raw(tmp_path):
    """A file of each kind."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "a.txt").write_text("\ufeff第一。“好。走！”\n\n<p>第二。</p>\n\n第一。\n“好。走！”\n")
    rows = [{"text": "第三&nbsp;。\u200b"}, {"text": None}, {"text": "第二。"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "b.txt.gz").write_bytes(gzip.compress(lines.encode()))
    with open(folder / "c.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([["text", "n"], ["第四。\n\n第五。", 1], ["12345", 2]])
    (folder / "wiki_00").write_text('<doc id="1" title="题">\n题\n\n第六（）。\n</doc>\n')
    return folder


def test_files_of_all_kinds_at_once(raw, tmp_path):
    told = prepare(f"--input_file={raw}/*", f"--output_file={tmp_path}/out", "--num_workers=1")
    assert documents(tmp_path / "out") == [
        ["第一。", "“好。走！”"],
        ["第二。"],
        ["第三 。"],
        ["第四。", "第五。"],
        ["第六。"],
    ]
    assert told.startswith("Reads 4 file(s): 1 csv, 1 jsonl, 1 text, 1 wikiextractor\n")
    counts = manifest(tmp_path)["counts"]
    assert counts == {
        "documents_read": 9,
        "documents_kept": 5,
        "documents_empty": 1,
        "documents_short": 0,
        "documents_unnatural": 1,
        "documents_duplicate": 2,
        "documents_split": 0,
        "sentences": 7,
        "tags": 2,
        "invisible": 1,
    }
    for words in ("kept 5", "duplicate 2", "no natural text 1", "removed tags 2"):
        assert words in " ".join(told.split())
    again = prepare(f"--input_file={raw}/*", f"--output_file={tmp_path}/out", "--num_workers=1")
    assert again.endswith("out: finished already\n")


def test_flags_of_formats(tmp_path):
    (tmp_path / "a.txt").write_text('id\tbody\n1\t"第一。\n')
    (tmp_path / "b.txt").write_text("id;body\n2;第二。\n")
    for name, delimiter in (("a", "tab"), ("b", ";")):
        prepare(
            f"--input_file={tmp_path}/{name}.txt",
            f"--output_file={tmp_path}/{name}",
            "--input_format=csv",
            f"--delimiter={delimiter}",
            "--text_field=body",
        )
    assert documents(tmp_path / "a", tmp_path / "b") == [['"第一。'], ["第二。"]]


def test_a_dry_run_writes_nothing(raw, tmp_path):
    told = prepare(f"--input_file={raw}/*", f"--output_file={tmp_path}/out", "--dry_run")
    assert "MB/s of text each" in told and sorted(os.listdir(tmp_path)) == ["raw"]


NOISE = random.Random(0).randbytes(2000)


@pytest.mark.parametrize(
    "content, flags, message",
    [
        (b'{"text": "x"}\n{"text', (), "a.txt:2: broken at column 2 ("),
        (b'{"body": "x"}\n', (), "a.txt:1: there is no field 'text'; expected --text_field to be"),
        (b"a,b\n", ("--input_format=csv",), "a.txt:1: there is no column 'text'"),
        (b"\xff\xfea\0", (), "a.txt:1: holds a NUL byte; expected text"),
        ("一二三".encode("gbk"), (), "a.txt:1: byte 0xb6 at column 3 is not UTF-8"),
        (gzip.compress(NOISE, mtime=0)[:1000], (), "a.txt: broken gzip data"),
        (b"", (), "a.txt: holds no document; expected text\n"),
        (b"\r\n \r", (), "a.txt: holds no document; expected text\n"),
        (b"text\n", ("--input_format=csv",), "a.txt: holds no document; expected text\n"),
        (b"1\n\n<br>\n\n2", (), "of 3 documents 1 are empty, 0 too short and 2 no natural text"),
        (b"x", ("--delimiter=ab",), "--delimiter=ab: expected one character, or tab"),
        (b"x", ("--num_output_shards=2", "--output_file=a,b"), "expected a single name"),
    ],
    ids=itertools.count(),
)
def test_errors_are_one_sentence_and_leave_nothing(tmp_path, content, flags, message):
    (tmp_path / "a.txt").write_bytes(content)
    output = tmp_path / "made" / "out"
    flags = (f"--input_file={tmp_path}/a.txt", f"--output_file={output}", *flags)
    assert message in refusal(PROGRAM, *flags, prints=True)
    assert not output.exists()


def test_other_flags_are_refused_while_a_run_is_there(raw, tmp_path):
    flags = (f"--input_file={raw}/*", f"--output_file={tmp_path}/out", "--num_workers=1")
    prepare(*flags)
    error = refusal(PROGRAM, *flags, "--min_chars=3", prints=True)
    assert "was made with flag min_chars = 1, this run has 3" in error
    prepare(*flags, "--min_chars=4", "--overwrite")
    assert len(documents(tmp_path / "out")) == 2


NUM_DOCUMENTS = 5000


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """About 3 MB of three kinds, a tenth of the documents twice; flags that read them."""
    folder = tmp_path_factory.mktemp("large")
    rng = random.Random(1)
    texts = []
    for number in range(NUM_DOCUMENTS):
        if number % 10 == 9:
            texts.append(rng.choice(texts))
        else:
            count = rng.randint(1, 20)
            texts.append(
                "".join(
                    f"这是第{rng.randint(0, 10**6)}句话，“写得<b>很好</b>。”" for _ in range(count)
                )
            )
    (folder / "a.txt").write_text("\n\n".join(texts[:2000]) + "\n")
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts[2000:3700])
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    with open(folder / "c.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([["text"], *([text] for text in texts[3700:])])
    return (f"--input_file={folder}/*", "--num_output_shards=3"), len(set(texts))


def contents(folder):
    # As a shell would match it: without hidden names.
    return {
        os.path.basename(path): pathlib.Path(path).read_bytes()
        for path in glob.glob(f"{folder}/*")
        if not path.endswith(".json")
    }


def size_of(folder):
    """Bytes of all files, those that aren't finished too."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # it has just been renamed
                size += os.path.getsize(os.path.join(parent, name))
    return size


@pytest.fixture(scope="module")
def whole(large, tmp_path_factory):
    """What a run that is left alone writes."""
    folder = tmp_path_factory.mktemp("whole")
    prepare(*large[0], f"--output_file={folder}/out", "--num_workers=2")
    return contents(folder)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_any_number_of_workers_gives_the_same_bytes(large, whole, tmp_path, num_workers):
    prepare(*large[0], f"--output_file={tmp_path}/out", f"--num_workers={num_workers}")
    assert contents(tmp_path) == whole
    sizes = [len(content) for content in whole.values()]
    assert len(sizes) == 3 and max(sizes) < 1.02 * min(sizes)  # spread evenly
    assert len(documents(*tmp_path.glob("out-*"))) == large[1]
    counts = manifest(tmp_path)["counts"]
    assert counts["documents_read"] == NUM_DOCUMENTS == large[1] + counts["documents_duplicate"]


def test_killed_at_any_moment_it_ends_with_the_same_bytes(large, whole, tmp_path):
    flags = (*large[0], f"--output_file={tmp_path}/out", "--num_workers=2")
    moments = random.Random(2)
    size = sum(map(len, whole.values()))
    resumed = killed = 0
    while killed < 3:
        process = launcher.start(f"scripts/{PROGRAM}", *flags)
        until = size_of(tmp_path) + moments.uniform(0.02, 0.3) * size
        while process.poll() is None and size_of(tmp_path) < until:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.05))
        if process.poll() is None:
            process.kill()
            killed += 1
        ended = process.result()
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        resumed += "Resumes after" in ended.stdout
        visible = contents(tmp_path)
        assert all(whole[name] == content for name, content in visible.items())
        if ended.returncode == 0 and len(visible) == 3:  # it was faster than the signal
            for path in tmp_path.iterdir():
                path.unlink()
    prepare(*large[0], f"--output_file={tmp_path}/out", "--num_workers=1")
    assert contents(tmp_path) == whole
    assert resumed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.out.json", *whole]
    counts = manifest(tmp_path)["counts"]
    assert counts["documents_kept"] == large[1] and counts["documents_read"] == NUM_DOCUMENTS
