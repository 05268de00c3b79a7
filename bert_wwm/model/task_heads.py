"""The heads of fine-tuning: classes of texts, spans of answers, tags of tokens.

Variables have the names of google-research/bert's programs, so that what these have trained can be
evaluated here.
"""

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.heads import linear
from bert_wwm.model.layers import dropout, get_shape_list

# B batch, S sequence, H hidden, C classes; pooled_output is float [B, H], sequence_output [B, S, H]

# Added to the scores of positions that can't be an answer's: after the softmax they are 0.
_EXCLUDED_SCORE = -10000.0


def classes_of_texts(
    config: BertConfig, pooled_output: tf.Tensor, num_classes: int, dropout_prob: float
) -> tf.Tensor:
    """The class of a text or a pair, as in google-research/bert: float32 logits [B, C]."""
    return linear(config, dropout(pooled_output, dropout_prob), num_classes)


def tags_of_tokens(
    config: BertConfig, sequence_output: tf.Tensor, num_classes: int, dropout_prob: float
) -> tf.Tensor:
    """The tag of each token, by a layer over its state: float32 logits [B, S, C]."""
    batch_size, sequence_length, width = get_shape_list(sequence_output, expected_rank=3)
    states = tf.reshape(sequence_output, [batch_size * sequence_length, width])
    logits = linear(config, dropout(states, dropout_prob), num_classes)
    return tf.reshape(logits, [batch_size, sequence_length, num_classes])


def spans_of_answers(
    config: BertConfig,
    sequence_output: tf.Tensor,
    context_begin: tf.Tensor,
    context_end: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where an answer begins and ends, as in google-research/bert: two float32 logits [B, S].

    As in HFL's code for CMRC 2018 only [CLS], which stands for no answer, and the context count:
    int32 [B], its first position and the one after its last. Variables are in ``cls/squad``.
    """
    batch_size, sequence_length, width = get_shape_list(sequence_output, expected_rank=3)
    states = tf.reshape(sequence_output, [batch_size * sequence_length, width])
    with tf.variable_scope("cls/squad"):
        logits = tf.reshape(linear(config, states, 2), [batch_size, sequence_length, 2])
    positions = tf.expand_dims(tf.range(sequence_length), 0)
    inside = (positions >= context_begin[:, None]) & (positions < context_end[:, None])
    excluded = tf.cast(~(inside | tf.equal(positions, 0)), tf.float32) * _EXCLUDED_SCORE
    start, end = tf.unstack(logits, axis=2)
    return start + excluded, end + excluded


def types_of_answers(
    config: BertConfig, pooled_output: tf.Tensor, num_types: int, dropout_prob: float
) -> tf.Tensor:
    """The kind of answer (CJRC: a span, yes, no, none), float32 logits [B, C]."""
    with tf.variable_scope("cls/answer_type"):
        return linear(config, dropout(pooled_output, dropout_prob), num_types)
