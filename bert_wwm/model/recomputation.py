"""Gradient checkpointing: memory for time (Chen et al. 2016, arXiv 1604.06174).

Of a part of the network only its input and output stay in memory until the backward pass, which
builds what lies between again from the input. As TensorFlow's ``tf.recompute_grad``, but with
variables of either kind and with the same dropout.
"""

from collections.abc import Callable
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.model.gradients import custom_gradient
from bert_wwm.model.layers import compute_after, get_dropout_state, seeded_dropout

Part = Callable[[tf.Tensor], tf.Tensor]


def recompute(part: Part, x: tf.Tensor) -> tf.Tensor:
    """Returns ``part(x)``, whose inner values the backward pass computes a second time.

    Outputs and gradients are those of ``part(x)``, to the bit as far as the kernels are
    deterministic. Dropout within the part has to be seeded, or it would draw again. All its
    variables come by ``tf.get_variable``; what else it takes from outside gets no gradient.
    """
    scope, dropout = tf.get_variable_scope(), get_dropout_state()
    variables: dict[str, Any] = {}

    def note(getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        variables[name] = getter(name, *args, **kwargs)
        return variables[name]

    with tf.variable_scope(scope, custom_getter=note, auxiliary_name_scope=False):
        y = part(x)

    def again(x: tf.Tensor, weights: dict[str, tf.Tensor]) -> tf.Tensor:
        def give(getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> tf.Tensor:
            return weights[name]

        with tf.variable_scope(scope, custom_getter=give), seeded_dropout(*dropout):
            return part(x)

    # The gradient goes through here and around what y was computed from. Weights are arguments,
    # since a custom gradient can't see variables of the older kind.
    @custom_gradient
    def boundary(
        y: tf.Tensor, x: tf.Tensor, *weights: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[Any, ...]]]:
        def gradient(grad: tf.Tensor) -> tuple[Any, ...]:
            # Else Grappler and XLA see that the second computation is the first, and keep the
            # values of that one.
            copies = [compute_after(grad, x), *map(tf.identity, weights)]
            y_again = again(copies[0], dict(zip(variables, copies[1:])))
            return (None, *tf.gradients(y_again, copies, grad))

        return tf.identity(y), gradient

    return boundary(y, x, *map(tf.convert_to_tensor, variables.values()))
