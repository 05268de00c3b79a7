"""From token ids to the encoder's input."""

from typing import Optional

from bert_wwm.compat import tf
from bert_wwm.model.layers import (
    Dimension,
    create_initializer,
    get_shape_list,
    layer_norm_and_dropout,
)
from bert_wwm.model.tpu_layers import gather_rows

# B batch, S sequence, H hidden, V vocabulary


def embedding_lookup(
    input_ids: tf.Tensor,
    vocab_size: int,
    embedding_size: int = 128,
    initializer_range: float = 0.02,
    word_embedding_name: str = "word_embeddings",
    use_one_hot_embeddings: bool = False,
    tpu_dtype: Optional["tf.DType"] = None,
) -> tuple[tf.Tensor, tf.Variable]:
    """Looks the embeddings of ids up in a table made for them.

    Args:
        input_ids: int32 Tensor of shape [B, S], or [B, S, K] for K ids a position.
        vocab_size: V.
        embedding_size: H.
        use_one_hot_embeddings: multiply by one-hot rows, as google-research/bert does on TPUs.
        tpu_dtype: if given, look up as a TPU does it fastest, rows in this dtype.

    Returns:
        float32 Tensor of shape [B, S, H] (or [B, S, K * H]), and the table, of shape [V, H].
    """
    table = tf.get_variable(
        word_embedding_name,
        shape=[vocab_size, embedding_size],
        initializer=create_initializer(initializer_range),
    )
    ids_shape = get_shape_list(input_ids)
    flat_ids = tf.reshape(input_ids, [-1])
    if tpu_dtype is not None:
        output = gather_rows(tf.convert_to_tensor(table), flat_ids, tpu_dtype)
    elif use_one_hot_embeddings:
        output = tf.matmul(
            tf.one_hot(flat_ids, depth=vocab_size, dtype=table.dtype.base_dtype), table
        )
    else:
        output = tf.gather(table, flat_ids)
    ids_a_position = 1 if len(ids_shape) == 2 else ids_shape[-1]
    return tf.reshape(output, [*ids_shape[:2], ids_a_position * embedding_size]), table


def embedding_postprocessor(
    input_tensor: tf.Tensor,
    use_token_type: bool = False,
    token_type_ids: tf.Tensor | None = None,
    token_type_vocab_size: int = 16,
    token_type_embedding_name: str = "token_type_embeddings",
    use_position_embeddings: bool = True,
    position_embedding_name: str = "position_embeddings",
    initializer_range: float = 0.02,
    max_position_embeddings: int = 512,
    dropout_prob: float = 0.1,
    compute_dtype: "tf.DType" = tf.float32,
    position_ids: tf.Tensor | None = None,
) -> tf.Tensor:
    """Adds segment and position embeddings to word embeddings, then layer norm and dropout.

    Args:
        input_tensor: float Tensor of shape [B, S, H].
        token_type_ids: int32 Tensor of shape [B, S], the segments; needed with ``use_token_type``.
        max_position_embeddings: rows of the position table, the longest sequence in tokens.
        compute_dtype: of the sum and what comes after it.
        position_ids: int32 Tensor of shape [B, S]; by default 0, 1, ... in each sequence.

    Returns:
        Tensor of shape [B, S, H] and of that dtype.

    Raises:
        ValueError: the shape is not [B, S, H], the sequence is longer than the position table, or
            ``token_type_ids`` are wanted and missing. Where the graph doesn't know the length, or
            with ``position_ids``, its run fails instead (InvalidArgumentError).
    """
    batch_size, sequence_length, width = get_shape_list(input_tensor, expected_rank=3)
    initializer = create_initializer(initializer_range)
    output = input_tensor

    if use_token_type:
        if token_type_ids is None:
            raise ValueError("use_token_type needs token_type_ids")
        table = tf.get_variable(
            token_type_embedding_name,
            shape=[token_type_vocab_size, width],
            dtype=input_tensor.dtype,
            initializer=initializer,
        )
        # With so few rows a product with one-hot rows beats a gather on every device.
        flat_ids = tf.reshape(token_type_ids, [-1])
        one_hot = tf.one_hot(flat_ids, depth=token_type_vocab_size, dtype=table.dtype.base_dtype)
        output += tf.reshape(tf.matmul(one_hot, table), [batch_size, sequence_length, width])

    if use_position_embeddings:
        table = tf.get_variable(
            position_embedding_name,
            shape=[max_position_embeddings, width],
            dtype=input_tensor.dtype,
            initializer=initializer,
        )
        if position_ids is None:
            with tf.control_dependencies(_checks(sequence_length, max_position_embeddings)):
                positions = tf.slice(table, [0, 0], [sequence_length, -1])
            output += tf.expand_dims(positions, 0)
        else:
            longest = tf.reduce_max(position_ids) + 1
            with tf.control_dependencies(_checks(longest, max_position_embeddings)):
                output += tf.gather(table, position_ids)

    return layer_norm_and_dropout(tf.cast(output, compute_dtype), dropout_prob)


def _checks(sequence_length: Dimension, max_position_embeddings: int) -> list:
    """Checks a length now where it is known, else returns the operation that checks it later."""
    if not isinstance(sequence_length, int):
        return [
            tf.debugging.assert_less_equal(
                sequence_length,
                max_position_embeddings,
                message="a sequence is longer than max_position_embeddings",
            )
        ]
    if sequence_length > max_position_embeddings:
        raise ValueError(
            f"sequences have {sequence_length} tokens, but the model knows "
            f"{max_position_embeddings} positions (max_position_embeddings)"
        )
    return []
