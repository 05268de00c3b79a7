"""The table of tasks, as users see it."""

import os
import pathlib
import subprocess
import sys

from bert_wwm.tasks.table import TASKS, tasks_of
from bert_wwm.tasks.task import KINDS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def _run(*flags: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "scripts/list_tasks.py", *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_markdown_has_a_line_for_each_task():
    run = _run("--markdown")
    assert run.returncode == 0, run.stderr
    header, rule, *lines = [line[2:-2].split(" | ") for line in run.stdout.splitlines()]
    assert set(rule) == {"---"}
    assert all(len(line) == len(header) == len(rule) for line in lines)
    rows = {line[0]: dict(zip(header, line)) for line in lines}
    assert list(rows) == [*(name for kind in KINDS for name in tasks_of(kind)), "tsv"]
    assert rows["chnsenticorp"] == {
        "name": "chnsenticorp",
        "task": "ChnSentiCorp",
        "program": "run_classifier.py",
        "scores": "accuracy",
        "tokens": "256",
        "batch": "64",
        "epochs": "3",
        "rate": "2e-5",
        "small models": "1e-4, 5 epochs",
        "files": "train.tsv, dev.tsv, test.tsv",
        "settings from": TASKS["chnsenticorp"].source,
    }
    assert rows["ocnli"]["small models"] == "5e-5, 5 epochs"
    assert rows["cmrc2018"]["program"] == "run_squad.py"
    assert rows["cmrc2018"]["scores"].startswith("average, ")
    assert rows["msra_ner"]["program"] == "run_ner.py"
    assert rows["msra_ner"]["scores"].startswith("f1, ")


def test_plain_table_is_aligned():
    run = _run()
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == 2 + len(TASKS.names())
    place = lines[0].index("program")
    assert all(line[place:].startswith("run_") for line in lines[1:])
    assert all(line[place - 2 : place] == "  " for line in lines)


def test_what_is_no_flag_is_refused():
    run = _run("all")
    assert run.returncode != 0
    assert "unexpected argument 'all'" in run.stderr
