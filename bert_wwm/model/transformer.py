"""The encoder: multi-headed attention and the stack of layers around it.

Vaswani et al. 2017, arXiv 1706.03762, with the layer norm after each residual sum.
"""

import contextlib
import math
from collections.abc import Callable
from typing import NamedTuple

from bert_wwm.compat import tf
from bert_wwm.model.layers import (
    Activation,
    Dimension,
    dense,
    dropout,
    gelu,
    get_dropout_state,
    get_shape_list,
    layer_norm,
    reshape_from_matrix,
    reshape_to_matrix,
    seeded_dropout,
)
from bert_wwm.model.recomputation import recompute

# B batch, S sequence, F sequence attended from, T sequence attended to, W width of the input,
# H hidden, N heads, D size per head

# Added to the scores of positions that may not be attended to: after the softmax they are 0.
MASKED_SCORE = -10000.0


class EncoderSettings(NamedTuple):
    """The make of a stack of encoder layers, in each of its three forms.

    Attributes:
        num_attention_heads: N, a divisor of H.
        intermediate_size: width of the feed-forward layers.
        intermediate_act_fn: their activation.
        hidden_dropout_prob: fraction of the hidden states that dropout drops.
        attention_probs_dropout_prob: fraction of the attention weights that dropout drops.
        initializer_range: standard deviation of the kernels' initialiser.
        gradient_checkpointing: keep only each layer's input for the backward pass, which computes
            the layer a second time: the same gradients from less memory in about a third more
            time. Dropout is seeded then, outside of ``seeded_dropout`` by a draw at each step.
    """

    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    intermediate_act_fn: Activation | None
    hidden_dropout_prob: float
    attention_probs_dropout_prob: float
    initializer_range: float
    gradient_checkpointing: bool = False

    def head_size(self, hidden_size: int) -> int:
        """Returns D. Raises ValueError if H is not a multiple of N."""
        if hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {hidden_size} is not a multiple of the number of attention heads, "
                f"{self.num_attention_heads}"
            )
        return hidden_size // self.num_attention_heads


def create_attention_mask_from_input_mask(from_tensor: tf.Tensor, to_mask: tf.Tensor) -> tf.Tensor:
    """Spreads a mask over the positions that attend.

    Args:
        from_tensor: Tensor of shape [B, F] or [B, F, ...]; only its shape counts.
        to_mask: int32 Tensor of shape [B, T], 1 where a position may be attended to.

    Returns:
        float32 Tensor of shape [B, F, T].

    Raises:
        ValueError: a tensor has another rank.
    """
    batch_size, from_length = get_shape_list(from_tensor, expected_rank=[2, 3])[:2]
    to_length = get_shape_list(to_mask, expected_rank=2)[1]
    row = tf.cast(tf.reshape(to_mask, [batch_size, 1, to_length]), tf.float32)
    return tf.ones([batch_size, from_length, 1], tf.float32) * row


