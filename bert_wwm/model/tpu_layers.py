"""The parts of the network as a TPU computes them fastest; docs/performance.md has the figures.

The numbers are those of ``layers`` and ``transformer``, up to rounding, and the variables are the
same. What differs is the order of a tensor's dimensions, what the backward pass is given, and how
random bits are drawn. All shapes are known with the graph.
"""

from collections.abc import Callable, Sequence

from bert_wwm.compat import tf
from bert_wwm.model.gradients import custom_gradient
from bert_wwm.model.layers import (
    create_initializer,
    known_after,
    mean,
    normaliser,
    random_words,
)

# B batch, S sequence, F sequence attended from, T sequence attended to, H hidden, N heads,
# D size per head, V vocabulary

Weights = tuple[tf.Tensor, tf.Tensor]  # kernel and bias

_MASKED_SCORE = -10000.0


def dense_weights(
    width: int,
    units: int,
    initializer_range: float,
    dtype: "tf.DType",
    name: str | None = None,
) -> Weights:
    """Returns kernel [width, units] and bias [units] of a dense layer, cast to a dtype."""
    with tf.variable_scope(name, default_name="dense"):
        kernel = tf.get_variable(
            "kernel", shape=[width, units], initializer=create_initializer(initializer_range)
        )
        bias = tf.get_variable("bias", shape=[units], initializer=tf.zeros_initializer())
    # Custom gradients take no variables, which a cast to their own dtype leaves as they are.
    return tf.cast(tf.convert_to_tensor(kernel), dtype), tf.cast(tf.convert_to_tensor(bias), dtype)


