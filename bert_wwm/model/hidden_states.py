"""The hidden states of a model's layers, of each token or of the whole text."""

from collections.abc import Sequence

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertModel

# B batch, S sequence, L layers that are wanted, H hidden


def states_of_layers(model: BertModel, layers: Sequence[int]) -> tf.Tensor:
    """Returns the outputs of some layers: float32 Tensor of shape [B, S, L, H].

    Args:
        layers: their numbers, 0 for the lowest or -1 for the highest, in the order wanted.
    """
    outputs = model.get_all_encoder_layers()
    return tf.stack([tf.cast(outputs[layer], tf.float32) for layer in layers], axis=2)


def pooled_states(states: tf.Tensor, input_mask: tf.Tensor, pooling: str) -> tf.Tensor:
    """Returns one state a text: float32 Tensor of shape [B, L, H].

    Args:
        states: of its tokens, float32 Tensor of shape [B, S, L, H].
        input_mask: int32 Tensor of shape [B, S], 1 at tokens and 0 at padding.
        pooling: ``cls``, the state of ``[CLS]``; ``mean``, that of all tokens, ``[CLS]`` and
            ``[SEP]`` among them.
    """
    if pooling == "cls":
        return states[:, 0]
    weights = tf.cast(input_mask, tf.float32)
    totals = tf.einsum("bs,bslh->blh", weights, states)
    return totals / tf.reduce_sum(weights, axis=1)[:, tf.newaxis, tf.newaxis]
