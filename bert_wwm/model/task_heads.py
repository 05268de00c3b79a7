"""The heads of fine-tuning: classes of texts, spans of answers, tags of tokens.

Variables have the names of google-research/bert's programs, so that what these have trained can be
evaluated here.
"""

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.layers import create_initializer, dropout, get_shape_list

# B batch, S sequence, H hidden, C classes

# Added to the scores of positions that can't be an answer's: after the softmax they are 0.
_EXCLUDED_SCORE = -10000.0


def _linear(config: BertConfig, states: tf.Tensor, num_classes: int) -> tf.Tensor:
    """[rows, H] -> float32 [rows, C], by ``output_weights`` [C, H] and ``output_bias`` [C]."""
    weights = tf.get_variable(
        "output_weights",
        [num_classes, config.hidden_size],
        initializer=create_initializer(config.initializer_range),
    )
    bias = tf.get_variable("output_bias", [num_classes], initializer=tf.zeros_initializer())
    logits = tf.matmul(states, tf.cast(weights, states.dtype), transpose_b=True)
    return tf.nn.bias_add(tf.cast(logits, tf.float32), bias)


def classes_of_texts(
    config: BertConfig, pooled_output: tf.Tensor, num_classes: int, dropout_prob: float
) -> tf.Tensor:
    """The class of a text or a pair: google-research/bert's ``run_classifier.py``.

    Args:
        pooled_output: float Tensor of shape [B, H].
        num_classes: C.
        dropout_prob: fraction of the pooled output that dropout drops.

    Returns:
        Logits: float32 Tensor of shape [B, C].
    """
    return _linear(config, dropout(pooled_output, dropout_prob), num_classes)


def tags_of_tokens(
    config: BertConfig, sequence_output: tf.Tensor, num_classes: int, dropout_prob: float
) -> tf.Tensor:
    """The tag of each token, by a layer over its state.

    Args:
        sequence_output: float Tensor of shape [B, S, H].
        num_classes: C.
        dropout_prob: fraction of the states that dropout drops.

    Returns:
        Logits: float32 Tensor of shape [B, S, C].
    """
    batch_size, sequence_length, width = get_shape_list(sequence_output, expected_rank=3)
    states = tf.reshape(sequence_output, [batch_size * sequence_length, width])
    logits = _linear(config, dropout(states, dropout_prob), num_classes)
    return tf.reshape(logits, [batch_size, sequence_length, num_classes])


def spans_of_answers(
    config: BertConfig,
    sequence_output: tf.Tensor,
    context_begin: tf.Tensor,
    context_end: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where an answer begins and ends: google-research/bert's ``run_squad.py``.

    As in HFL's code for CMRC 2018 only [CLS], which stands for no answer, and the context count.
    Its variables are in the scope ``cls/squad``.

    Args:
        sequence_output: float Tensor of shape [B, S, H].
        context_begin: int32 Tensor of shape [B], the first position of the context.
        context_end: int32 Tensor of shape [B], the position after its last.

    Returns:
        Logits of the first and of the last position: float32 Tensors of shape [B, S].
    """
    batch_size, sequence_length, width = get_shape_list(sequence_output, expected_rank=3)
    states = tf.reshape(sequence_output, [batch_size * sequence_length, width])
    with tf.variable_scope("cls/squad"):
        logits = tf.reshape(_linear(config, states, 2), [batch_size, sequence_length, 2])
    positions = tf.expand_dims(tf.range(sequence_length), 0)
    inside = (positions >= context_begin[:, None]) & (positions < context_end[:, None])
    excluded = tf.cast(~(inside | tf.equal(positions, 0)), tf.float32) * _EXCLUDED_SCORE
    start, end = tf.unstack(logits, axis=2)
    return start + excluded, end + excluded


def types_of_answers(
    config: BertConfig, pooled_output: tf.Tensor, num_types: int, dropout_prob: float
) -> tf.Tensor:
    """How a question is to be answered (CJRC: a span, yes, no, not at all).

    Its variables are in the scope ``cls/answer_type``.

    Args:
        pooled_output: float Tensor of shape [B, H].
        num_types: C.
        dropout_prob: fraction of the pooled output that dropout drops.

    Returns:
        Logits: float32 Tensor of shape [B, C].
    """
    with tf.variable_scope("cls/answer_type"):
        return _linear(config, dropout(pooled_output, dropout_prob), num_types)
