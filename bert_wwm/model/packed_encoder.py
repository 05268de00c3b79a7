"""The stack of encoder layers over the tokens of a batch alone, without its padding.

The same model as ``transformer_model``, up to rounding and the order of random bits.
"""

import math

from bert_wwm.compat import tf
from bert_wwm.model.layers import Activation, dense
from bert_wwm.model.packing import Packing
from bert_wwm.model.transformer import encoder_layers, head_size, score_offsets, weighted_sum

# T tokens of the batch, H hidden, N heads, D size per head


def packed_transformer_model(
    input_tensor: tf.Tensor,
    packing: Packing,
    num_hidden_layers: int,
    num_attention_heads: int,
    intermediate_size: int,
    intermediate_act_fn: Activation | None,
    hidden_dropout_prob: float,
    attention_probs_dropout_prob: float,
    initializer_range: float,
    gradient_checkpointing: bool,
) -> list[tf.Tensor]:
    """Returns the outputs of all layers, the lowest first: Tensors of shape [T, H].

    Args:
        input_tensor: float Tensor of shape [T, H].
        packing: where the tokens stand in the batch.
        num_hidden_layers: number of layers.
        num_attention_heads: N, a divisor of H.
        intermediate_size: width of the feed-forward layer.
        intermediate_act_fn: activation of the feed-forward layer.
        hidden_dropout_prob: fraction of the hidden states that dropout drops.
        attention_probs_dropout_prob: fraction of the attention weights that dropout drops.
        initializer_range: standard deviation of the kernels' initialiser.
        gradient_checkpointing: keep only each layer's input for the backward pass, which computes
            the layer a second time.

    Raises:
        ValueError: H is not a multiple of N.
    """
    hidden_size = input_tensor.shape.as_list()[-1]
    heads = [num_attention_heads, head_size(hidden_size, num_attention_heads)]
    offsets = [score_offsets(group.mask[:, tf.newaxis]) for group in packing.groups]

    def attention(states: tf.Tensor) -> tf.Tensor:
        query, key, value = (
            dense(states, hidden_size, initializer_range, name=name)
            for name in ("query", "key", "value")
        )
        query *= 1.0 / math.sqrt(heads[1])
        by_group = (packing.spread(tf.reshape(x, [-1, *heads])) for x in (query, key, value))
        of_groups = zip(*by_group, offsets)
        contexts = [weighted_sum(*of_group, attention_probs_dropout_prob) for of_group in of_groups]
        return tf.reshape(packing.gathered(contexts), [-1, hidden_size])

    return encoder_layers(
        input_tensor,
        attention,
        num_hidden_layers,
        intermediate_size,
        intermediate_act_fn,
        hidden_dropout_prob,
        initializer_range,
        gradient_checkpointing,
    )
