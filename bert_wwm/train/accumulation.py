"""A batch that is too large for the memory: processed in parts, one after the other."""

from collections.abc import Callable
from typing import Any

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

    ``forward`` builds the model over a part, given its features and its number (int32 scalar), and
    returns what the part adds to the batch's float32 scalars, ``loss`` among them. All its
    variables come from ``tf.get_variable``. The features are of shape [B, ...]; ``num_parts``
    divides B. Returns the scalars of the whole batch, the gradients of its loss, and the variables
    they are of.
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
    *sums, variables = process_number(tf.constant(0))

    def add(number: tf.Tensor, *before: Any) -> list[Any]:
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            *added, _ = process_number(number)
        return [number + 1, *tf.nest.map_structure(tf.add, list(before), added)]

    _, scalars, gradients = tf.while_loop(
        lambda number, *_: number < num_parts,
        add,
        [tf.constant(1), *sums],
        parallel_iterations=1,
        maximum_iterations=num_parts - 1,
    )
    return scalars, gradients, variables
