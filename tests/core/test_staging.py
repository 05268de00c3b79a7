"""Temporary files and folders, and what killed processes leave of them."""

import os
import subprocess
import sys
import time

import pytest

from bert_wwm.core import files, staging
from bert_wwm.core.staging import temporary_folder

KILLED = """
import os, signal, sys
from bert_wwm.core.staging import temporary_folder
with temporary_folder(*sys.argv[1:]) as folder:
    open(os.path.join(folder, "half"), "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill(*arguments, **environment):
    subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], env={**os.environ, **environment}, timeout=60
    )


def test_a_folder_is_empty_and_goes_with_all_that_is_in_it(tmp_path):
    parent = tmp_path / "a" / "b"
    with temporary_folder(str(parent), "x") as folder:
        assert os.listdir(folder) == [] and os.path.dirname(folder) == str(parent)
        assert os.stat(folder).st_mode == os.stat(parent).st_mode
        (parent / folder / "file").touch()
    assert os.listdir(parent) == []


def test_a_folder_may_get_another_name(tmp_path):
    with temporary_folder(str(tmp_path)) as folder:
        os.rename(folder, tmp_path / "whole")
    assert os.listdir(tmp_path) == ["whole"]


def test_what_killed_processes_left_goes_and_what_is_in_use_stays(tmp_path):
    others = [".x.tmp", ".y.01234567.tmp", "x"]
    for name in others:
        (tmp_path / name).mkdir()
    kill(str(tmp_path), "x")
    assert len(os.listdir(tmp_path)) == 4
    with temporary_folder(str(tmp_path), "x") as first, temporary_folder(str(tmp_path), "x"):
        assert len(os.listdir(tmp_path)) == 5 and os.path.isdir(first)
    assert sorted(os.listdir(tmp_path)) == others


def test_what_was_left_among_the_systems_temporary_files_goes_too(tmp_path, monkeypatch):
    kill(TMPDIR=str(tmp_path))
    assert len(os.listdir(tmp_path)) == 1
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_folder() as folder:
        assert os.listdir(tmp_path) == [os.path.basename(folder)]


@pytest.mark.parametrize("days, is_left", [(6, True), (8, False)])
def test_what_was_left_in_a_bucket_goes_after_a_week(tmp_path, days, is_left):
    staging._remove_from_bucket.cache_clear()
    left = tmp_path / f"b.{'0f' * 16}.tmp"
    for path in (left, tmp_path / "old.tmp"):
        path.touch()
        os.utime(path, (time.time() - days * 24 * 3600,) * 2)
    files.write_text(f"file://{tmp_path}/a", "text")
    assert sorted(os.listdir(tmp_path)) == ["a", *[left.name] * is_left, "old.tmp"]
