"""Dynamic loss scaling for float16 (Micikevicius et al. 2017, arXiv 1710.03740, section 3.2).

Gradients below 6e-8 are 0 in float16. So the backward pass starts from a multiple of the loss, and
the gradients of the weights, which are float32, are divided by the same factor.
"""

from bert_wwm.compat import tf
from bert_wwm.model.gradients import custom_gradient

# As in TensorFlow's LossScaleOptimizer.
_INITIAL_SCALE = 2.0**15
_STEPS_TO_DOUBLE = 2000
# NVIDIA Apex's; all are powers of 2, by which division is exact.
_LARGEST_SCALE = 2.0**24


class LossScale:
    """The factor of the loss, and the variables that it is kept in, in the scope ``loss_scale``.

    It doubles after 2,000 good steps in a row, and halves, down to 1, at each step whose gradients
    overflow. Checkpoints hold the variables, so a training that resumes continues with them.
    """

    def __init__(self) -> None:
        with tf.variable_scope("loss_scale"):
            self._scale = _make_variable("scale", tf.float32, _INITIAL_SCALE)
            self._good_steps = _make_variable("good_steps", tf.int64, 0)  # in a row
            self._skipped_steps = _make_variable("skipped_steps", tf.int64, 0)  # of the training
        self.value = tf.identity(self._scale)  # float32 scalar, of this step

    def scale_gradient(self, loss: tf.Tensor) -> tf.Tensor:
        """Returns the same loss, whose gradients are multiplied by the factor."""

        @custom_gradient
        def scaled(loss: tf.Tensor) -> tuple[tf.Tensor, object]:
            return tf.identity(loss), lambda grad: grad * self.value

        return scaled(loss)

    def update(self, is_good: tf.Tensor) -> tuple[tf.Operation, dict[str, tf.Tensor]]:
        """Returns the operation that ends a step, and what to show of it: float32 scalars.

        These are ``loss_scale``, of this step, and ``skipped_steps``, up to and with this step.
        ``is_good`` is a bool scalar, false where the step is skipped.
        """
        good_steps = tf.where(is_good, self._good_steps + 1, 0)
        is_due = tf.equal(good_steps, _STEPS_TO_DOUBLE)
        doubled = tf.where(is_due, tf.minimum(2.0 * self.value, _LARGEST_SCALE), self.value)
        scale = tf.where(is_good, doubled, tf.maximum(self.value / 2.0, 1.0))
        skipped_steps = self._skipped_steps + tf.cast(~is_good, tf.int64)
        update = tf.group(
            self._scale.assign(scale),
            self._good_steps.assign(good_steps % _STEPS_TO_DOUBLE),
            self._skipped_steps.assign(skipped_steps),
        )
        shown = {"loss_scale": self.value, "skipped_steps": tf.cast(skipped_steps, tf.float32)}
        return update, shown


def _make_variable(name: str, dtype: "tf.DType", value: float) -> tf.Variable:
    """Makes a variable like the global step: all replicas have the same value."""
    return tf.get_variable(
        name,
        [],
        dtype,
        tf.constant_initializer(value),
        trainable=False,
        use_resource=True,  # others may change under their readers
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
