"""Trainings with evaluations in between, stopped and gone on with, within this process."""

import dataclasses
import json
import shutil
import threading
import time

import numpy as np
import pytest
from small_model import schema_of, small_config, write_records

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError, ConfigError, ToolkitError
from bert_wwm.model.checkpoint_path import find_newest, read_newest
from bert_wwm.records.input_fn import eval_input_fn, train_input_fn
from bert_wwm.train import loop as loop_module
from bert_wwm.train import loss_scale
from bert_wwm.train.estimator import Estimators, Machine
from bert_wwm.train.loop import Summary, read_step, train_with_evaluations
from bert_wwm.train.model_fn import make_model_fn
from bert_wwm.train.pretraining_objective import PretrainingObjective
from bert_wwm.train.settings import TrainingSettings

NUM_STEPS, BATCH = 12, 4


class Training:
    """A small training in a folder, as a program would set it up."""

    def __init__(self, folder, paths, use_xla=False, use_float16=False):
        self.lines = []
        self.folder = folder
        shared = {
            "train_batch_size": BATCH,
            "random_seed": 5,
            "log_every_steps": 2,
        }
        machine = Machine(
            output_dir=str(folder),
            eval_batch_size=8,
            save_checkpoints_steps=3,
            keep_checkpoint_max=9,
            use_xla=use_xla,
            **shared,
        )
        settings = TrainingSettings(1e-2, NUM_STEPS, 2, use_float16=use_float16, **shared)
        objective = PretrainingObjective(("masked_lm", "next_sentence"))
        model_fn = make_model_fn(small_config(0.1), objective, settings, self._log)
        self.estimators = Estimators(model_fn, machine)
        self._paths = paths

    def _log(self, line):
        self.lines.append(line)

    def input_fn_at(self, step):
        return train_input_fn(self._paths, schema_of(), 5, step * BATCH)

    def evaluate(self):
        results = self.estimators.evaluate(eval_input_fn(self._paths, schema_of(), False), 2)
        return {name: float(value) for name, value in results.items() if name != "global_step"}

    def run(self, eval_every_steps=0, best_metric="loss", num_steps=NUM_STEPS, evaluate=None):
        tf.summary.FileWriterCache.clear()
        return train_with_evaluations(
            self.estimators,
            self._log,
            num_steps,
            self.input_fn_at,
            eval_every_steps,
            evaluate or self.evaluate,
            best_metric,
        )


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    return [write_records(folder / name, 9 + seed, seed) for seed, name in enumerate("ab")]


def variables(folder):
    """All that the newest checkpoint of a folder holds, by name."""
    reader = tf.train.load_checkpoint(str(folder))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def assert_same(found, expected):
    assert set(found) == set(expected)
    different = [name for name in expected if found[name].tobytes() != expected[name].tobytes()]
    assert not different


@pytest.fixture(scope="module")
def whole(paths, tmp_path_factory):
    """A training that nothing stopped: its folder, lines and summary."""
    training = Training(tmp_path_factory.mktemp("whole") / "model", paths)
    return training, training.run(eval_every_steps=8)


@pytest.mark.slow
def test_it_evaluates_every_n_steps_and_at_the_end(whole):
    training, summary = whole
    steps = [int(line.split()[1][:-1]) for line in training.lines if ": held out" in line]
    assert steps == [8, 12]
    assert [results["step"] for results in summary.evaluations] == steps
    names = {"loss", "masked_lm_loss", "masked_lm_accuracy", "next_sentence_loss"}
    for results, line in zip(
        summary.evaluations, [line for line in training.lines if ": held out" in line]
    ):
        assert set(results) == names | {"next_sentence_accuracy", "step"}
        loss, of_words = results["loss"], results["masked_lm_loss"]
        assert f": held out  loss {loss:.4f}  masked_lm {of_words:.4f} (" in line
    assert [line.split()[1] for line in training.lines if "  learning rate " in line] == [
        f"{step}/12" for step in (2, 4, 6, 8, 10, 12)
    ]


@pytest.mark.slow
def test_the_summary_says_what_happened(whole):
    training, summary = whole
    assert dataclasses.asdict(summary) == {
        "first_step": 0,
        "last_step": NUM_STEPS,
        "num_train_steps": NUM_STEPS,
        "seconds": summary.seconds,
        "examples": NUM_STEPS * BATCH,
        "checkpoint": f"{training.folder}/model.ckpt-{NUM_STEPS}",
        "stopped": False,
        "evaluations": summary.evaluations,
        "best": json.loads((training.folder / "best" / "best.json").read_text()),
    }
    assert 0 < summary.seconds < 600
    assert read_step(summary.checkpoint) == NUM_STEPS


@pytest.mark.slow
def test_the_best_weights_are_those_of_the_best_evaluation(whole):
    training, summary = whole
    best = min(summary.evaluations, key=lambda results: results["loss"])
    assert (summary.best["step"], summary.best["value"]) == (best["step"], best["loss"])
    assert read_step(tf.train.latest_checkpoint(str(training.folder / "best"))) == best["step"]


@pytest.mark.slow
def test_evaluations_leave_the_training_as_it_is(whole, paths, tmp_path):
    training = Training(tmp_path / "model", paths)
    summary = training.run()
    assert summary.evaluations == [] and summary.best is None
    assert_same(variables(training.folder), variables(whole[0].folder))