def product(x: tf.Tensor, kernel: tf.Tensor, states: str, outputs: str) -> tf.Tensor:
    """Multiplies by a kernel, and computes the kernel's gradient no later than that of x.

    Left alone, the compiler puts the gradients of kernels off, and what they are computed from
    fills the memory.

    Args:
        x: of the dimensions that ``states`` names, b, s and h (that of the kernel's rows).
        kernel: of shape [h, k].
        states: order of the dimensions of x, such as ``bsh``.
        outputs: order of those of the result, with k for h.
    """

    @custom_gradient
    def multiplied(
        x: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            kernel_slope = tf.einsum(f"{states},{outputs}->hk", x, slope)
            x_slope = tf.einsum(f"hk,{outputs}->{states}", kernel, slope)
            return known_after(kernel_slope, x_slope), kernel_slope

        # The kernel first: the compiler lays the result out by the order of the factors.
        return tf.einsum(f"hk,{states}->{outputs}", kernel, x), gradient

    return multiplied(x, kernel)


def layer_norm(x: tf.Tensor) -> tf.Tensor:
    """As ``layers.layer_norm``, mean and variance from one pass over [..., H]."""
    with tf.variable_scope(None, default_name="LayerNorm"):
        width = x.shape.as_list()[-1:]
        beta = tf.get_variable("beta", shape=width, initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", shape=width, initializer=tf.ones_initializer())
        return tf.cast(_normalise(tf.cast(x, tf.float32), gamma, beta), x.dtype)


def _moments(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    centre = mean(x)
    variance = tf.maximum(mean(tf.square(x)) - tf.square(centre), 0.0)
    return x - centre, variance


_normalise = normaliser(_moments)


class Dropout:
    """Dropout of tensors of one shape: a word of random bits serves two of them.

    Args:
        shape: of what is dropped from.
        prob: fraction of 1 that is dropped, rounded to a multiple of 2^-15; 0 for none.
        count: how many tensors there will be.
        bits_to_a_byte: keep in memory what is kept of eight tensors as the bits of a byte. Of
            attention weights, [B, N, F, T] with N up to 16, the compiler packs it by itself.
    """

    def __init__(self, shape: Sequence[int], prob: float, count: int, bits_to_a_byte: bool = True):
        self._shape = shape
        self._dropped = round(prob * 2**15)  # of 2^15
        self._kept: list[tf.Tensor] = []
        size = 8 if bits_to_a_byte else 2
        for first in range(0, count if self._dropped else 0, size):
            kept = self._drawn(min(size, count - first))
            self._kept += _through_a_byte(kept) if bits_to_a_byte else kept

    def _drawn(self, count: int) -> list[tf.Tensor]:
        """Returns which elements are kept, for each of some tensors."""
        halves: list[tf.Tensor] = []
        while len(halves) < count:
            # Not all 32 bits: that range is beyond an int32, and no TPU has shown that it minds.
            words = random_words(self._shape, num_bits=30)
            halves += [tf.bitwise.bitwise_and(words, 2**15 - 1), tf.bitwise.right_shift(words, 15)]
        return [half >= self._dropped for half in halves[:count]]

    def next(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns the dropout of the next tensor; called again it drops the same."""
        if not self._dropped:
            return tf.identity
        kept, scale = self._kept.pop(0), 2**15 / (2**15 - self._dropped)
        return lambda x: tf.where_v2(kept, x * scale, tf.zeros([], x.dtype))


def _through_a_byte(flags: list[tf.Tensor]) -> list[tf.Tensor]:
    """Returns up to eight bool Tensors of a shape as they are read from the bits of one uint8."""
    byte = tf.add_n([tf.where_v2(flag, 2**bit, 0) for bit, flag in enumerate(flags)])
    byte = tf.cast(byte, tf.uint8)
    bits = [tf.constant(2**bit, tf.uint8) for bit in range(len(flags))]
    return [tf.not_equal(tf.bitwise.bitwise_and(byte, bit), 0) for bit in bits]


def _sums_of_rows(x: tf.Tensor) -> tf.Tensor:
    """[B, N, F, T] -> float32 [B, N, F, 1], by the matrix unit, which has less to do."""
    ones = tf.ones([x.shape.as_list()[-1], 8])  # a single column would be made a sum again
    return tf.einsum("bnft,tx->bnfx", tf.cast(x, tf.float32), ones)[..., :1]


def attention(
    query: tf.Tensor,
    states: tf.Tensor,
    of_keys: Weights,
    of_values: Weights,
    input_mask: tf.Tensor,
    drop: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Attends, to keys and values that it projects from the states.

    Of the S x S tensors only the exponentials of the scores stay in memory. The gradient of the
    softmax takes from each row sum_t(w_t * dw_t); that is sum_d(context_d * dcontext_d), over D
    numbers rather than over S, with dropout as well (Dao et al. 2022, arXiv 2205.14135, appendix
    B.4). Where sequences are long for the model's width, keys and values are projected a second
    time rather than kept: that is little beside the products of S x S.

    Args:
        query: of shape [B, N, D, F], scaled.
        states: of shape [B, T, H].
        of_keys: kernel [H, N * D] and bias [N * D] of the keys' projection.
        of_values: the same of the values'.
        input_mask: int32 Tensor of shape [B, T], 1 at tokens and 0 at padding.
        drop: dropout of the attention weights, [B, N, F, T].

    Returns:
        [B, N, D, F].
    """
    shape = query.shape.as_list()[:3] + states.shape.as_list()[1:2]  # [B, N, D, T]
    mask = tf.cast(input_mask, tf.float32)[:, tf.newaxis, tf.newaxis]
    added = (1.0 - mask) * _MASKED_SCORE
    is_long = states.shape.as_list()[2] < 2 * shape[-1]

    def project(states: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        y = tf.einsum("hk,bsh->bks", kernel, states) + bias[:, tf.newaxis]
        return tf.reshape(y, shape)

    def gradients_of_projection(
        slope: tf.Tensor, states: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        slope = tf.reshape(slope, [shape[0], -1, shape[-1]])
        of_kernel = tf.einsum("bsh,bks->hk", states, slope)
        of_states = known_after(of_kernel, tf.einsum("hk,bks->bsh", kernel, slope))
        return of_states, of_kernel, tf.reduce_sum(slope, [0, 2])

    @custom_gradient
    def attend(
        query: tf.Tensor, states: tf.Tensor, *weights: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        of_keys, of_values = weights[:2], weights[2:]
        dtype = query.dtype
        key = project(states, *of_keys)
        scores = tf.cast(tf.einsum("bndf,bndt->bnft", query, key), tf.float32)
        scores += added
        raised = tf.cast(tf.exp(scores - tf.reduce_max(scores, -1, keepdims=True)), dtype)
        share = 1.0 / _sums_of_rows(raised)
        shares = tf.cast(raised, tf.float32) * share
        dropped = drop(tf.cast(shares, dtype))
        value = project(states, *of_values)
        context = tf.einsum("bnft,bndt->bndf", dropped, value)

        def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, ...]:
            again, key_again = value, key
            if is_long:
                late = known_after(slope, states)
                again, key_again = project(late, *of_values), project(late, *of_keys)
            both = tf.cast(slope, tf.float32) * tf.cast(context, tf.float32)
            row = tf.reduce_sum(both, 2)[..., tf.newaxis]  # [B, N, F, 1]
            shares_slope = tf.cast(tf.einsum("bndf,bndt->bnft", slope, again), tf.float32)
            scores_slope = tf.cast(shares * (drop(shares_slope) - row), dtype)
            query_slope = tf.einsum("bnft,bndt->bndf", scores_slope, key_again)
            key_slope = tf.einsum("bnft,bndf->bndt", scores_slope, query)
            value_slope = tf.einsum("bnft,bndf->bndt", dropped, slope)
            by_keys, *keys = gradients_of_projection(key_slope, states, of_keys[0])
            by_values, *values = gradients_of_projection(value_slope, states, of_values[0])
            return (query_slope, by_keys + by_values, *keys, *values)

        return context, gradient

    return attend(query, states, *of_keys, *of_values)


def gathered_rows(table: tf.Tensor, ids: tf.Tensor, dtype: "tf.DType") -> tf.Tensor:
    """Looks up rows of a table [V, H]; its gradient is a product with one-hot rows.

    A TPU gathers fast, but adds rows up one after the other.

    Args:
        table: float32.
        ids: int32 Tensor of shape [rows].
        dtype: in which rows are moved and their gradients multiplied.

    Returns:
        float32 Tensor of shape [rows, H].
    """

    @custom_gradient
    def gathered(table: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(slope: tf.Tensor) -> tf.Tensor:
            rows = tf.one_hot(ids, table.shape.as_list()[0], dtype=dtype)
            return tf.cast(tf.matmul(rows, tf.cast(slope, dtype), transpose_a=True), tf.float32)

        return tf.cast(tf.gather(tf.cast(table, dtype), ids), tf.float32), gradient

    return gathered(table)
