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
    get_activation,
    get_shape_list,
    layer_norm,
)

# B batch, S sequence, H hidden, P predictions a sequence, V vocabulary

# Added to numbers of masked tokens by google-research/bert: a batch without any costs 0.
EPSILON = 1e-5
# Added to the scores of padding: after the softmax they are 0.
_PADDING_SCORE = -1e9


class Prediction(NamedTuple):
    """The scores of a head over a batch, and the true classes.

    Attributes:
        logits: float32 Tensor of shape [predictions, classes].
        labels: int32 Tensor of shape [predictions].
        weights: float32 Tensor of shape [predictions], 1 for predictions and 0 for padding.
    """

    logits: tf.Tensor
    labels: tf.Tensor
    weights: tf.Tensor

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


def gather_indexes(sequence_tensor: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """Picks the states at some positions of each sequence.

    Args:
        sequence_tensor: float Tensor of shape [B, S, H].
        positions: int32 Tensor of shape [B, P].

    Returns:
        float Tensor of shape [B * P, H].
    """
    batch_size, sequence_length, width = get_shape_list(sequence_tensor, expected_rank=3)
    offsets = tf.reshape(tf.range(batch_size) * sequence_length, [-1, 1])
    rows = tf.reshape(tf.cast(positions, tf.int32) + offsets, [-1])
    return tf.gather(tf.reshape(sequence_tensor, [batch_size * sequence_length, width]), rows)


def masked_states(
    config: BertConfig, sequence_output: tf.Tensor, positions: tf.Tensor
) -> tf.Tensor:
    """The states that masked tokens are predicted from: dense, activation and layer norm.

    Its variables are in the scope ``cls/predictions/transform``.

    Args:
        sequence_output: float Tensor of shape [B, S, H].
        positions: int32 Tensor of shape [B, P], 0 where a sequence has fewer predictions.

    Returns:
        float Tensor of shape [B * P, H].
    """
    return _transform(config, "cls/predictions/transform", sequence_output, positions)


def _transform(
    config: BertConfig,
    scope: str,
    sequence_output: tf.Tensor,
    positions: tf.Tensor,
    dropout_prob: float = 0.0,
) -> tf.Tensor:
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
    label_ids: tf.Tensor,
    label_weights: tf.Tensor,
) -> Prediction:
    """The masked language model: the token at each position, of the whole vocabulary.

    Its bias is in the scope ``cls/predictions``; the decoder's matrix is the word embeddings.

    Args:
        states: float Tensor of shape [B * P, H], of ``masked_states``.
        embedding_table: float variable of shape [V, H].
        label_ids: int32 Tensor of shape [B, P], the ids of the original tokens, 0 to V - 1.
        label_weights: float32 Tensor of shape [B, P], 1 for predictions and 0 for padding.

    Returns:
        [B * P] predictions of V classes.
    """
    with tf.variable_scope("cls/predictions"):
        bias = tf.get_variable(
            "output_bias", shape=[config.vocab_size], initializer=tf.zeros_initializer()
        )
    table = tf.cast(tf.convert_to_tensor(embedding_table), states.dtype)
    logits = tf.nn.bias_add(tf.cast(_score_words(states, table), tf.float32), bias)
    return _make_prediction(logits, label_ids, label_weights)


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

    Its variables are in the scope ``cls/predictions/output_<task>_layer``, as in HFL's LERT.

    Args:
        states: float Tensor of shape [B * P, H], of ``masked_states``.
        task: ``pos``, ``ner`` or ``dep``.
        labels: int32 Tensor of shape [B, P].
        label_weights: float32 Tensor of shape [B, P], 1 for predictions and 0 for padding.

    Returns:
        [B * P] predictions of ``num_labels`` classes.
    """
    with tf.variable_scope("cls/predictions"):
        logits = dense(states, num_labels, config.initializer_range, name=f"output_{task}_layer")
    return _make_prediction(tf.cast(logits, tf.float32), labels, label_weights)


def position(
    config: BertConfig,
    sequence_output: tf.Tensor,
    input_mask: tf.Tensor,
    positions: tf.Tensor,
    target_positions: tf.Tensor,
    label_weights: tf.Tensor,
    dropout_prob: float,
) -> Prediction:
    """PERT's head: the position of the sequence that a token points at (arXiv 2203.06906).

    Dense, activation, dropout and layer norm over the selected states, then their products with
    all states, and a bias by position; HFL released no code, so this follows descriptions of the
    paper. Padding is left out of the softmax. Its variables are in the scope ``cls/permutation``.

    Args:
        sequence_output: float Tensor of shape [B, S, H].
        input_mask: int32 Tensor of shape [B, S], 1 at tokens and 0 at padding.
        positions: int32 Tensor of shape [B, P], 0 where a sequence has fewer predictions.
        target_positions: int32 Tensor of shape [B, P].
        label_weights: float32 Tensor of shape [B, P], 1 for predictions and 0 for padding.
        dropout_prob: fraction of the head's hidden states that dropout drops.

    Returns:
        [B * P] predictions of S classes.
    """
    batch_size, sequence_length, width = get_shape_list(sequence_output, expected_rank=3)
    num_predictions = get_shape_list(positions)[1]
    with tf.variable_scope("cls/permutation"):
        states = _transform(config, "transform", sequence_output, positions, dropout_prob)
        bias = tf.get_variable(
            "output_bias",
            shape=[config.max_position_embeddings],
            initializer=tf.zeros_initializer(),
        )
    states = tf.reshape(states, [batch_size, num_predictions, width])
    logits = tf.cast(tf.matmul(states, sequence_output, transpose_b=True), tf.float32)
    padding = tf.cast(tf.expand_dims(1 - input_mask, 1), tf.float32)  # [B, 1, S]
    logits += bias[:sequence_length] + padding * _PADDING_SCORE
    logits = tf.reshape(logits, [batch_size * num_predictions, sequence_length])
    return _make_prediction(logits, target_positions, label_weights)


def sentence_pair(config: BertConfig, pooled_output: tf.Tensor, labels: tf.Tensor) -> Prediction:
    """Next sentence prediction, or the order of two segments: both classify the pair.

    Its variables are in the scope ``cls/seq_relationship``.

    Args:
        pooled_output: float Tensor of shape [B, H].
        labels: int32 Tensor of shape [B] or [B, 1]: 0 follows, 1 is from elsewhere (next sentence
            prediction) or swapped (sentence order).

    Returns:
        [B] predictions of 2 classes.
    """
    with tf.variable_scope("cls/seq_relationship"):
        weights = tf.get_variable(
            "output_weights",
            shape=[2, config.hidden_size],
            initializer=create_initializer(config.initializer_range),
        )
        bias = tf.get_variable("output_bias", shape=[2], initializer=tf.zeros_initializer())
        logits = tf.matmul(pooled_output, tf.cast(weights, pooled_output.dtype), transpose_b=True)
        logits = tf.nn.bias_add(tf.cast(logits, tf.float32), bias)
    flat = tf.reshape(labels, [-1])
    return Prediction(logits, flat, tf.ones_like(flat, tf.float32))


def _make_prediction(logits: tf.Tensor, labels: tf.Tensor, label_weights: tf.Tensor) -> Prediction:
    weights = tf.reshape(tf.cast(label_weights, tf.float32), [-1])
    return Prediction(logits, tf.reshape(labels, [-1]), weights)
