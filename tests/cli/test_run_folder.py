"""The folder of a run that goes on."""

import os
import subprocess
import sys

import pytest

from bert_wwm.cli.run_folder import open_run_folder
from bert_wwm.core.errors import ConfigError, DataError

SETTINGS = {"rate": 1e-5, "files": ["a", "b"]}


def test_the_same_run_goes_on(tmp_path):
    path = str(tmp_path / "run")
    with open_run_folder(path, SETTINGS, overwrite=False) as folder:
        assert folder("a", "b") == os.path.join(path, "a", "b")
        (tmp_path / "run" / "weights").write_text("1")
    with open_run_folder(path, SETTINGS, overwrite=False):
        assert (tmp_path / "run" / "weights").read_text() == "1"


@pytest.mark.parametrize(
    "settings, what",
    [
        ({**SETTINGS, "rate": 2e-5}, "rate = 1e-05, this run has 2e-05"),
        ({"rate": 1e-5}, r"files = \['a', 'b'\], this run has None"),
        ({**SETTINGS, "more": 1}, "more = None, this run has 1"),
    ],
)
def test_another_run_is_refused_or_begins_anew(tmp_path, settings, what):
    with open_run_folder(str(tmp_path), SETTINGS, overwrite=False) as folder:
        os.makedirs(folder("text", "deep"))
    with pytest.raises(ConfigError, match=f"was made with {what}; expected the same"):
        open_run_folder(str(tmp_path), settings, overwrite=False).__enter__()
    assert (tmp_path / "text").is_dir()
    with open_run_folder(str(tmp_path), settings, overwrite=True) as folder:
        assert sorted(os.listdir(folder.path)) == ["settings.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", "\udcff"])
def test_broken_settings_are_told(tmp_path, text):
    with open_run_folder(str(tmp_path), SETTINGS, overwrite=False):
        (tmp_path / "settings.json").write_text(text, errors="surrogateescape")
    with pytest.raises(DataError, match=r"settings\.json.*; --overwrite begins again$"):
        open_run_folder(str(tmp_path), SETTINGS, overwrite=False).__enter__()
    with open_run_folder(str(tmp_path), SETTINGS, overwrite=True):
        pass


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_stays_as_it_is(tmp_path, overwrite):
    (tmp_path / "thesis.txt").write_text("a")
    with pytest.raises(ConfigError, match="holds files of something else"):
        open_run_folder(str(tmp_path), SETTINGS, overwrite).__enter__()
    assert (tmp_path / "thesis.txt").read_text() == "a"


def test_programs_that_inherit_the_lock_hold_it(tmp_path):
    with open_run_folder(str(tmp_path), SETTINGS, overwrite=False) as folder:
        with pytest.raises(ConfigError, match="another process is writing there"):
            open_run_folder(str(tmp_path), SETTINGS, overwrite=False).__enter__()
        program = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[folder.lock]
        )
    with pytest.raises(ConfigError, match="another process is writing there"):
        open_run_folder(str(tmp_path), SETTINGS, overwrite=False).__enter__()
    program.communicate(b"\n")
    with open_run_folder(str(tmp_path), SETTINGS, overwrite=False):
        pass
