"""A folder that one process at a time writes to."""

import os
import signal
import subprocess
import sys

import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.lock import locked


def test_the_second_is_refused_until_the_first_is_done(tmp_path):
    folder = str(tmp_path / "a" / "b")
    with locked(folder):
        message = f"{folder}: another process is writing there; wait"
        with pytest.raises(ConfigError, match=message), locked(folder):
            pass
        assert os.path.isdir(folder)
    with locked(folder):
        pass


def test_a_folder_without_files_is_not_left(tmp_path):
    with locked(str(tmp_path / "empty")):
        pass
    assert not (tmp_path / "empty").exists()
    with pytest.raises(RuntimeError), locked(str(tmp_path / "full")):
        (tmp_path / "full" / "file").touch()
        raise RuntimeError
    assert (tmp_path / "full" / "file").exists()


def test_the_lock_of_a_killed_process_is_gone(tmp_path):
    code = (
        "import sys; from bert_wwm.core.lock import locked\n"
        f"with locked({str(tmp_path)!r}): print('locked', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(ConfigError, match="another process"), locked(str(tmp_path)):
            pass
        process.send_signal(signal.SIGKILL)
    with locked(str(tmp_path)):
        pass


def test_the_second_may_wait(tmp_path):
    code = (
        "import sys; from bert_wwm.core.lock import locked\n"
        f"with locked({str(tmp_path / 'a')!r}): print('locked', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    waits = []
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        assert process.stdout.readline() == b"locked\n"

        def wait():
            waits.append(1)
            process.stdin.close()

        with locked(str(tmp_path / "a"), wait=wait) as descriptor:
            assert os.path.samestat(os.stat(tmp_path / "a"), os.fstat(descriptor))
    assert waits == [1] and not (tmp_path / "a").exists()


def test_buckets_have_no_locks():
    with locked("gs://bucket/folder"), locked("gs://bucket/folder"):
        pass