def attention_layer(
    from_tensor: tf.Tensor,
    to_tensor: tf.Tensor,
    attention_mask: tf.Tensor | None = None,
    num_attention_heads: int = 1,
    size_per_head: int = 512,
    query_act: Activation | None = None,
    key_act: Activation | None = None,
    value_act: Activation | None = None,
    attention_probs_dropout_prob: float = 0.0,
    initializer_range: float = 0.02,
    do_return_2d_tensor: bool = False,
    batch_size: Dimension | None = None,
    from_seq_length: Dimension | None = None,
    to_seq_length: Dimension | None = None,
) -> tf.Tensor:
    """Multi-headed scaled dot-product attention (arXiv 1706.03762, section 3.2).

    Makes the dense layers ``query``, ``key`` and ``value``.

    Args:
        from_tensor: float Tensor of shape [B, F, W] or [B * F, W].
        to_tensor: float Tensor of shape [B, T, W] or [B * T, W].
        attention_mask: Tensor of shape [B, F, T], 1 where attending is allowed and 0 where not;
            [B, 1, T] where it is the same for all F.
        num_attention_heads: N.
        size_per_head: D.
        batch_size, from_seq_length, to_seq_length: B, F and T; needed where the tensors are
            matrices.

    Returns:
        float Tensor of shape [B, F, N * D], or [B * F, N * D] with ``do_return_2d_tensor``.

    Raises:
        ValueError: the tensors have different or other ranks, or a length is missing.
    """
    from_shape = get_shape_list(from_tensor, expected_rank=[2, 3])
    to_shape = get_shape_list(to_tensor, expected_rank=[2, 3])
    if len(from_shape) != len(to_shape):
        raise ValueError(
            f"from_tensor has rank {len(from_shape)}, to_tensor {len(to_shape)}; expected the same"
        )
    if len(from_shape) == 3:
        batch_size, from_seq_length, to_seq_length = *from_shape[:2], to_shape[1]
    elif batch_size is None or from_seq_length is None or to_seq_length is None:
        raise ValueError("matrices need batch_size, from_seq_length and to_seq_length")
    from_matrix, to_matrix = reshape_to_matrix(from_tensor), reshape_to_matrix(to_tensor)

    def project(
        x: tf.Tensor, length: Dimension, activation: Activation | None, name: str
    ) -> tf.Tensor:
        """[B * length, W] -> [B, length, N, D]"""
        y = dense(x, num_attention_heads * size_per_head, initializer_range, activation, name)
        return tf.reshape(y, [batch_size, length, num_attention_heads, size_per_head])

    context = attend(
        project(from_matrix, from_seq_length, query_act, "query")
        * (1.0 / math.sqrt(size_per_head)),
        project(to_matrix, to_seq_length, key_act, "key"),
        project(to_matrix, to_seq_length, value_act, "value"),
        None if attention_mask is None else score_offsets(attention_mask),
        attention_probs_dropout_prob,
    )
    leading = (
        [batch_size * from_seq_length] if do_return_2d_tensor else [batch_size, from_seq_length]
    )
    return tf.reshape(context, [*leading, num_attention_heads * size_per_head])


def score_offsets(attention_mask: tf.Tensor) -> tf.Tensor:
    """Returns what is added to attention's scores: 0 where attending is allowed, else far below.

    Args:
        attention_mask: Tensor of shape [B, F, T] or [B, 1, T], 1 where attending is allowed.

    Returns:
        float32 Tensor of shape [B, 1, F or 1, T].
    """
    return (1.0 - tf.cast(tf.expand_dims(attention_mask, 1), tf.float32)) * MASKED_SCORE


def attend(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    offsets: tf.Tensor | None,
    dropout_prob: float,
) -> tf.Tensor:
    """Sums the values, weighted by the softmax of the products of queries and keys.

    Args:
        query: float Tensor of shape [B, F, N, D], scaled by 1 / sqrt(D): that costs B * F * N * D
            products, to scale the scores would cost B * N * F * T.
        key: float Tensor of shape [B, T, N, D].
        value: float Tensor of shape [B, T, N, D].
        offsets: ``score_offsets``.
        dropout_prob: fraction of the attention weights that dropout drops.

    Returns:
        float Tensor of shape [B, F, N, D].
    """

    def swap(x: tf.Tensor) -> tf.Tensor:
        """[B, length, N, D] -> [B, N, length, D], and back"""
        return tf.transpose(x, [0, 2, 1, 3])

    scores = tf.matmul(swap(query), swap(key), transpose_b=True)
    scores = tf.cast(scores, tf.float32)  # [B, N, F, T]
    if offsets is not None:
        scores += offsets
    probs = dropout(tf.cast(tf.nn.softmax(scores), value.dtype), dropout_prob)
    return swap(tf.matmul(probs, swap(value)))


def transformer_model(
    input_tensor: tf.Tensor,
    attention_mask: tf.Tensor | None = None,
    hidden_size: int = 768,
    num_hidden_layers: int = 12,
    num_attention_heads: int = 12,
    intermediate_size: int = 3072,
    intermediate_act_fn: Activation | None = gelu,
    hidden_dropout_prob: float = 0.1,
    attention_probs_dropout_prob: float = 0.1,
    initializer_range: float = 0.02,
    do_return_all_layers: bool = False,
    gradient_checkpointing: bool = False,
) -> tf.Tensor | list[tf.Tensor]:
    """google-research/bert's way in, with an argument for each of the settings.

    Args:
        input_tensor: float Tensor of shape [B, S, H].
        attention_mask: Tensor of shape [B, S, S] or [B, 1, S], 1 where attending is allowed and 0
            where not.
        hidden_size: H.
        do_return_all_layers: return the output of every layer, the lowest first, in a list.

    Returns:
        float Tensor of shape [B, S, H].

    Raises:
        ValueError: H is not a multiple of N, or the input is not of shape [B, S, H].
    """
    settings = EncoderSettings(
        num_hidden_layers,
        num_attention_heads,
        intermediate_size,
        intermediate_act_fn,
        hidden_dropout_prob,
        attention_probs_dropout_prob,
        initializer_range,
        gradient_checkpointing,
    )
    settings.head_size(hidden_size)
    width = get_shape_list(input_tensor, expected_rank=3)[2]
    if width != hidden_size:
        raise ValueError(f"the input is {width} wide; the residual sums expect {hidden_size}")
    outputs = _encode(input_tensor, attention_mask, settings)
    return outputs if do_return_all_layers else outputs[-1]


