"""The stack of encoder layers over the tokens of a batch alone, without its padding.

The same model as ``transformer.encode_padded``, up to rounding and the order of random bits.
"""

import math

from bert_wwm.compat import tf
from bert_wwm.model.layers import dense
from bert_wwm.model.packing import Packing
from bert_wwm.model.transformer import EncoderSettings, attend, score_offsets, stack_layers

# T tokens of the batch, H hidden


def encode_packed(
    states: tf.Tensor, packing: Packing, settings: EncoderSettings
) -> list[tf.Tensor]:
    """Returns the outputs of all layers, the lowest first: Tensors of shape [T, H].

    Args:
        states: float Tensor of shape [T, H].
    """
    hidden_size = states.shape.as_list()[-1]
    size_per_head = settings.head_size(hidden_size)
    heads = [-1, settings.num_attention_heads, size_per_head]
    offsets = [score_offsets(group.mask[:, tf.newaxis]) for group in packing.groups]

    def attention(states: tf.Tensor) -> tf.Tensor:
        query, key, value = (
            dense(states, hidden_size, settings.initializer_range, name=name)
            for name in ("query", "key", "value")
        )
        query *= 1.0 / math.sqrt(size_per_head)
        inputs = (packing.spread(tf.reshape(x, heads)) for x in (query, key, value))
        contexts = [
            attend(*group, settings.attention_probs_dropout_prob) for group in zip(*inputs, offsets)
        ]
        return tf.reshape(packing.gather(contexts), [-1, hidden_size])

    return stack_layers(states, attention, settings)
