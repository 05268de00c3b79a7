"""What is seen and what stops a training, on made-up steps."""

import os
import re
import signal

import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import ToolkitError
from bert_wwm.report.curves import read_scalars
from bert_wwm.train.hooks import ProgressHook, StopOnSignal, format_heads
from bert_wwm.train.settings import TrainingSettings

NUM_STEPS = 25


@pytest.fixture(autouse=True)
def own_writers():
    """Writers of events are kept by folder and outlive their graphs."""
    yield
    tf.summary.FileWriterCache.clear()


def train(folder, log, stop_on_nan=True, skipped=(), first=0, hooks=(), overflows=None):
    """Runs steps to the last; step n has loss n and rate n / 1000, or is skipped with a NaN.

    ``overflows`` are steps that a loss scale skips; it starts at 4.
    """
    with tf.Graph().as_default():
        global_step = tf.train.get_or_create_global_step()
        number = tf.cast(global_step + 1, tf.float32)
        is_skipped = tf.reduce_any(tf.equal(number, [-1.0, *skipped]))
        loss = tf.where(is_skipped, float("nan"), number)
        scalars = {
            "loss": loss,
            "masked_lm_loss": loss / 2,
            "masked_lm_accuracy": tf.constant(0.25),
            "learning_rate": number / 1000,
            "gradient_norm": 2 * loss,
            "tokens": tf.constant(64.0),
            "padding": tf.constant(0.5),
            "skipped": tf.cast(is_skipped, tf.float32),
        }
        if overflows:
            before = tf.reduce_sum(tf.cast(number > overflows, tf.float32))
            overflowed = tf.reduce_sum(tf.cast(tf.equal(number, overflows), tf.float32))
            scalars["skipped"] += overflowed
            scalars["loss_scale"] = tf.maximum(4.0 / 2.0**before, 1.0)
            scalars["skipped_steps"] = before + overflowed
        settings = TrainingSettings(
            1e-3, NUM_STEPS, 0, 8, log_every_steps=10, stop_on_nan=stop_on_nan
        )
        progress = ProgressHook(scalars, settings, str(folder), log)
        scaffold = tf.train.Scaffold(init_fn=lambda _, session: global_step.load(first, session))
        with tf.control_dependencies(list(scalars.values())):
            train_op = tf.assign_add(global_step, 1)
        with tf.train.MonitoredSession(
            tf.train.ChiefSessionCreator(scaffold), [progress, *hooks]
        ) as session:
            step = first
            while step < NUM_STEPS and not session.should_stop():
                step = session.run(train_op)
    return step


def test_lines_are_means_since_the_line_before(tmp_path):
    lines = []
    assert train(tmp_path, lines.append) == NUM_STEPS
    shown = (
        "step 10/25  loss 5.5000  masked_lm 2.7500 (25.00 %)  learning rate 1.00e-02  "
        "gradient 11.00  "
    )
    assert lines[0].startswith(shown)
    speed = r"([\d.]+) examples/s  ([\d,]+) tokens/s  50 % padding  \d+:\d\d left$"
    examples, tokens = re.search(speed, lines[0]).groups()
    assert float(tokens.replace(",", "")) == pytest.approx(float(examples) * 8, rel=0.01)
    assert [line.split("  ")[:2] for line in lines] == [
        ["step 10/25", "loss 5.5000"],
        ["step 20/25", "loss 15.5000"],
        ["step 25/25", "loss 23.0000"],
    ]
    assert lines[-1].endswith("0:00 left") and "skipped" not in "".join(lines)