def encode_padded(
    input_tensor: tf.Tensor, input_mask: tf.Tensor | None, settings: EncoderSettings
) -> list[tf.Tensor]:
    """Builds a stack of encoder layers, in the scopes ``layer_0``, ``layer_1``, ...

    Args:
        input_tensor: float Tensor of shape [B, S, H].
        input_mask: int32 Tensor of shape [B, S], 1 at tokens and 0 at padding; None: all are
            tokens.

    Returns:
        The layers' outputs, the lowest first: float Tensors of shape [B, S, H].
    """
    # [B, 1, S]: every position sees the same tokens, and broadcasting over the scores costs less
    # than a mask [B, S, S].
    attention_mask = None if input_mask is None else input_mask[:, tf.newaxis]
    return _encode(input_tensor, attention_mask, settings)


def _encode(
    input_tensor: tf.Tensor, attention_mask: tf.Tensor | None, settings: EncoderSettings
) -> list[tf.Tensor]:
    input_shape = get_shape_list(input_tensor, expected_rank=3)
    batch_size, sequence_length, width = input_shape

    def attention(states: tf.Tensor) -> tf.Tensor:
        return attention_layer(
            states,
            states,
            attention_mask=attention_mask,
            num_attention_heads=settings.num_attention_heads,
            size_per_head=settings.head_size(width),
            attention_probs_dropout_prob=settings.attention_probs_dropout_prob,
            initializer_range=settings.initializer_range,
            do_return_2d_tensor=True,
            batch_size=batch_size,
            from_seq_length=sequence_length,
            to_seq_length=sequence_length,
        )

    # The states stay a matrix [B * S, H] from layer to layer: on a TPU each reshape is a copy.
    outputs = stack_layers(reshape_to_matrix(input_tensor), attention, settings)
    return [reshape_from_matrix(output, input_shape) for output in outputs]


def stack_layers(
    states: tf.Tensor, attention: Callable[[tf.Tensor], tf.Tensor], settings: EncoderSettings
) -> list[tf.Tensor]:
    """Builds the layers over a matrix of states, whatever its rows are.

    Args:
        states: float Tensor of shape [rows, H].
        attention: builds a layer's attention, [rows, H] -> [rows, H], in the scope ``self``.

    Returns:
        The layers' outputs, the lowest first: float Tensors of shape [rows, H].
    """
    hidden_size = states.shape.as_list()[-1]
    deviation, dropout_prob = settings.initializer_range, settings.hidden_dropout_prob

    def layer(states: tf.Tensor) -> tf.Tensor:
        with tf.variable_scope("attention"):
            with tf.variable_scope("self"):
                context = attention(states)
            with tf.variable_scope("output"):
                context = dense(context, hidden_size, deviation)
                attended = layer_norm(dropout(context, dropout_prob) + states)
        with tf.variable_scope("intermediate"):
            inner = dense(
                attended, settings.intermediate_size, deviation, settings.intermediate_act_fn
            )
        with tf.variable_scope("output"):
            outer = dense(inner, hidden_size, deviation)
            return layer_norm(dropout(outer, dropout_prob) + attended)

    outputs = []
    checkpointing = settings.gradient_checkpointing
    with _repeatable_dropout() if checkpointing else contextlib.nullcontext():
        for index in range(settings.num_hidden_layers):
            with tf.variable_scope(f"layer_{index}"):
                states = recompute(layer, states) if checkpointing else layer(states)
            outputs.append(states)
    return outputs


def _repeatable_dropout() -> contextlib.AbstractContextManager[None]:
    """The surrounding ``seeded_dropout``, or without one a seed drawn at each step."""
    if get_dropout_state()[0] is not None:
        return contextlib.nullcontext()
    return seeded_dropout(tf.random.uniform([2], -(2**31), 2**31 - 1, tf.int32))
