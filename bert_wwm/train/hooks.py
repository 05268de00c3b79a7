"""What one sees while a model trains."""

import time
from typing import Callable, Dict, List

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core.progress import duration


class ProgressHook(tf.train.SessionRunHook):
    """Every N steps a line, and the same scalars for TensorBoard.

    Losses and accuracy are means over the steps since the line before, the learning rate is that
    of the last step, the speed is that of the steps since the line before.

    Args:
        scalars: float32 scalars by name: ``loss``, ``masked_lm_accuracy``, ``learning_rate`` and
            whatever else TensorBoard should show.
        batch_size: examples of a step.
        num_train_steps: the last step, for the time left.
        every_steps: N.
        output_dir: where TensorBoard's events go.
        log: takes the lines.
    """

    def __init__(
        self,
        scalars: Dict[str, tf.Tensor],
        batch_size: int,
        num_train_steps: int,
        every_steps: int,
        output_dir: str,
        log: Callable[[str], None],
    ):
        self._scalars = scalars
        self._batch_size = batch_size
        self._num_train_steps = num_train_steps
        self._every_steps = every_steps
        self._output_dir = output_dir
        self._log = log
        self._seen: List[Dict[str, float]] = []
        self._since = 0.0

    def begin(self) -> None:
        self._global_step = tf.train.get_or_create_global_step()
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
        if self._step % self._every_steps == 0 or self._step == self._num_train_steps:
            self._report()

    def end(self, session: tf.Session) -> None:
        self._writer.flush()

    def _report(self) -> None:
        now = time.monotonic()
        steps_per_second = len(self._seen) / (now - self._since)
        values = {name: float(np.mean([s[name] for s in self._seen])) for name in self._scalars}
        values["learning_rate"] = float(self._seen[-1]["learning_rate"])
        values["examples_per_second"] = steps_per_second * self._batch_size
        left = (self._num_train_steps - self._step) / steps_per_second
        self._log(
            f"step {self._step:,}/{self._num_train_steps:,}  loss {values['loss']:.4f}  "
            f"MLM accuracy {values['masked_lm_accuracy']:.4f}  "
            f"learning rate {values['learning_rate']:.2e}  "
            f"{values['examples_per_second']:.1f} examples/s  {duration(left)} left"
        )
        summary = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._writer.add_summary(tf.Summary(value=summary), self._step)
        self._seen = []
        self._since = now
