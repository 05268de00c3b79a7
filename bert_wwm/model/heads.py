"""The heads of pretraining, and what their predictions cost.

Masked tokens, pairs of segments, linguistic labels of masked tokens (LERT), where permuted tokens
are (PERT). Variables have the names of the released checkpoints.
"""

from collections.abc import Callable
from typing import NamedTuple

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.gradients import custom_gradient
from bert_wwm.model.layers import (
    compute_after,
    create_initializer,
    dense,
    dropout,
    gather_indexes,
    get_activation,
    get_shape_list,
    layer_norm,
)
from bert_wwm.model.rows import Rows

# B batch, S sequence, H hidden, P predictions a sequence, V vocabulary
#
# Of all functions:
#   sequence_output  float [B, S, H]
#   pooled_output    float [B, H]
#   states           float [B * P, H], of masked_states
#   input_mask       int32 [B, S], 1 at tokens and 0 at padding
#   positions        int32 [B, P], 0 where a sequence has fewer predictions
#   labels           int32 [B, P]
#   label_weights    float32 [B, P], 1 for predictions and 0 for padding

# Added to numbers of masked tokens by google-research/bert: a batch without any costs 0.
EPSILON = 1e-5
# Added to the scores of padding: after the softmax they are 0.
_PADDING_SCORE = -1e9


