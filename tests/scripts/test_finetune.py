"""The script that runs a cell of HFL's tables, with a python that only prints what it was asked."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from bert_wwm.tasks.table import TASKS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "finetune.sh"
PROGRAMS = {"sentence": "run_classifier.py", "reading": "run_squad.py", "tagging": "run_ner.py"}
PUBLISHED = json.loads((ROOT / "configs" / "published_results.json").read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path: pathlib.Path):
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase $1 in *list_tasks.py) exec {sys.executable} "$@";; *) echo "$@";; esac\n'
    )
    python.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(python), "PYTHONPATH": str(ROOT)}

    def run_script(*arguments: str):
        return subprocess.run(
            ["sh", str(SCRIPT), *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run_script


@pytest.mark.parametrize("name", [*PUBLISHED["tasks"], "squad"])
def test_a_task_runs_with_its_program(run, name):
    done = run(name, "models/rbt3/", "data", "gs://b/out", "--num_runs=3", "--model_name=a b")
    assert (done.returncode, done.stderr) == (0, "")
    program, *flags = done.stdout.rstrip("\n").split(maxsplit=11)
    assert pathlib.Path(program).resolve() == ROOT / PROGRAMS[TASKS[name].kind]
    splits = [flag for flag in ("--do_eval", "--do_predict") if flag in done.stdout]
    assert flags[:8] == [
        f"--task_name={name}",
        "--data_dir=data",
        "--output_dir=gs://b/out",
        "--model_name=rbt3",
        "--bert_config_file=models/rbt3/bert_config.json",
        "--vocab_file=models/rbt3/vocab.txt",
        "--init_checkpoint=models/rbt3",
        "--do_train",
    ]
    assert splits
    assert done.stdout.endswith(f"{' '.join(splits)} --num_runs=10 --num_runs=3 --model_name=a b\n")


def test_hidden_test_sets_and_missing_dev_sets_are_not_asked_for(run):
    arguments = ("model", "data", "out")
    assert "--do_predict" not in run("cmrc2018", *arguments).stdout
    assert "--do_eval" not in run("msra_ner", *arguments).stdout
    assert "--do_eval --do_predict" in run("drcd", *arguments).stdout


def test_an_unknown_task_is_named(run):
    done = run("cmrc/2018", "model", "data", "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "finetune.sh: error: cmrc/2018: no such task; expected one of xnli lcqmc "
    )


def test_the_usage_says_where_the_data_of_each_published_task_is(run):
    done = run("xnli", "model", "data")
    assert done.returncode == 2
    assert done.stderr.startswith("Fine-tunes a model for a task with ten seeds")
    named = re.findall(r"^  (\w+) {2,}\S*\.\S*|^  (msra_ner) ", done.stderr, re.MULTILINE)
    assert {first or second for first, second in named} >= PUBLISHED["tasks"].keys()