def test_tensorboard_shows_the_same(tmp_path):
    train(tmp_path, [].append)
    scalars = read_scalars(str(tmp_path))
    assert scalars["loss"] == [(10, 5.5), (20, 15.5), (25, 23.0)]
    assert scalars["masked_lm_loss"] == [(10, 2.75), (20, 7.75), (25, 11.5)]
    assert scalars["skipped"] == [(10, 0.0), (20, 0.0), (25, 0.0)]
    rates = [value for _, value in scalars["learning_rate"]]
    assert rates == pytest.approx([0.01, 0.02, 0.025])
    for (_, examples), (_, tokens) in zip(
        scalars["examples_per_second"], scalars["tokens_per_second"]
    ):
        assert tokens == pytest.approx(examples / 8 * 64)


def test_a_training_that_goes_on_counts_from_there(tmp_path):
    lines = []
    train(tmp_path, lines.append, first=17)
    assert [line.split("  ")[:2] for line in lines] == [
        ["step 20/25", "loss 19.0000"],
        ["step 25/25", "loss 23.0000"],
    ]


def test_a_step_without_finite_numbers_ends_it(tmp_path):
    lines = []
    with pytest.raises(
        ToolkitError, match="step 13: the loss or its gradients are no finite numbers"
    ):
        train(tmp_path, lines.append, skipped=[13])
    assert len(lines) == 1


def test_it_ends_where_another_machine_reports_too(tmp_path):
    with pytest.raises(ToolkitError, match="step 13: "):
        train(tmp_path, None, skipped=[13])
    assert not list(tmp_path.iterdir())


def test_skipped_steps_are_counted_and_left_out_of_the_means(tmp_path):
    lines = []
    train(tmp_path, lines.append, stop_on_nan=False, skipped=[2, 3, *range(11, 21)])
    assert "loss 6.2500  " in lines[0]
    assert "  2 steps skipped: no finite numbers  " in lines[0]
    assert "loss nan  " in lines[1] and "  10 steps skipped" in lines[1]
    assert "loss 23.0000  " in lines[2] and "skipped" not in lines[2]
    assert read_scalars(str(tmp_path))["skipped"] == [(10, 2.0), (20, 10.0), (25, 0.0)]


def test_overflows_do_not_end_it_and_are_counted(tmp_path):
    lines = []
    train(tmp_path, lines.append, overflows=[4.0, 10.0])
    assert "loss 5.1250  " in lines[0]
    assert "  2 steps skipped: no finite numbers  loss scale 2  " in lines[0]
    assert "loss 15.5000  " in lines[1] and "scale" not in lines[1]
    scalars = read_scalars(str(tmp_path))
    assert scalars["loss_scale"] == [(10, 2.0), (20, 1.0), (25, 1.0)]
    assert scalars["skipped_steps"] == [(10, 2.0), (20, 2.0), (25, 2.0)]


@pytest.mark.parametrize(
    "skipped, overflows, step",
    [([], [4.0, 10.0, 23.0], 23), ([7], [30.0], 7)],
    ids=["overflow at a loss scale of 1", "loss is NaN"],
)
def test_what_a_lower_loss_scale_does_not_help_ends_it(tmp_path, skipped, overflows, step):
    with pytest.raises(ToolkitError, match=f"step {step}: the loss or its gradients are no finite"):
        train(tmp_path, [].append, skipped=skipped, overflows=overflows)


def test_heads_of_results():
    results = {"loss": 3.0, "ner_accuracy": 0.5, "ner_loss": 1.25, "pos_accuracy": 1, "pos_loss": 0}
    assert format_heads(results) == ["ner 1.2500 (50.00 %)", "pos 0.0000 (100.00 %)"]


class SendSignal(tf.train.SessionRunHook):
    """Sends SIGTERM to this process while a step runs."""

    def __init__(self, step):
        self._left = step

    def before_run(self, run_context):
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_ends_it_behind_the_running_step(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    stop = StopOnSignal()
    assert train(tmp_path, [].append, hooks=[SendSignal(7), stop]) == 7
    assert stop.received
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_a_signal_it_goes_to_the_end(tmp_path):
    stop = StopOnSignal()
    assert train(tmp_path, [].append, hooks=[stop]) == NUM_STEPS
    assert not stop.received
