"""A batch that is too large for the memory: processed in parts, one after the other."""

from collections.abc import Callable

from bert_wwm.compat import tf
from bert_wwm.model.layers import get_shape_list
from bert_wwm.train.objective import Features
from bert_wwm.train.step import compute_gradients

Scalars = dict[str, tf.Tensor]
Sums = tuple[Scalars, list[tf.Tensor], list[tf.Variable]]


def accumulate(
    forward: Callable[[Features, tf.Tensor], Scalars], features: Features, num_parts: int
) -> Sums:
    """Adds up scalars and gradients over the parts of a batch, within one step.

    Only one part's activations are in memory at a time, and no variable is needed for the sums, so
    checkpoints are those of a training without parts.

    Args:
        forward: builds the model over a part, given its features and its number (int32 scalar);
            returns what the part adds to the batch's float32 scalars, ``loss`` among them. All its
            variables come from ``tf.get_variable``.
        features: Tensors of shape [B, ...].
        num_parts: a divisor of B.

    Returns:
        The scalars of the whole batch, the gradients of its loss, and the variables they are of.
    """

    def process(part: Features, number: tf.Tensor) -> Sums:
        scalars = forward(part, number)
        return (scalars, *compute_gradients(scalars["loss"]))

    if num_parts == 1:
        return process(features, tf.constant(0))
    parts = {
        name: tf.reshape(value, [num_parts, -1, *get_shape_list(value)[1:]])
        for name, value in features.items()
    }

    def process_number(number: tf.Tensor) -> Sums:
        return process({name: value[number] for name, value in parts.items()}, number)

    # The first part stands outside the loop: it makes the variables.
    scalars, gradients, variables = process_number(tf.constant(0))
    names = list(scalars)

    def add(number: tf.Tensor, *before: tf.Tensor) -> list[tf.Tensor]:
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            scalars, gradients, _ = process_number(number)
        added = [*(scalars[name] for name in names), *gradients]
        return [number + 1, *(old + new for old, new in zip(before, added))]

    _, *sums = tf.while_loop(
        lambda number, *_: number < num_parts,
        add,
        [tf.constant(1), *scalars.values(), *gradients],
        parallel_iterations=1,
        maximum_iterations=num_parts - 1,
    )
    return dict(zip(names, sums)), sums[len(names) :], variables
