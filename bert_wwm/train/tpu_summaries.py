"""What goes out of a TPU's loop while it runs: scalars for TensorBoard, and a watch on the loss."""

from typing import Callable, Dict, List, Tuple

from bert_wwm.compat import tf

HostCall = Tuple[Callable[..., List[tf.Operation]], Dict[str, tf.Tensor]]


def host_call(
    scalars: Dict[str, tf.Tensor], output_dir: str, every_steps: int, stop_on_nan: bool
) -> HostCall:
    """Returns a TPUEstimatorSpec's ``host_call``: a function for the host, and its Tensors.

    Args:
        scalars: float32 scalars by name, of one core; ``skipped`` is 1 where the step was none.
        output_dir: where TensorBoard's events go.
        every_steps: steps between two entries.
        stop_on_nan: end the training where a step is skipped.
    """
    step = tf.train.get_or_create_global_step()
    # Cores' values are put together along the first dimension; a TPU has no int64.
    tensors = {name: tf.reshape(value, [1]) for name, value in scalars.items()}
    tensors["step"] = tf.reshape(tf.cast(step, tf.int32), [1])

    def on_host(step: tf.Tensor, **of_cores: tf.Tensor) -> List[tf.Operation]:
        step = tf.cast(step[0], tf.int64)
        means = {name: tf.reduce_mean(values) for name, values in of_cores.items()}
        checks = []
        if stop_on_nan:
            message = "the loss or the gradients are no finite numbers at step"
            checks.append(tf.debugging.Assert(means["skipped"] <= 0.0, [message, step]))
        with tf.control_dependencies(checks):
            step = tf.identity(step)
        v2 = tf.compat.v2.summary
        writer = v2.create_file_writer(output_dir, max_queue=100)
        with writer.as_default(), v2.record_if(tf.equal(step % every_steps, 0)):
            for name, mean in means.items():
                v2.scalar(name, mean, step=step)
            return [*tf.summary.all_v2_summary_ops(), step.op]

    return on_host, tensors
