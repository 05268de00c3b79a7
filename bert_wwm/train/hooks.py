"""Reports on a training that runs, and stops it: hooks, and on a TPU a function for the host."""

import re
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core.errors import ToolkitError
from bert_wwm.core.progress import duration
from bert_wwm.train.settings import TrainingSettings

HostCall = tuple[Callable[..., list[tf.Operation]], dict[str, tf.Tensor]]

# The scalars that are shown as they are at the last step, not as means.
_LAST = frozenset({"learning_rate", "loss_scale", "skipped_steps"})
_NOT_FINITE = "no finite numbers at step"


class ProgressHook(tf.train.SessionRunHook):
    """Reports every N steps, and at the end: a line, and the same scalars for TensorBoard.

    Values are means over the steps since the line before; the learning rate, the loss scale and the
    count of skipped steps are those of the last step; the speed is that of the steps since the line
    before.

    The scalars are float32: ``loss``, ``<head>_loss`` and ``<head>_accuracy`` of each head,
    ``learning_rate``, ``gradient_norm``, ``tokens`` (of the step, without padding), ``padding`` or,
    where it isn't computed, ``padding_skipped`` (share of the positions), ``skipped`` (1 where the
    step changed nothing, as numbers were not finite), ``loss_scale`` and ``skipped_steps`` of a
    ``LossScale``, and whatever else TensorBoard should show.

    ``stop_on_nan`` raises a ToolkitError where a step is skipped, unless a lower ``loss_scale`` may
    help. TensorBoard's events go to ``output_dir``. ``log`` is None where another machine reports.
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
        if self._settings.stop_on_nan and _is_broken(run_values.results):
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
            speed = len(self._seen) / (time.monotonic() - self._since)
            good = [step for step in self._seen if not step["skipped"]]
            values = {name: _mean(step[name] for step in good) for name in self._scalars}
            for name in _LAST.intersection(values):
                values[name] = float(self._seen[-1][name])
            values["skipped"] = float(len(self._seen) - len(good))
            values["examples_per_second"] = speed * self._settings.train_batch_size
            values["tokens_per_second"] = speed * values["tokens"]
            place = f"step {self._step:,}/{self._settings.num_train_steps:,}"
            self._log(f"{place}  {self._line(values, speed)}")
            tags = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
            self._writer.add_summary(tf.Summary(value=tags), self._step)
        self._seen = []
        self._since = time.monotonic()

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
            if "loss_scale" in values:
                parts.append(f"loss scale {values['loss_scale']:,.0f}")
        left = (self._settings.num_train_steps - self._step) / speed
        return "  ".join([*parts, f"{duration(left)} left"])


def _is_broken(step: dict[str, float]) -> bool:
    """Returns whether a step was skipped, and a lower loss scale can't be the remedy."""
    overflowed = step.get("loss_scale", 1.0) > 1.0 and np.isfinite(step["loss"])
    return bool(step["skipped"]) and not overflowed


def make_nan_error(step: int, output_dir: str) -> ToolkitError:
    """Returns the error of a step that changed nothing."""
    return ToolkitError(
        f"step {step:,}: the loss or its gradients are no finite numbers; the last good checkpoint "
        f"is {tf.train.latest_checkpoint(output_dir)}. A lower --learning_rate may help; "
        "--stop_on_nan=False passes such steps over"
    )


def find_nan_step(error: "tf.errors.InvalidArgumentError") -> int | None:
    """Returns the step that the host stopped the training at; None for any other error."""
    found = re.search(rf"{_NOT_FINITE}\]?\W*(\d+)", error.message)
    return int(found.group(1)) if found else None


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


def make_host_call(
    scalars: dict[str, tf.Tensor],
    step: tf.Tensor,
    output_dir: str,
    every_steps: int,
    stop_on_nan: bool,
) -> HostCall:
    """Returns a TPUEstimatorSpec's ``host_call``: a function for the host, and its Tensors.

    ``scalars`` are float32, of one core; ``skipped`` is 1 where the step changed nothing, at which
    ``stop_on_nan`` ends the training. ``step`` is the number of steps after this one.
    """
    # Cores' values are put together along the first dimension; a TPU has no int64.
    tensors = {name: tf.reshape(value, [1]) for name, value in scalars.items()}
    tensors["step"] = tf.reshape(tf.cast(step, tf.int32), [1])

    def on_host(step: tf.Tensor, **scalars: tf.Tensor) -> list[tf.Operation]:
        step = tf.cast(step[0], tf.int64)
        means = {name: tf.reduce_mean(values) for name, values in scalars.items()}
        checks = []
        if stop_on_nan:
            checks.append(tf.debugging.Assert(means["skipped"] <= 0.0, [_NOT_FINITE, step]))
        with tf.control_dependencies(checks):
            step = tf.identity(step)
        v2 = tf.compat.v2.summary
        writer = v2.create_file_writer(output_dir, max_queue=100)
        with writer.as_default(), v2.record_if(tf.equal(step % every_steps, 0)):
            for name, mean in means.items():
                v2.scalar(name, mean, step=step)
            return [*tf.summary.all_v2_summary_ops(), step.op]

    return on_host, tensors
