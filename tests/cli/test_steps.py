"""Programs one after the other."""

import os
import signal
import subprocess
import sys
import time

import pytest

from bert_wwm.cli.steps import ROOT, Steps
from bert_wwm.core.errors import ToolkitError

LOOP = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def program(tmp_path):
    def write(text):
        path = tmp_path / "program.py"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_steps_are_shown_and_timed(program, capfd):
    steps = Steps()
    steps.begin("First")
    steps.run(program("import sys; print(sys.argv[1])"), "--text=a b")
    steps.begin("Second")
    steps.finish()
    shown = capfd.readouterr().out
    assert shown.startswith("\n== 1. First\n$ python ")
    assert "'--text=a b'\n--text=a b\n\n== 2. Second\n" in shown
    assert list(steps.times) == ["First", "Second"]
    assert [line.split()[1] for line in steps.lines()] == ["First", "Second"]


def test_a_program_that_fails_ends_the_steps(program):
    steps = Steps()
    steps.begin("Words")
    with pytest.raises(ToolkitError, match=r"step 1 \(Words\) failed: .* ended with status 3"):
        steps.run(program("import sys; sys.exit(3)"))


def test_sigterm_goes_on_to_the_program(program):
    code = (
        "from bert_wwm.cli.steps import Steps\n"
        f"steps = Steps(); steps.begin('Loop'); steps.run({program(LOOP)!r})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    assert time.monotonic() - begun < 30


def test_programs_keep_what_they_inherit(program, tmp_path):
    with open(tmp_path / "lock", "w") as lock:
        steps = Steps(inherited=[lock.fileno()])
        steps.begin("Lock")
        steps.run(program(f"import os; os.fstat({lock.fileno()})"))
    assert os.path.exists(os.path.join(ROOT, "setup.py"))
