"""The stack of encoder layers, laid out for a TPU's matrix units.

The same model as ``transformer_model``, up to rounding and the order of random bits. Inside the
attention tokens come last, [B, N, D, S]: a TPU's tile is 128 wide, so that 64 numbers a head would
leave half of it empty, and the projections write this order at no cost. All else stays [B, S, H]:
between products each reshape may be a copy.
"""

import math
from collections.abc import Callable

from bert_wwm.compat import tf
from bert_wwm.model.layers import Activation
from bert_wwm.model.recomputation import recomputed
from bert_wwm.model.tpu_layers import (
    Dropout,
    Weights,
    attention,
    dense_weights,
    layer_norm,
    product,
)

# B batch, S sequence, H hidden, N heads, D size per head

Drop = Callable[[tf.Tensor], tf.Tensor]


def tpu_transformer_model(
    input_tensor: tf.Tensor,
    input_mask: tf.Tensor | None,
    num_hidden_layers: int,
    num_attention_heads: int,
    intermediate_size: int,
    intermediate_act_fn: Activation | None,
    hidden_dropout_prob: float,
    attention_probs_dropout_prob: float,
    initializer_range: float,
    gradient_checkpointing: bool,
) -> list[tf.Tensor]:
    """Returns the outputs of all layers, the lowest first: Tensors of shape [B, S, H].

    Args:
        input_tensor: float Tensor of shape [B, S, H], known with the graph; H is a multiple of N.
        input_mask: int32 Tensor of shape [B, S], 1 at tokens and 0 at padding; None: all
            are tokens.
        num_hidden_layers: number of layers.
        num_attention_heads: N.
        intermediate_size: width of the feed-forward layer.
        intermediate_act_fn: activation of the feed-forward layer.
        hidden_dropout_prob: fraction of the hidden states that dropout drops.
        attention_probs_dropout_prob: fraction of the attention weights that dropout drops.
        initializer_range: standard deviation of the kernels' initialiser.
        gradient_checkpointing: keep only each layer's input, and the dropout's bits, for the
            backward pass, which computes the layer a second time.
    """
    batch_size, length, width = input_tensor.shape.as_list()
    heads = [batch_size, num_attention_heads, width // num_attention_heads, length]
    dtype = input_tensor.dtype
    if input_mask is None:
        input_mask = tf.ones([batch_size, length], tf.int32)

    def layer(states: tf.Tensor, drop: Drop, drop_again: Drop, drop_weights: Drop) -> tf.Tensor:
        def weights(x: tf.Tensor, units: int, name: str | None = None) -> Weights:
            return dense_weights(x.shape.as_list()[-1], units, initializer_range, dtype, name)

        with tf.variable_scope("attention"):
            with tf.variable_scope("self"):
                kernel, bias = weights(states, width, "query")
                query = product(states, kernel, "bsh", "bks") + bias[:, tf.newaxis]
                context = attention(
                    tf.reshape(query, heads) * (1.0 / math.sqrt(heads[2])),
                    states,
                    weights(states, width, "key"),
                    weights(states, width, "value"),
                    input_mask,
                    drop_weights,
                )
            with tf.variable_scope("output"):
                kernel, bias = weights(states, width)
                context = tf.reshape(context, [batch_size, width, length])
                context = product(context, kernel, "bhs", "bsk") + bias
                attended = layer_norm(drop(context) + states)
        with tf.variable_scope("intermediate"):
            kernel, bias = weights(attended, intermediate_size)
            inner = product(attended, kernel, "bsh", "bsk") + bias
            if intermediate_act_fn is not None:
                inner = intermediate_act_fn(inner)
        with tf.variable_scope("output"):
            kernel, bias = weights(inner, width)
            outer = product(inner, kernel, "bsh", "bsk") + bias
            return layer_norm(drop_again(outer) + attended)

    dropout = Dropout([batch_size, length, width], hidden_dropout_prob, 2 * num_hidden_layers)
    dropout_of_weights = Dropout(
        [*heads[:2], length, length],
        attention_probs_dropout_prob,
        num_hidden_layers,
        bits_to_a_byte=False,
    )
    states, outputs = input_tensor, []
    for index in range(num_hidden_layers):
        drops = (dropout.next(), dropout.next(), dropout_of_weights.next())
        with tf.variable_scope(f"layer_{index}"):
            if gradient_checkpointing:
                states = recomputed(lambda x, drops=drops: layer(x, *drops), states)
            else:
                states = layer(states, *drops)
        outputs.append(states)
    return outputs
