"""The encoder: multi-headed attention and the stack of layers around it.

Vaswani et al. 2017, arXiv 1706.03762, with the layer norm after each residual sum.
"""

import contextlib
import math
from collections.abc import Callable

from bert_wwm.compat import tf
from bert_wwm.model.config import BertConfig, find_size_per_head
from bert_wwm.model.layers import (
    Activation,
    Dimension,
    dense,
    dropout,
    gelu,
    get_activation,
    get_dropout_state,
    get_shape_list,
    layer_norm,
    reshape_from_matrix,
    reshape_to_matrix,
    seeded_dropout,
)
from bert_wwm.model.recomputation import recompute
from bert_wwm.model.unpadded import Unpadded

# B batch, S sequence, F sequence attended from, T sequence attended to, W width of the input,
# H hidden, N heads, D size per head
#
# Of attention masks 1 is where attending is allowed, and 0 where not. Layers' outputs come in a
# list, the lowest first.

# Added to the scores of positions that may not be attended to: after the softmax they are 0.
MASKED_SCORE = -10000.0


def create_attention_mask_from_input_mask(from_tensor: tf.Tensor, to_mask: tf.Tensor) -> tf.Tensor:
    """Spreads an int32 mask [B, T] over the positions of a Tensor [B, F, ...]: float [B, F, T]."""
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

    Makes the dense layers ``query``, ``key`` and ``value``. Tensors are float: [B, F, W] attends to
    [B, T, W] and becomes [B, F, N * D], or [B * F, N * D] with ``do_return_2d_tensor``. The inputs
    may be matrices instead, [B * F, W] and [B * T, W], which need B, F and T. The mask is
    [B, F, T], or [B, 1, T] where it is the same for all F.
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
    """Returns what a mask [B, F or 1, T] adds to attention's scores: float32 [B, 1, F or 1, T]."""
    return (1.0 - tf.cast(tf.expand_dims(attention_mask, 1), tf.float32)) * MASKED_SCORE


