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
    """Looks int32 ids [B, S] up in a table [V, H] made for them; also K a position, [B, S, K].

    By default it gathers rows, with ``use_one_hot_embeddings`` it multiplies by one-hot rows as
    google-research/bert does on TPUs, and with ``tpu_dtype`` it does what is fastest there. Returns
    float32 [B, S, H] (or [B, S, K * H]) and the table.
    """
    table = tf.get_variable(
        word_embedding_name,
        shape=[vocab_size, embedding_size],
        initializer=create_initializer(initializer_range),
    )
    ids_shape = get_shape_list(input_ids)
    flat_ids = tf.reshape(input_ids, [-1])
    if use_one_hot_embeddings and tpu_dtype is None:
        output = tf.matmul(
            tf.one_hot(flat_ids, depth=vocab_size, dtype=table.dtype.base_dtype), table
        )
    else:
        output = _gather(table, flat_ids, tpu_dtype)
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
    tpu_dtype: Optional["tf.DType"] = None,
) -> tf.Tensor:
    """Adds segment and position embeddings to word embeddings, then layer norm and dropout.

    Input and output are float [B, S, H], in ``compute_dtype`` from the sum on. Segments and
    positions are int32 [B, S], the latter by default 0, 1, ... in each sequence. A sequence longer
    than the position table is a ValueError; where the graph doesn't know the length, or with
    ``position_ids``, its run fails instead (InvalidArgumentError). ``tpu_dtype`` is as for
    ``embedding_lookup``.
    """
    batch_size, sequence_length, width = get_shape_list(input_tensor, expected_rank=3)
    output = input_tensor

    def make_table(name: str, rows: int) -> tf.Variable:
        initializer = create_initializer(initializer_range)
        return tf.get_variable(name, [rows, width], input_tensor.dtype, initializer)

    if use_token_type:
        if token_type_ids is None:
            raise ValueError("use_token_type needs token_type_ids")
        table = make_table(token_type_embedding_name, token_type_vocab_size)
        # With so few rows a product with one-hot rows beats a gather on every device.
        flat_ids = tf.reshape(token_type_ids, [-1])
        one_hot = tf.one_hot(flat_ids, depth=token_type_vocab_size, dtype=table.dtype.base_dtype)
        output += tf.reshape(tf.matmul(one_hot, table), [batch_size, sequence_length, width])

    if use_position_embeddings:
        table = make_table(position_embedding_name, max_position_embeddings)
        if position_ids is None:
            with tf.control_dependencies(_checks(sequence_length, max_position_embeddings)):
                positions = tf.slice(table, [0, 0], [sequence_length, -1])
            output += tf.expand_dims(positions, 0)
        else:
            longest = tf.reduce_max(position_ids) + 1
            with tf.control_dependencies(_checks(longest, max_position_embeddings)):
                output += _gather(table, position_ids, tpu_dtype)

    return layer_norm_and_dropout(tf.cast(output, compute_dtype), dropout_prob)


def _gather(table: tf.Variable, ids: tf.Tensor, tpu_dtype: Optional["tf.DType"]) -> tf.Tensor:
    if tpu_dtype is None:
        return tf.gather(table, ids)
    rows = gather_rows(tf.convert_to_tensor(table), tf.reshape(ids, [-1]), tpu_dtype)
    return tf.reshape(rows, [*get_shape_list(ids), table.shape.as_list()[1]])


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
