"""The second environment, by fake Pythons that install nothing; no network."""

import concurrent.futures
import os
import queue
import time

import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate import environment
from bert_wwm.estimate.environment import compiler_python

# What a Python is asked to do here: import something (-c), make an environment, run pip.
PYTHON = """\
#!/bin/sh
echo "$@" >> {calls}
case "$*" in
  *"-m venv"*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python"; {venv} ;;
  *"-m pip"*) {pip} ;;
  *"import ensurepip"*) {ensurepip} ;;
  *"import jax"*) {jax} ;;
esac
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Returns a function that puts a Python of version 3.99, the only fit one, on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(environment.VARIABLE, raising=False)
    monkeypatch.setattr(environment, "PYTHONS", ("3.99",))

    def make(venv=":", pip=":", ensurepip=":", jax=":"):
        path = folder / "python3.99"
        path.write_text(
            PYTHON.format(
                calls=tmp_path / "calls", venv=venv, pip=pip, ensurepip=ensurepip, jax=jax
            )
        )
        path.chmod(0o755)
        return path

    return make


def left_over(tmp_path):
    return os.listdir(tmp_path / "cache" / "bert-wwm")


def test_it_is_set_up_once(fake, tmp_path):
    fake()
    log = []
    python = compiler_python(log.append)
    assert os.path.exists(python)
    assert python.startswith(str(tmp_path / "cache" / "bert-wwm" / "tpu-compiler-"))
    calls = (tmp_path / "calls").read_text()
    for package in environment.PACKAGES:
        assert package in calls
    assert "setting up the TPU compiler" in log[0]

    again = []
    assert compiler_python(again.append) == python
    assert not again
    assert (tmp_path / "calls").read_text() == calls
    assert len(left_over(tmp_path)) == 1


def test_no_network(fake, tmp_path):
    fake(
        pip="echo \"WARNING: Retrying (Retry(total=0)) after connection broken by 'Name or service "
        "not known'\"; echo 'ERROR: No matching distribution found for jax==0.10.2'; exit 1"
    )
    with pytest.raises(ConfigError) as error:
        compiler_python(print)
    assert "No matching distribution found for jax" in str(error.value)
    assert "expected Linux on x86-64, and the network or a folder of wheels" in str(error.value)
    assert environment.VARIABLE in str(error.value)
    assert "\n" not in str(error.value)
    assert not left_over(tmp_path)


def test_the_disk_is_full(fake):
    fake(pip="echo 'ERROR: [Errno 28] No space left on device'; exit 1")
    with pytest.raises(ConfigError, match=r"-m pip: ERROR: \[Errno 28\] No space left on device"):
        compiler_python(print)


def test_what_was_installed_does_not_run(fake, tmp_path):
    fake(jax="echo 'ImportError: libtpu.so: version GLIBC_2.31 not found'; exit 1")
    with pytest.raises(ConfigError, match=r"import jax, libtpu: ImportError: libtpu\.so: version"):
        compiler_python(print)
    assert not left_over(tmp_path)


def test_venv_fails(fake):
    fake(venv="echo 'Error: [Errno 13] Permission denied'; exit 1")
    with pytest.raises(ConfigError, match=r"-m venv: Error: \[Errno 13\] Permission denied; "):
        compiler_python(print)


def test_no_python_is_fit(fake):
    fake(ensurepip="echo 'pyenv: python3.99: command not found'; exit 127")
    with pytest.raises(ConfigError, match=r"needs Python 3\.99 to 3\.99 with its venv"):
        compiler_python(print)


def test_the_cache_can_not_be_written(fake, tmp_path):
    fake()
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(ConfigError, match=r"Not a directory; .* XDG_CACHE_HOME"):
        compiler_python(print)


def test_a_python_that_went_away(fake, tmp_path):
    """The environment links to the Python that it was made by."""
    fake()
    python = compiler_python(print)
    os.remove(python)
    os.symlink(tmp_path / "gone", python)
    assert compiler_python(print) == python
    assert os.path.isfile(python)


def test_a_second_setup_waits_for_the_first(fake, tmp_path):
    fake(pip=f"touch {tmp_path}/installing; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done")
    log = queue.Queue()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(compiler_python, print)
        while not (tmp_path / "installing").exists():
            time.sleep(0.05)
        second = pool.submit(compiler_python, log.put)
        assert "waiting for another program" in log.get(timeout=60)
        (tmp_path / "go").touch()
        assert first.result() == second.result()
    assert (tmp_path / "calls").read_text().count("-m pip") == 1
    assert len(left_over(tmp_path)) == 1


def test_an_environment_that_is_there(fake, monkeypatch):
    python = fake()
    monkeypatch.setenv(environment.VARIABLE, str(python))
    assert compiler_python(print) == str(python)


def test_an_environment_that_is_not_there(monkeypatch):
    monkeypatch.setenv(environment.VARIABLE, "/nowhere/python")
    with pytest.raises(ConfigError, match=r"=/nowhere/python: no such program; expected"):
        compiler_python(print)
