"""The stack of encoder layers, laid out for a TPU's matrix units.

The same model as ``transformer.encode_padded``, up to rounding and the order of random bits. Inside
the attention tokens come last, [B, N, D, S]: a TPU's tile is 128 wide, so that 64 numbers a head
would leave half of it empty, and the projections write this order at no cost. All else stays
[B, S, H]: between products each reshape may be a copy.
"""

import math
from collections.abc import Callable

from bert_wwm.compat import tf
from bert_wwm.model.config import BertConfig, find_size_per_head
from bert_wwm.model.layers import get_activation
from bert_wwm.model.recomputation import recompute
from bert_wwm.model.tpu_layers import (
    Dropout,
    Weights,
    attention,
    dense_weights,
    layer_norm,
    multiply,
)

# B batch, S sequence, H hidden, N heads, D size per head

Drop = Callable[[tf.Tensor], tf.Tensor]


def encode_on_tpu(
    input_tensor: tf.Tensor,
    input_mask: tf.Tensor | None,
    config: BertConfig,
    gradient_checkpointing: bool,
    instance_ids: tf.Tensor | None = None,
) -> list[tf.Tensor]:
    """As ``transformer.encode_padded``; all shapes are known with the graph.

    With ``gradient_checkpointing`` the dropout's bits are kept, too.
    """
    batch_size, length, width = input_tensor.shape.as_list()
    num_heads, num_layers = config.num_attention_heads, config.num_hidden_layers
    heads = [batch_size, num_heads, find_size_per_head(config), length]
    activation = get_activation(config.hidden_act)
    if input_mask is None:
        input_mask = tf.ones([batch_size, length], tf.int32)
    if instance_ids is None:
        instance_ids = tf.zeros([batch_size, 1], tf.int32)
    # Of what is attended to; padding is of no instance.
    to_instances = tf.where_v2(tf.equal(input_mask, 1), instance_ids, -1)

    def weights(x: tf.Tensor, units: int, name: str | None = None) -> Weights:
        return dense_weights(x, units, config.initializer_range, name)

    def layer(states: tf.Tensor, drop: Drop, drop_again: Drop, drop_probs: Drop) -> tf.Tensor:
        with tf.variable_scope("attention"):
            with tf.variable_scope("self"):
                kernel, bias = weights(states, width, "query")
                query = multiply(states, kernel, "bsh", "bks") + bias[:, tf.newaxis]
                context = attention(
                    tf.reshape(query, heads) * (1.0 / math.sqrt(heads[2])),
                    states,
                    weights(states, width, "key"),
                    weights(states, width, "value"),
                    instance_ids,
                    to_instances,
                    drop_probs,
                )
            with tf.variable_scope("output"):
                kernel, bias = weights(states, width)
                context = tf.reshape(context, [batch_size, width, length])
                context = multiply(context, kernel, "bhs", "bsk") + bias
                attended = layer_norm(drop(context) + states)
        with tf.variable_scope("intermediate"):
            kernel, bias = weights(attended, config.intermediate_size)
            inner = multiply(attended, kernel, "bsh", "bsk") + bias
            inner = inner if activation is None else activation(inner)
        with tf.variable_scope("output"):
            kernel, bias = weights(inner, width)
            outer = multiply(inner, kernel, "bsh", "bsk") + bias
            return layer_norm(drop_again(outer) + attended)

    dropout = Dropout([batch_size, length, width], config.hidden_dropout_prob, 2 * num_layers)
    probs_dropout = Dropout(
        [batch_size, num_heads, length, length],
        config.attention_probs_dropout_prob,
        num_layers,
        bits_to_a_byte=False,
    )
    states, outputs = input_tensor, []
    for index in range(num_layers):
        drops = (dropout.next(), dropout.next(), probs_dropout.next())
        with tf.variable_scope(f"layer_{index}"):
            if gradient_checkpointing:
                states = recompute(lambda x, drops=drops: layer(x, *drops), states)
            else:
                states = layer(states, *drops)
        outputs.append(states)
    return outputs
