"""Apache Beam's runners, by the program; tests/data/test_beam.py looks closer."""

import pathlib
import re

import launcher
import pytest

from bert_wwm.core.shards import manifest_path
from bert_wwm.records.framing import read_records
from bert_wwm.records.manifest import Manifest

PROGRAM = "create_pretraining_data_wwm.py"


@pytest.fixture
def flags(corpus, vocab_file):
    return [
        f"--input_file={corpus}",
        f"--vocab_file={vocab_file}",
        "--segmenter=characters",
        "--max_seq_length=32",
        "--max_predictions_per_seq=5",
        "--dupe_factor=3",
        "--runner=direct",
        "--num_workers=1",
    ]


def test_records_are_those_of_a_local_run(flags, records, tmp_path):
    path = str(tmp_path / "a.tfrecord")
    launcher.run(PROGRAM, *flags, f"--output_file={path}")
    assert list(read_records(path)) == list(read_records(records))
    mine, theirs = (Manifest.load(manifest_path(name)) for name in (path, records))
    assert (mine.files, mine.counts, mine.run) == (theirs.files, theirs.counts, theirs.run)
    assert mine.files["a.tfrecord"]["bytes"] == pathlib.Path(path).stat().st_size
    again = launcher.run(PROGRAM, *flags, f"--output_file={path}", status=1)
    assert re.search(r"error: \S+: is there already; --overwrite replaces it$", again.stderr)
    local = launcher.run(PROGRAM, *flags, f"--output_file={path}", "--runner=local")
    assert "finished already" in local.stdout


@pytest.mark.parametrize(
    "content, message",
    [
        ("我们\n学习\n".encode(), "no instance could be made of 1 document"),
        ("我们\n好".encode() + b"\xe5\xa5\n", "in.txt:2: byte 0xe5 at column 4 is not UTF-8"),
    ],
)
def test_bad_text_is_named_and_leaves_nothing(flags, tmp_path, content, message):
    text = tmp_path / "in.txt"
    text.write_bytes(content)
    output = tmp_path / "out"
    result = launcher.run(
        PROGRAM, *flags, f"--input_file={text}", f"--output_file={output}", status=1
    )
    assert message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]
