"""A folder is replaced whole, or stays what it was."""

import os
import subprocess
import sys

import pytest

from bert_wwm.core import folders
from bert_wwm.core.errors import ConfigError, DataError

KILLED = """
import os, signal, sys
from bert_wwm.core import folders
with folders.replaced(sys.argv[1]) as new:
    open(os.path.join(new, "half"), "w").close()
    if sys.argv[2] == "between":
        os.rename(sys.argv[1], os.path.join(os.path.dirname(new), "old"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir(mode=0o750)
    (folder / "name").write_text("old")
    return folder


def write(path, text="new"):
    with folders.replaced(str(path)) as new:
        assert os.listdir(new) == []
        with open(os.path.join(new, "name"), "w") as stream:
            stream.write(text)


def assert_only(path, text):
    assert os.listdir(path.parent) == [path.name]
    assert [item.name for item in path.iterdir()] == ["name"]
    assert (path / "name").read_text() == text


def test_replaces(path):
    write(path)
    assert_only(path, "new")
    assert path.stat().st_mode & 0o777 == 0o750


def test_makes_new_ones(tmp_path):
    write(tmp_path / "deep" / "model")
    assert_only(tmp_path / "deep" / "model", "new")


def test_a_link_stays_one(path, tmp_path):
    os.symlink(path, tmp_path / "link")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (path / "name").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_changes_nothing(path, error):
    with pytest.raises(error), folders.replaced(str(path)):
        raise error
    assert_only(path, "old")


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_between_the_two_renames(path, monkeypatch, error):
    rename = os.rename

    def failing(source, target):
        if source.endswith("new"):
            raise error
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(error):
        write(path)
    assert_only(path, "old")


@pytest.mark.parametrize("when", ["before", "between"])
def test_what_a_killed_process_left(path, when):
    subprocess.run([sys.executable, "-c", KILLED, str(path), when], check=False, timeout=60)
    assert len(os.listdir(path.parent)) == (2 if when == "before" else 1)
    with pytest.raises(ValueError), folders.replaced(str(path)):
        raise ValueError
    assert_only(path, "old")
    write(path)
    assert_only(path, "new")


def test_another_process_is_told(path):
    told = pytest.raises(ConfigError, match="another process is writing it")
    with folders.replaced(str(path)), told:
        write(path)
    assert os.listdir(path) == []


def test_errors_name_the_folder_to_be(path):
    replaced = folders.replaced(str(path))
    with pytest.raises(DataError, match=f"^{path}/vocab.txt: broken$"), replaced as new:
        raise DataError(f"{new}/vocab.txt: broken")
    assert_only(path, "old")
