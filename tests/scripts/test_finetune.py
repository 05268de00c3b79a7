"""The scripts that reproduce lines of the papers."""

import os
import pathlib
import re
import subprocess

import pytest

from bert_wwm.tasks.table import TASKS

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"
OF_TASKS = sorted(SCRIPTS.glob("finetune_*.sh"))


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "chinese_model"
    folder.mkdir()
    for name in ("bert_config.json", "vocab.txt", "bert_model.ckpt.index"):
        (folder / name).touch()
    return folder


def run(script, *arguments):
    environment = {**os.environ, "PYTHON": "echo"}  # prints the command
    return subprocess.run(
        ["sh", str(script), *map(str, arguments)], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("script", OF_TASKS, ids=lambda path: path.stem)
def test_a_script_calls_its_program(script, model):
    done = run(script, model, "data", "out", "--num_runs=3")
    assert (done.returncode, done.stderr) == (0, "")
    program, *flags = done.stdout.split()
    task = TASKS[script.stem[len("finetune_") :]]
    kinds = {"sentence": "run_classifier", "reading": "run_squad", "tagging": "run_ner"}
    assert pathlib.Path(program).resolve() == SCRIPTS.parent / f"{kinds[task.kind]}.py"
    assert flags[:3] == [f"--task_name={task.name}", "--data_dir=data", "--output_dir=out"]
    assert f"--init_checkpoint={model}/bert_model.ckpt" in flags
    assert "--do_train" in flags and {"--do_eval", "--do_predict"} & set(flags)
    assert flags[-1] == "--num_runs=3"  # one's own come last


@pytest.mark.parametrize("script", OF_TASKS, ids=lambda path: path.stem)
def test_the_header_tells_the_settings(script):
    settings = TASKS[script.stem[len("finetune_") :]].settings
    header = script.read_text(encoding="utf-8")
    found = re.search(
        r"(\d+) tokens, batches of (\d+), ([\d.]+) epochs, rate ([\de-]+), ten seeds", header
    )
    assert tuple(map(float, found.groups())) == tuple(settings)


def test_what_a_model_lacks_is_told(model):
    (model / "vocab.txt").unlink()
    done = run(OF_TASKS[0], model, "data", "out")
    assert done.returncode == 2
    assert done.stderr == (
        f"finetune.sh: error: {model}/vocab.txt: missing; expected it in the model's folder\n"
    )
    (model / "vocab.txt").touch()
    (model / "bert_model.ckpt.index").unlink()
    assert "holds no checkpoint" in run(OF_TASKS[0], model, "data", "out").stderr


def test_without_arguments_the_usage_is_shown():
    for script in (SCRIPTS / "finetune.sh", *OF_TASKS):
        done = run(script)
        assert done.returncode == 2 and f"Usage: scripts/{script.name}" in done.stderr


def test_which_checkpoint_is_taken(model):
    (model / "checkpoint").touch()
    command = run(OF_TASKS[0], model, "data", "out").stdout
    assert f"--init_checkpoint={model}/bert_model.ckpt " in command
    (model / "bert_model.ckpt.index").rename(model / "lert_model.ckpt.index")
    assert f"--init_checkpoint={model} " in run(OF_TASKS[0], model, "data", "out").stdout
    (model / "checkpoint").unlink()
    command = run(OF_TASKS[0], model, "data", "out").stdout
    assert f"--init_checkpoint={model}/lert_model.ckpt " in command
    (model / "other.ckpt.index").touch()
    assert "holds several checkpoints" in run(OF_TASKS[0], model, "data", "out").stderr
    command = run(OF_TASKS[0], "gs://bucket/model", "gs://bucket/data", "gs://bucket/out").stdout
    assert "--init_checkpoint=gs://bucket/model/bert_model.ckpt " in command
