"""Gradients that are written out rather than derived."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

from bert_wwm.compat import tf

_numbers = itertools.count()


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """As ``tf.custom_gradient``, without its dead operations in graphs.

    ``tf.custom_gradient`` adds an ``Identity`` that nothing reads for each output. The function
    returns outputs (a Tensor, or a list or tuple of them) and a function from their gradients to
    those of its arguments. It uses no variables but those.
    """

    @functools.wraps(function)
    def call(*inputs: Any) -> Any:
        if tf.executing_eagerly_outside_functions():  # a tape knows nothing of what follows
            return tf.custom_gradient(function)(*inputs)
        tensors = [tf.convert_to_tensor(x) for x in inputs]
        outputs, gradient = function(*tensors)
        flat = tf.nest.flatten(outputs)

        def gradients(operation: tf.Operation, *grads: tf.Tensor) -> list[Any]:
            input_grads = gradient(*grads[: len(flat)])
            if not isinstance(input_grads, (list, tuple)):
                input_grads = [input_grads]
            # What the outputs were computed from gets its gradients from here alone.
            return [*[None] * len(flat), *input_grads]

        name = f"WrittenOut-{next(_numbers)}"
        tf.RegisterGradient(name)(gradients)
        with tf.get_default_graph().gradient_override_map({"IdentityN": name}):
            passed = tf.identity_n([*flat, *tensors])
        return tf.nest.pack_sequence_as(outputs, passed[: len(flat)])

    return call
