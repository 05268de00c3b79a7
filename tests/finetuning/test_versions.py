import os
import pathlib
import subprocess
import sys

import pytest

from bert_wwm.finetuning.versions import publish, unpublished

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Waits within the block until its standard input ends.
WRITER = """
import sys
from bert_wwm.finetuning.versions import publish, unpublished

with unpublished(sys.argv[1]) as folder:
    open(f"{folder}/model", "w").close()
    print(folder, flush=True)
    sys.stdin.read()
    print(publish(folder))
"""


def write(folder):
    path = os.path.join(folder, "model")
    with open(path, "w") as stream:
        stream.write(folder)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def writer(tmp_path):
    """A process that is writing a version, and its hidden folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "models")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    yield process, pathlib.Path(process.stdout.readline().strip())
    process.kill()
    process.communicate()


def test_versions_count_up(tmp_path):
    models = tmp_path / "a" / "models"
    for number in (1, 2):
        with unpublished(str(models)) as folder:
            assert os.listdir(folder) == [] and os.path.basename(folder).startswith(".")
            write(folder)
            assert publish(folder) == str(models / str(number))
    (models / "9").mkdir()
    (models / "notes").mkdir()
    with unpublished(str(models)) as folder:
        assert publish(folder) == str(models / "10")
    assert names(models) == ["1", "10", "2", "9", "notes"]


def test_of_two_at_once_the_first_to_end_has_the_lower_number(tmp_path):
    with unpublished(str(tmp_path)) as first, unpublished(str(tmp_path)) as second:
        write(first)
        write(second)
        assert publish(second) == str(tmp_path / "1")
        assert publish(first) == str(tmp_path / "2")
    assert (tmp_path / "1" / "model").read_text() == second
    assert (tmp_path / "2" / "model").read_text() == first


def test_a_number_that_is_taken_meanwhile_is_passed_over(tmp_path, monkeypatch):
    rename = os.rename

    def late(source, target):
        if target.endswith("/1"):
            (tmp_path / "1").mkdir(exist_ok=True)
            (tmp_path / "1" / "model").write_text("another's")
        rename(source, target)

    with unpublished(str(tmp_path)) as folder:
        write(folder)
        monkeypatch.setattr(os, "rename", late)
        assert publish(folder) == str(tmp_path / "2")
    assert (tmp_path / "1" / "model").read_text() == "another's"


def test_what_fails_leaves_nothing(tmp_path):
    models = tmp_path / "models"
    with pytest.raises(KeyboardInterrupt), unpublished(str(models)) as folder:
        write(folder)
        raise KeyboardInterrupt
    assert not models.exists()
    models.mkdir()
    with pytest.raises(ValueError), unpublished(str(models)) as folder:
        write(folder)
        raise ValueError
    assert names(models) == []


def test_a_killed_process_leaves_what_the_next_removes(tmp_path, writer):
    process, left = writer
    process.kill()
    process.wait()
    assert names(left.parent) == [left.name]
    (left.parent / ".mine.tmp").mkdir()
    with unpublished(str(left.parent)) as folder:
        assert publish(folder) == str(left.parent / "1")
    assert names(left.parent) == [".mine.tmp", "1"]


def test_a_process_that_runs_keeps_its_folder(tmp_path, writer):
    process, running = writer
    with unpublished(str(running.parent)) as folder:
        assert publish(folder) == str(running.parent / "1")
    assert names(running.parent) == [running.name, "1"]
    assert process.communicate("")[0] == f"{running.parent}/2\n"
    assert names(running.parent / "2") == ["model"]
