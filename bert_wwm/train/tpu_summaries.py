"""Scalars that leave a TPU's loop while it runs: for TensorBoard, and to stop at a NaN."""

import re
from collections.abc import Callable

from bert_wwm.compat import tf

HostCall = tuple[Callable[..., list[tf.Operation]], dict[str, tf.Tensor]]

_NOT_FINITE = "no finite numbers at step"


def find_nan_step(error: "tf.errors.InvalidArgumentError") -> int | None:
    """Returns the step that the host stopped the training at; None for any other error."""
    found = re.search(rf"{_NOT_FINITE}\]?\W*(\d+)", error.message)
    return int(found.group(1)) if found else None


def make_host_call(
    scalars: dict[str, tf.Tensor],
    step: tf.Tensor,
    output_dir: str,
    every_steps: int,
    stop_on_nan: bool,
) -> HostCall:
    """Returns a TPUEstimatorSpec's ``host_call``: a function for the host, and its Tensors.

    Args:
        scalars: float32 scalars by name, of one core; ``skipped`` is 1 where the step was none.
        step: integer scalar, the number of steps after this one.
        every_steps: steps between two entries.
        stop_on_nan: end the training where a step is skipped.
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