@pytest.mark.long
def test_xla_trains_to_the_same_up_to_rounding(whole, paths, tmp_path):
    training = Training(tmp_path / "model", paths, use_xla=True)
    training.run()
    expected = variables(whole[0].folder)
    for name, value in variables(training.folder).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_a_checkpoint_removed_before_it_is_evaluated_is_followed_by_the_next(
    whole, paths, tmp_path
):
    folder = shutil.copytree(whole[0].folder, tmp_path / "model")
    training = Training(folder, paths)
    state = folder / "checkpoint"
    last, read, lines = state.read_text(), [], []
    state.write_text('model_checkpoint_path: "model.ckpt-3"\n')

    def evaluate(checkpoint):
        read.append(checkpoint)

        def input_fn(params):  # is called after the name is found, before the weights are read
            state.write_text(last)
            for file in folder.glob("model.ckpt-3.*"):
                file.unlink()
            return eval_input_fn(paths, schema_of(), False)(params)

        return training.estimators.evaluate(input_fn, 2, checkpoint)

    results = read_newest(lambda: find_newest(str(folder)), evaluate, lines.append)
    assert read == [f"{folder}/model.ckpt-{step}" for step in (3, NUM_STEPS)]
    assert results["global_step"] == NUM_STEPS
    assert results["loss"] == pytest.approx(whole[1].evaluations[-1]["loss"])
    assert lines == [
        f"{read[0]} could not be read; {read[1]} has taken its place, and is read instead"
    ]


class KilledError(Exception):
    """Stands for a kill: nothing catches it."""


@pytest.mark.slow
def test_a_kill_before_an_evaluation_is_made_up_for(whole, paths, tmp_path):
    training = Training(tmp_path / "model", paths)

    def killed():
        raise KilledError

    for first in (0, 8):
        with pytest.raises(KilledError):
            training.run(eval_every_steps=8, evaluate=killed)
        assert read_step(tf.train.latest_checkpoint(str(tmp_path / "model"))) == 8, first
    summary = training.run(eval_every_steps=8)
    assert (summary.first_step, summary.examples) == (8, 4 * BATCH)
    assert f"Going on from {training.folder}/model.ckpt-8" in training.lines
    assert [results["step"] for results in summary.evaluations] == [8, 12]
    assert summary.evaluations == whole[1].evaluations
    assert summary.best == whole[1].best
    assert_same(variables(training.folder), variables(whole[0].folder))


@pytest.mark.slow
def test_float16_resumes_with_its_loss_scale(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(loss_scale, "_INITIAL_SCALE", 2.0**20)  # the first steps overflow
    monkeypatch.setattr(loss_scale, "_STEPS_TO_DOUBLE", 4)
    whole, halves = (Training(tmp_path / name, paths, use_float16=True) for name in ("a", "b"))
    whole.run()
    for num_steps in (5, NUM_STEPS):
        halves.run(num_steps=num_steps)
    expected = variables(whole.folder)
    assert_same(variables(halves.folder), expected)
    assert 1 < expected["loss_scale/skipped_steps"] < NUM_STEPS - 4
    assert any("steps skipped: no finite numbers  loss scale " in line for line in whole.lines)


@pytest.mark.slow
def test_float16_does_not_resume_what_has_no_loss_scale(whole, paths, tmp_path):
    training = Training(shutil.copytree(whole[0].folder, tmp_path / "a"), paths, use_float16=True)
    with pytest.raises(CheckpointError, match="lacks 3 variables of this run, the first loss_scal"):
        training.run(num_steps=NUM_STEPS + 1)


@pytest.mark.slow
def test_what_is_trained_is_left_alone_but_evaluated(whole, paths, tmp_path):
    training = Training(whole[0].folder, paths)
    before = {path: path.stat().st_mtime_ns for path in training.folder.glob("model.ckpt*")}
    summary = training.run()
    assert training.lines == [
        f"Nothing to train: {training.folder}/model.ckpt-{NUM_STEPS} has had 12 steps already"
    ]
    checkpoint = f"{training.folder}/model.ckpt-{NUM_STEPS}"
    assert dataclasses.replace(summary, seconds=0) == Summary(12, 12, 12, checkpoint=checkpoint)
    summary = training.run(eval_every_steps=8)
    assert summary.evaluations == whole[1].evaluations[-1:]
    assert summary.best == whole[1].best
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_a_metric_that_no_evaluation_gives_is_refused(paths, tmp_path):
    training = Training(tmp_path / "model", paths)
    with pytest.raises(ConfigError, match="'pos_loss'; known: loss, masked_lm_accuracy"):
        training.run(eval_every_steps=1, best_metric="pos_loss")


def save(folder, step):
    """Writes a checkpoint that holds nothing but the step."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.get_or_create_global_step().load(step, session)
        tf.train.Saver().save(session, str(folder / "model.ckpt"), step)


def test_a_machine_that_only_reads_waits_for_the_one_that_writes(tmp_path):
    begun = time.monotonic()
    writer = threading.Timer(0.3, save, [tmp_path, 5])
    writer.start()
    loop_module._wait_for_checkpoint(str(tmp_path), 5)
    assert time.monotonic() - begun >= 0.3
    writer.join()


def test_a_machine_that_only_reads_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(loop_module, "_MOST_SECONDS_TO_SAVE", 0.3)
    with pytest.raises(ToolkitError, match="no checkpoint of step 5 from the first machine"):
        loop_module._wait_for_checkpoint(str(tmp_path), 5)
    save(tmp_path, 5)
    with pytest.raises(ToolkitError, match="no checkpoint of step 6"):
        loop_module._wait_for_checkpoint(str(tmp_path), 6)
