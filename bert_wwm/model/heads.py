"""What is predicted from the encoder's output: masked tokens, whether two segments belong."""

from typing import NamedTuple

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.layers import (
    create_initializer,
    dense,
    get_activation,
    get_shape_list,
    layer_norm,
)

# B batch, S sequence, H hidden, P predictions a sequence, V vocabulary


class HeadOutput(NamedTuple):
    """What a head says of a batch; it unpacks like google-research/bert's tuples.

    Attributes:
        loss: float32 scalar, in nats a prediction.
        per_example_loss: float32 Tensor of shape [predictions].
        log_probs: float32 Tensor of shape [predictions, classes].
    """

    loss: tf.Tensor
    per_example_loss: tf.Tensor
    log_probs: tf.Tensor


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


def masked_lm_output(
    config: BertConfig,
    sequence_output: tf.Tensor,
    embedding_table: tf.Variable,
    positions: tf.Tensor,
    label_ids: tf.Tensor,
    label_weights: tf.Tensor,
) -> HeadOutput:
    """The masked language model: which token stood at each position, over the whole vocabulary.

    Its variables are in the scope ``cls/predictions``; the decoder's matrix is the word embeddings.

    Args:
        config: the encoder's configuration.
        sequence_output: float Tensor of shape [B, S, H].
        embedding_table: float variable of shape [V, H].
        positions: int32 Tensor of shape [B, P], 0 where a sequence has fewer predictions.
        label_ids: int32 Tensor of shape [B, P], the ids of the original tokens, 0 to V - 1.
        label_weights: float32 Tensor of shape [B, P], 1 for predictions and 0 for padding.

    Returns:
        The mean loss of the predictions, and [B * P] losses and [B * P, V] log probabilities,
        padding included.
    """
    states = gather_indexes(sequence_output, positions)  # [B * P, H]
    with tf.variable_scope("cls/predictions"):
        with tf.variable_scope("transform"):
            states = dense(
                states,
                config.hidden_size,
                config.initializer_range,
                get_activation(config.hidden_act),
            )
            states = layer_norm(states)
        bias = tf.get_variable(
            "output_bias", shape=[config.vocab_size], initializer=tf.zeros_initializer()
        )
        logits = tf.matmul(states, tf.cast(embedding_table, states.dtype), transpose_b=True)
        per_example_loss, log_probs = _classify(logits, bias, label_ids)
        weights = tf.reshape(tf.cast(label_weights, tf.float32), [-1])
        # The small constant is google-research/bert's: a batch without predictions costs 0.
        loss = tf.reduce_sum(weights * per_example_loss) / (tf.reduce_sum(weights) + 1e-5)
    return HeadOutput(loss, per_example_loss, log_probs)


def next_sentence_output(
    config: BertConfig, pooled_output: tf.Tensor, labels: tf.Tensor
) -> HeadOutput:
    """Next sentence prediction: whether the second segment follows the first.

    Its variables are in the scope ``cls/seq_relationship``.

    Args:
        config: the encoder's configuration.
        pooled_output: float Tensor of shape [B, H].
        labels: int32 Tensor of shape [B] or [B, 1]: 0 follows, 1 is from elsewhere.

    Returns:
        The mean loss, and [B] losses and [B, 2] log probabilities.
    """
    with tf.variable_scope("cls/seq_relationship"):
        weights = tf.get_variable(
            "output_weights",
            shape=[2, config.hidden_size],
            dtype=pooled_output.dtype,
            initializer=create_initializer(config.initializer_range),
        )
        bias = tf.get_variable("output_bias", shape=[2], initializer=tf.zeros_initializer())
        logits = tf.matmul(pooled_output, weights, transpose_b=True)
        per_example_loss, log_probs = _classify(logits, bias, labels)
    return HeadOutput(tf.reduce_mean(per_example_loss), per_example_loss, log_probs)


def _classify(logits: tf.Tensor, bias: tf.Variable, labels: tf.Tensor) -> tuple:
    """Returns the losses [rows] and log probabilities [rows, classes] of logits, in float32."""
    logits = tf.nn.bias_add(tf.cast(logits, tf.float32), bias)
    # The loss doesn't go through log_probs: only evaluation pays for them, and no one-hot matrix
    # as large as the logits is needed.
    per_example_loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.reshape(labels, [-1]), logits=logits
    )
    return per_example_loss, tf.nn.log_softmax(logits)