def attend(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    offsets: tf.Tensor | None,
    dropout_prob: float,
) -> tf.Tensor:
    """Sums the values, weighted by the softmax of the products of queries and keys.

    Keys and values are [B, T, N, D]. Queries and the result are [B, F, N, D], the queries scaled by
    1 / sqrt(D): that costs B * F * N * D products, to scale the scores would cost B * N * F * T.
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
    """google-research/bert's way in: [B, S, H] -> the last layer's output, [B, S, H].

    With ``do_return_all_layers`` a list of all layers' outputs, the lowest first. The mask is
    [B, S, S], or [B, 1, S] where it is the same for all positions.
    """
    config = BertConfig(
        None,
        hidden_size,
        num_hidden_layers,
        num_attention_heads,
        intermediate_size,
        intermediate_act_fn,
        hidden_dropout_prob,
        attention_probs_dropout_prob,
        initializer_range=initializer_range,
    )
    width = get_shape_list(input_tensor, expected_rank=3)[2]
    if width != hidden_size:
        raise ValueError(f"the input is {width} wide; the residual sums expect {hidden_size}")
    outputs = _encode(input_tensor, attention_mask, config, gradient_checkpointing)
    return outputs if do_return_all_layers else outputs[-1]


def encode_padded(
    input_tensor: tf.Tensor,
    input_mask: tf.Tensor | None,
    config: BertConfig,
    gradient_checkpointing: bool,
    instance_ids: tf.Tensor | None = None,
) -> list[tf.Tensor]:
    """Builds a stack of encoder layers, in the scopes ``layer_0``, ``layer_1``, ...

    Input and outputs are float Tensors [B, S, H]. The mask is int32 [B, S], 1 at tokens and 0 at
    padding; without it all are tokens. ``instance_ids`` tell the instances of a row apart, int32
    [B, S], where it has several.
    """
    # [B, 1, S]: every position sees the same tokens, and broadcasting over the scores costs less
    # than a mask [B, S, S].
    attention_mask = None if input_mask is None else input_mask[:, tf.newaxis]
    if instance_ids is not None:
        is_same = tf.equal(instance_ids[:, :, tf.newaxis], instance_ids[:, tf.newaxis])
        is_same = tf.cast(is_same, tf.int32)
        attention_mask = is_same if attention_mask is None else is_same * attention_mask
    return _encode(input_tensor, attention_mask, config, gradient_checkpointing)


def _encode(
    input_tensor: tf.Tensor,
    attention_mask: tf.Tensor | None,
    config: BertConfig,
    gradient_checkpointing: bool,
) -> list[tf.Tensor]:
    input_shape = get_shape_list(input_tensor, expected_rank=3)
    batch_size, sequence_length, _ = input_shape

    def attention(states: tf.Tensor) -> tf.Tensor:
        return attention_layer(
            states,
            states,
            attention_mask=attention_mask,
            num_attention_heads=config.num_attention_heads,
            size_per_head=find_size_per_head(config),
            attention_probs_dropout_prob=config.attention_probs_dropout_prob,
            initializer_range=config.initializer_range,
            do_return_2d_tensor=True,
            batch_size=batch_size,
            from_seq_length=sequence_length,
            to_seq_length=sequence_length,
        )

    # The states stay a matrix [B * S, H] from layer to layer: on a TPU each reshape is a copy.
    states = reshape_to_matrix(input_tensor)
    outputs = _stack_layers(states, attention, config, gradient_checkpointing)
    return [reshape_from_matrix(output, input_shape) for output in outputs]


def encode_unpadded(
    states: tf.Tensor, unpadded: Unpadded, config: BertConfig, gradient_checkpointing: bool
) -> list[tf.Tensor]:
    """The same model over the tokens of a batch alone, without its padding: [tokens, H].

    Its numbers are those of ``encode_padded`` up to rounding and the order of random bits.
    """
    size_per_head = find_size_per_head(config)
    heads = [-1, config.num_attention_heads, size_per_head]
    offsets = [score_offsets(group.mask[:, tf.newaxis]) for group in unpadded.groups]

    def attention(states: tf.Tensor) -> tf.Tensor:
        query, key, value = (
            dense(states, config.hidden_size, config.initializer_range, name=name)
            for name in ("query", "key", "value")
        )
        query *= 1.0 / math.sqrt(size_per_head)
        inputs = (unpadded.spread(tf.reshape(x, heads)) for x in (query, key, value))
        contexts = [
            attend(*group, config.attention_probs_dropout_prob) for group in zip(*inputs, offsets)
        ]
        return tf.reshape(unpadded.gather(contexts), [-1, config.hidden_size])

    return _stack_layers(states, attention, config, gradient_checkpointing)


def _stack_layers(
    states: tf.Tensor,
    attention: Callable[[tf.Tensor], tf.Tensor],
    config: BertConfig,
    gradient_checkpointing: bool,
) -> list[tf.Tensor]:
    """Builds the layers over a matrix of states [rows, H], whatever its rows are.

    ``attention`` builds a layer's attention, [rows, H] -> [rows, H], in the scope ``self``.
    """
    activation = get_activation(config.hidden_act)
    hidden_size, deviation = config.hidden_size, config.initializer_range
    dropout_prob = config.hidden_dropout_prob

    def layer(states: tf.Tensor) -> tf.Tensor:
        with tf.variable_scope("attention"):
            with tf.variable_scope("self"):
                context = attention(states)
            with tf.variable_scope("output"):
                context = dense(context, hidden_size, deviation)
                attended = layer_norm(dropout(context, dropout_prob) + states)
        with tf.variable_scope("intermediate"):
            inner = dense(attended, config.intermediate_size, deviation, activation)
        with tf.variable_scope("output"):
            outer = dense(inner, hidden_size, deviation)
            return layer_norm(dropout(outer, dropout_prob) + attended)

    outputs = []
    with _repeatable_dropout() if gradient_checkpointing else contextlib.nullcontext():
        for index in range(config.num_hidden_layers):
            with tf.variable_scope(f"layer_{index}"):
                states = recompute(layer, states) if gradient_checkpointing else layer(states)
            outputs.append(states)
    return outputs


def _repeatable_dropout() -> contextlib.AbstractContextManager[None]:
    """The surrounding ``seeded_dropout``, or without one a seed drawn at each step."""
    if get_dropout_state()[0] is not None:
        return contextlib.nullcontext()
    return seeded_dropout(tf.random.uniform([2], -(2**31), 2**31 - 1, tf.int32))
