"""Running and measuring cells, with scripts of a few lines in place of the programs."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from bert_wwm.core.lock import locked
from bert_wwm.report.cell_runs import Estimate, Runner, measure, run_cells, write_estimates
from bert_wwm.report.cells import Cell, is_finished

# Writes what a program writes: steps of two runs, its results.
PROGRAM = """
import os, sys, time
folder = [flag for flag in sys.argv if flag.startswith("--output_dir=")][-1].partition("=")[2]
print("train  data/train.tsv: 64 examples")
print("dev    data/dev.tsv: 1,200 examples", flush=True)
for seed in (1, 2):
    run = os.path.join(folder, f"rate_1_seed_{seed}")
    os.makedirs(run, exist_ok=True)
    print(f"\\n== Seed {seed}, learning rate 1: {run}")
    settings = '{"settings": {"train_batch_size": 32, "num_train_epochs": 2.0}, "trained": true}'
    open(os.path.join(folder, "run.json"), "w").write(settings)
    for step in range(1, 21):
        speed = 1 if step == 1 else 100
        print(f"step {step}/20  loss 1.0  {speed}.0 examples/s  9 tokens/s", flush=True)
        time.sleep(STEP_SECONDS)
    record = '{"settings": {"task": "lcqmc", "kind": "sentence"}, "trained": true}'
    open(os.path.join(run, "run.json"), "w").write(record)
print("LCQMC, dev: accuracy  81.0 (80.0)")
open(os.path.join(folder, "results.json"), "w").write("{}")
"""
FAILING = 'import sys; print("loss"); sys.exit("run_classifier.py: error: no good")'


def _cell(folder, text, model="RBT3", seconds=0.0):
    program = folder / f"{model}.py"
    program.write_text(text.replace("STEP_SECONDS", str(seconds)))
    output = str(folder / "out" / model)
    command = [sys.executable, str(program), f"--output_dir={output}"]
    return Cell("lcqmc", model, output, command, [str(program)], 2, 1.0)


def test_a_cell_that_fails_does_not_stop_the_others(tmp_path):
    cells = [_cell(tmp_path, FAILING, "broken"), _cell(tmp_path, PROGRAM)]
    said = []
    with Runner() as runner:
        failures = run_cells(cells, runner, said.append)
    log = tmp_path / "out" / "broken" / "log.txt"
    assert failures == {"lcqmc, broken": f"no good ({log})"}
    assert "error: no good" in log.read_text()
    assert [is_finished(cell) for cell in cells] == [False, True]
    assert "LCQMC, dev: accuracy  81.0 (80.0)\ntook 0:" in said[-1]
    cells[0] = _cell(tmp_path, PROGRAM, "broken")
    with Runner() as runner:
        assert run_cells(cells, runner, said.append) == {}
    assert said[-1] == "finished before"


def test_progress_counts_runs_and_steps(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "bert_wwm.core.progress.Progress.update", lambda self, done, note: seen.append((done, note))
    )
    cells = [_cell(tmp_path, PROGRAM, name, seconds=0.03) for name in ("a", "b")]
    with Runner() as runner:
        run_cells(cells, runner, lambda line: None)
    done = [share for share, _ in seen]
    assert done == sorted(done) and done[0] < 0.5 and done[-1] == 4
    assert any(0 < share % 1 < 1 for share in done)
    assert [note for _, note in seen][-1] == "lcqmc, b, run 2 of 2"


def test_a_program_that_outlived_its_starter_is_waited_for(tmp_path):
    cell = _cell(tmp_path, PROGRAM)
    said = []
    with locked(cell.folder):
        thread = threading.Thread(target=run_cells, args=([cell], Runner(), said.append))
        thread.start()
        time.sleep(0.5)
        assert said[-1] == f"{cell.folder}: another process is writing there; waiting for its end"
    thread.join(30)
    assert is_finished(cell)


STARTER = """
import sys
from bert_wwm.report.cell_runs import Runner
with Runner() as runner:
    runner.run([sys.executable, "-c", sys.argv[1]], sys.argv[2], lambda lines: None)
"""
SAVES = """
import signal, sys, time
def save(number, frame):
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_program_first(tmp_path, number):
    log = tmp_path / "log.txt"
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, SAVES, str(log)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=pathlib.Path(__file__).resolve().parents[2],
    )
    while not log.exists() or "\nready\n" not in log.read_text():
        time.sleep(0.05)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert errors == f"Stopped by {number.name}. Run the same command again to resume\n"
    assert log.read_text().endswith("ready\nsaved\n")


def test_a_measurement_ends_after_some_steps(tmp_path):
    cell = _cell(tmp_path, PROGRAM, seconds=0.05)
    scratch = tmp_path / "out" / "dry_run"
    with Runner() as runner:
        estimate = measure(cell, runner, str(scratch))
    assert (estimate.num_runs, estimate.num_steps, estimate.speed) == (2, 20, pytest.approx(100))
    # Twenty steps of 32 examples; two evaluations of 1,200, each three times as fast.
    assert 2 * (6.4 + 8) < estimate.seconds < 2 * (6.4 + 8) + 5
    assert not scratch.exists() and not pathlib.Path(cell.folder).exists()
    with Runner() as runner:
        assert measure(_cell(tmp_path, FAILING), runner, str(scratch)).startswith("no good (")


def test_estimates_have_a_total():
    estimates = {"xnli, RBT3": Estimate(10, 12250, 180.5, 36000), "bq, A": Estimate(2, 5, 1, 1800)}
    assert write_estimates(estimates) == [
        "              runs  steps each  examples/s      hours",
        "xnli, RBT3      10      12,250       180.5      10.00",
        "bq, A            2           5         1.0       0.50",
        "total           12     122,510                  10.50",
    ]
