"""Reports on a training that runs, and stops it."""

import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core.errors import ToolkitError
from bert_wwm.core.progress import duration
from bert_wwm.train.settings import TrainingSettings


class ProgressHook(tf.train.SessionRunHook):
    """Reports every N steps, and at the end: a line, and the same scalars for TensorBoard.

    Values are means over the steps since the line before, the learning rate is that of the last
    step, the speed is that of the steps since the line before.

    Args:
        scalars: float32 scalars by name: ``loss``, ``<head>_loss`` and ``<head>_accuracy`` of each
            head, ``learning_rate``, ``gradient_norm``, ``tokens`` (of the step, without padding),
            ``padding`` or, where it isn't computed, ``padding_skipped`` (share of the positions),
            ``skipped`` (1 where the step changed nothing, as numbers were not finite), and
            whatever else TensorBoard should show.
        settings: ``log_every_steps`` is N; ``stop_on_nan``: raise a ToolkitError where a step is
            skipped, else count.
        output_dir: where TensorBoard's events go.
        log: takes the lines; None: another machine reports.
    """

    def __init__(
        self,
        scalars: dict[str, tf.Tensor],
        settings: TrainingSettings,
        output_dir: str,
        log: Callable[[str], None] | None,
    ):
        self._scalars = scalars
        self._settings = settings
        self._output_dir = output_dir
        self._log = log
        self._seen: list[dict[str, float]] = []
        self._since = 0.0

    def begin(self) -> None:
        self._global_step = tf.train.get_or_create_global_step()
        if self._log:
            self._writer = tf.summary.FileWriterCache.get(self._output_dir)

    def after_create_session(self, session: tf.Session, coord: tf.train.Coordinator) -> None:
        self._step = int(session.run(self._global_step))
        self._since = time.monotonic()

    def before_run(self, run_context: tf.train.SessionRunContext) -> tf.train.SessionRunArgs:
        return tf.train.SessionRunArgs(self._scalars)

    def after_run(
        self, run_context: tf.train.SessionRunContext, run_values: tf.train.SessionRunValues
    ) -> None:
        self._step += 1
        self._seen.append(run_values.results)
        if run_values.results["skipped"] and self._settings.stop_on_nan:
            raise make_nan_error(self._step, self._output_dir)
        is_last = self._step == self._settings.num_train_steps
        if is_last or self._step % self._settings.log_every_steps == 0:
            self._report()

    def end(self, session: tf.Session) -> None:
        if self._seen:
            self._report()
        if self._log:
            self._writer.flush()

    def _report(self) -> None:
        if self._log:
            self._write(self._log)
        self._seen = []
        self._since = time.monotonic()

    def _write(self, log: Callable[[str], None]) -> None:
        speed = len(self._seen) / (time.monotonic() - self._since)
        good = [step for step in self._seen if not step["skipped"]]
        values = {name: _mean(step[name] for step in good) for name in self._scalars}
        values["learning_rate"] = float(self._seen[-1]["learning_rate"])
        values["skipped"] = float(len(self._seen) - len(good))
        values["examples_per_second"] = speed * self._settings.train_batch_size
        values["tokens_per_second"] = speed * values["tokens"]
        log(f"step {self._step:,}/{self._settings.num_train_steps:,}  {self._line(values, speed)}")
        summary = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._writer.add_summary(tf.Summary(value=summary), self._step)

    def _line(self, values: dict[str, float], speed: float) -> str:
        parts = [
            f"loss {values['loss']:.4f}",
            *format_heads(values),
            f"learning rate {values['learning_rate']:.2e}",
            f"gradient {values['gradient_norm']:.2f}",
            f"{values['examples_per_second']:.1f} examples/s",
            f"{values['tokens_per_second']:,.0f} tokens/s",
        ]
        for name in ("padding", "padding_skipped"):
            if name in values:
                parts.append(f"{100 * values[name]:.0f} % {name.replace('_', ' ')}")
        if values["skipped"]:
            parts.append(f"{values['skipped']:.0f} steps skipped: no finite numbers")
        left = (self._settings.num_train_steps - self._step) / speed
        return "  ".join([*parts, f"{duration(left)} left"])


def make_nan_error(step: int, output_dir: str) -> ToolkitError:
    """Returns the error of a step that changed nothing."""
    return ToolkitError(
        f"step {step:,}: the loss or its gradients are no finite numbers; the last good checkpoint "
        f"is {tf.train.latest_checkpoint(output_dir)}. A lower --learning_rate may help; "
        "--stop_on_nan=False passes such steps over"
    )


def format_heads(values: dict[str, float]) -> list[str]:
    """Returns each head's loss (nats) and accuracy, as in ``masked_lm 6.3403 (5.73 %)``."""
    heads = [name[: -len("_loss")] for name in values if name.endswith("_loss")]
    return [
        f"{head} {values[f'{head}_loss']:.4f} ({100 * values[f'{head}_accuracy']:.2f} %)"
        for head in heads
    ]


def _mean(values: Any) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")


class EndOnSignal(tf.train.SessionRunHook):
    """Lets SIGTERM end this process of a cluster at once, without a checkpoint.

    TensorFlow's server catches the signal, and does nothing.
    """

    def begin(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class StopOnSignal(tf.train.SessionRunHook):
    """Lets SIGTERM end the training after the step that is running, with a checkpoint.

    Cloud machines that are about to be taken away send it. On a TPU the steps of a loop run to its
    end first. A second SIGTERM ends the process at once.
    """

    def __init__(self) -> None:
        self.received = False

    def begin(self) -> None:
        self._before = signal.signal(signal.SIGTERM, self._receive)

    def after_run(
        self, run_context: tf.train.SessionRunContext, run_values: tf.train.SessionRunValues
    ) -> None:
        if self.received:
            run_context.request_stop()

    def end(self, session: tf.Session) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def _receive(self, signum: int, frame: Any) -> None:
        self.received = True
        signal.signal(signal.SIGTERM, self._before)