class Prediction(NamedTuple):
    """The scores of a head over a batch, and the true classes."""

    logits: tf.Tensor  # float32 [predictions, classes]
    labels: tf.Tensor  # int32 [predictions]
    weights: tf.Tensor  # float32 [predictions], 1 for predictions and 0 for padding

    def losses(self) -> tf.Tensor:
        """Cross entropy of each prediction in nats, padding included: float32 [predictions]."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=self.labels, logits=self.logits
        )

    def hits(self) -> tf.Tensor:
        """1 where the likeliest class is the label, else 0: float32 [predictions]."""
        likeliest = tf.argmax(self.logits, axis=-1, output_type=tf.int32)
        return tf.cast(tf.equal(likeliest, self.labels), tf.float32)

    def log_probs(self) -> tf.Tensor:
        """Log probabilities: float32 [predictions, classes]."""
        return tf.nn.log_softmax(self.logits)


def masked_states(
    config: BertConfig,
    sequence_output: tf.Tensor,
    positions: tf.Tensor,
    dropout_prob: float = 0.0,
    scope: str = "cls/predictions/transform",
) -> tf.Tensor:
    """The states that predict masked tokens, [B * P, H]: dense, activation and layer norm."""
    with tf.variable_scope(scope):
        states = dense(
            gather_indexes(sequence_output, positions),
            config.hidden_size,
            config.initializer_range,
            get_activation(config.hidden_act),
        )
        return layer_norm(dropout(states, dropout_prob))


def masked_lm(
    config: BertConfig,
    states: tf.Tensor,
    embedding_table: tf.Variable,
    labels: tf.Tensor,
    label_weights: tf.Tensor,
) -> Prediction:
    """The masked language model: the token at each position, [B * P] predictions of V classes.

    Its bias is in the scope ``cls/predictions``; its matrix is that of the word embeddings, [V, H].
    """
    with tf.variable_scope("cls/predictions"):
        bias = _make_bias(config.vocab_size)
    table = tf.cast(tf.convert_to_tensor(embedding_table), states.dtype)
    logits = tf.nn.bias_add(tf.cast(_score_words(states, table), tf.float32), bias)
    return _make_prediction(logits, labels, label_weights)


@custom_gradient
def _score_words(
    states: tf.Tensor, table: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """[rows, H] x [V, H] -> [rows, V]"""

    def gradient(grad: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # The table's gradient first: what it is computed from is the largest tensor of all.
        table_grad = tf.matmul(grad, states, transpose_a=True)
        return compute_after(table_grad, tf.matmul(grad, table)), table_grad

    return tf.matmul(states, table, transpose_b=True), gradient


def linguistic(
    config: BertConfig,
    states: tf.Tensor,
    task: str,
    num_labels: int,
    labels: tf.Tensor,
    label_weights: tf.Tensor,
) -> Prediction:
    """One of LERT's classifiers of masked tokens (Cui et al. 2022, arXiv 2211.05344).

    [B * P] predictions of ``num_labels`` classes. Its variables are in the scope
    ``cls/predictions/output_<task>_layer``, as in HFL's LERT.
    """
    with tf.variable_scope("cls/predictions"):
        logits = dense(states, num_labels, config.initializer_range, name=f"output_{task}_layer")
    return _make_prediction(tf.cast(logits, tf.float32), labels, label_weights)


def position(
    config: BertConfig,
    sequence_output: tf.Tensor,
    input_mask: tf.Tensor,
    positions: tf.Tensor,
    labels: tf.Tensor,
    label_weights: tf.Tensor,
    dropout_prob: float,
    rows: Rows | None = None,
) -> Prediction:
    """PERT's head: the position of the sequence that a token points at (arXiv 2203.06906).

    Dense, activation, dropout and layer norm over the selected states, then their products with
    all states, and a bias by position; HFL released no code, so this follows descriptions of the
    paper. Padding is left out of the softmax: [B * P] predictions of S classes. In rows of several
    instances classes are the places of the row, so are the other instances, and the bias goes by
    the place in the instance. Its variables are in the scope ``cls/permutation``.
    """
    batch_size, sequence_length, width = get_shape_list(sequence_output, expected_rank=3)
    num_predictions = get_shape_list(positions)[1]
    with tf.variable_scope("cls/permutation"):
        states = masked_states(config, sequence_output, positions, dropout_prob, "transform")
        bias = _make_bias(config.max_position_embeddings)
    states = tf.reshape(states, [batch_size, num_predictions, width])
    logits = tf.cast(tf.matmul(states, sequence_output, transpose_b=True), tf.float32)
    is_class = tf.equal(input_mask, 1)[:, tf.newaxis]  # [B, 1 or P, S]
    biases = bias[:sequence_length]  # [S] or [B, 1, S]
    if rows:
        own = tf.gather(rows.instance_ids, positions, batch_dims=1)[:, :, tf.newaxis]
        is_class &= tf.equal(rows.instance_ids[:, tf.newaxis], own)
        biases = tf.gather(bias, rows.position_ids)[:, tf.newaxis]
    logits += biases + tf.where_v2(is_class, 0.0, _PADDING_SCORE)
    logits = tf.reshape(logits, [batch_size * num_predictions, sequence_length])
    return _make_prediction(logits, labels, label_weights)


def sentence_pair(
    config: BertConfig,
    pooled_output: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor | None = None,
) -> Prediction:
    """Next sentence prediction, or the order of two segments: [B] predictions of 2 classes.

    Its variables are in the scope ``cls/seq_relationship``. Labels are int32 [B] or [B, 1]: 0
    follows, 1 is from elsewhere (next sentence prediction) or swapped (sentence order). Of rows of
    several instances all is [B * K], and ``weights``, float32 [B, K], say where there is one.
    """
    with tf.variable_scope("cls/seq_relationship"):
        logits = linear(config, pooled_output, 2)
    weights = tf.ones_like(labels, tf.float32) if weights is None else weights
    return _make_prediction(logits, labels, weights)


def linear(config: BertConfig, states: tf.Tensor, num_classes: int) -> tf.Tensor:
    """[rows, H] -> float32 [rows, C], by ``output_weights`` [C, H] and ``output_bias`` [C]."""
    weights = tf.get_variable(
        "output_weights",
        [num_classes, config.hidden_size],
        initializer=create_initializer(config.initializer_range),
    )
    bias = _make_bias(num_classes)
    logits = tf.matmul(states, tf.cast(weights, states.dtype), transpose_b=True)
    return tf.nn.bias_add(tf.cast(logits, tf.float32), bias)


def _make_bias(size: int) -> tf.Variable:
    return tf.get_variable("output_bias", [size], initializer=tf.zeros_initializer())


def _make_prediction(logits: tf.Tensor, labels: tf.Tensor, label_weights: tf.Tensor) -> Prediction:
    weights = tf.reshape(tf.cast(label_weights, tf.float32), [-1])
    return Prediction(logits, tf.reshape(labels, [-1]), weights)
