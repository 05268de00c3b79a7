"""The parts of the network as a TPU computes them fastest; docs/performance.md has the figures.

The numbers are those of ``layers`` and ``transformer``, up to rounding, and the variables are the
same. What differs is the order of a tensor's dimensions, what the backward pass is given, and how
random bits are drawn. All shapes are known with the graph.
"""

from collections.abc import Callable, Sequence

from bert_wwm.compat import tf
from bert_wwm.model.gradients import custom_gradient
from bert_wwm.model.layers import compute_after, dense_variables, draw_bits, mean, normalise
from bert_wwm.model.transformer import MASKED_SCORE

# B batch, S sequence, F sequence attended from, T sequence attended to, H hidden, N heads,
# D size per head, V vocabulary

Weights = tuple[tf.Tensor, tf.Tensor]  # kernel and bias


def dense_weights(
    x: tf.Tensor, units: int, initializer_range: float, name: str | None = None
) -> Weights:
    """Returns kernel [H, units] and bias [units] of a dense layer over x [..., H], in its dtype."""
    with tf.variable_scope(name, default_name="dense"):
        kernel, bias = dense_variables(x.shape.as_list()[-1], units, initializer_range)
    # Custom gradients take no variables, which a cast to their own dtype leaves as they are.
    kernel, bias = tf.convert_to_tensor(kernel), tf.convert_to_tensor(bias)
    return tf.cast(kernel, x.dtype), tf.cast(bias, x.dtype)


def multiply(x: tf.Tensor, kernel: tf.Tensor, states: str, outputs: str) -> tf.Tensor:
    """Multiplies by a kernel, and computes the kernel's gradient no later than that of x.

    Left alone, the compiler puts the gradients of kernels off, and what they are computed from
    fills the memory. ``states`` names the dimensions of x in their order, such as ``bsh``, and
    ``outputs`` those of the result, with k for h; the kernel is [h, k].
    """

    @custom_gradient
    def product(
        x: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        def gradient(grad: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            kernel_grad = tf.einsum(f"{states},{outputs}->hk", x, grad)
            x_grad = tf.einsum(f"hk,{outputs}->{states}", kernel, grad)
            return compute_after(kernel_grad, x_grad), kernel_grad

        # The kernel first: the compiler lays the result out by the order of the factors.
        return tf.einsum(f"hk,{states}->{outputs}", kernel, x), gradient

    return product(x, kernel)


def layer_norm(x: tf.Tensor) -> tf.Tensor:
    """As ``layers.layer_norm``, mean and variance from one pass over [..., H]."""
    return normalise(x, _moments)


def _moments(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    centre = mean(x)
    variance = tf.maximum(mean(tf.square(x)) - tf.square(centre), 0.0)
    return x - centre, variance


class Dropout:
    """Dropout of ``count`` tensors of one shape: 30 random bits serve two of them.

    The fraction ``prob`` is rounded to a multiple of 2^-15. ``bits_to_a_byte`` keeps in memory what
    is kept of eight tensors as the bits of a byte. Of attention weights, [B, N, F, T] with N up to
    16, the compiler packs it by itself.
    """

    def __init__(self, shape: Sequence[int], prob: float, count: int, bits_to_a_byte: bool = True):
        self._shape = shape
        self._threshold = round(prob * 2**15)
        self._is_kept: list[tf.Tensor] = []
        size = 8 if bits_to_a_byte else 2
        for first in range(0, count if self._threshold else 0, size):
            flags = self._draw(min(size, count - first))
            self._is_kept += _store_in_byte(flags) if bits_to_a_byte else flags

    def _draw(self, count: int) -> list[tf.Tensor]:
        """Returns which elements are kept, for each of some tensors."""
        halves: list[tf.Tensor] = []
        while len(halves) < count:
            # Not all 32 bits: that range is beyond an int32, and no TPU has shown that it minds.
            bits = draw_bits(self._shape, num_bits=30)
            halves += [tf.bitwise.bitwise_and(bits, 2**15 - 1), tf.bitwise.right_shift(bits, 15)]
        return [half >= self._threshold for half in halves[:count]]

    def next(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns the dropout of the next tensor; called again it drops the same."""
        if not self._threshold:
            return tf.identity
        is_kept, scale = self._is_kept.pop(0), 2**15 / (2**15 - self._threshold)
        return lambda x: tf.where_v2(is_kept, x * scale, tf.zeros([], x.dtype))


def _store_in_byte(flags: list[tf.Tensor]) -> list[tf.Tensor]:
    """Returns up to eight bool Tensors of a shape as they are read from the bits of one uint8."""
    byte = tf.add_n([tf.where_v2(flag, 2**bit, 0) for bit, flag in enumerate(flags)])
    byte = tf.cast(byte, tf.uint8)
    bits = [tf.constant(2**bit, tf.uint8) for bit in range(len(flags))]
    return [tf.not_equal(tf.bitwise.bitwise_and(byte, bit), 0) for bit in bits]


def _sum_rows(x: tf.Tensor) -> tf.Tensor:
    """[B, N, F, T] -> float32 [B, N, F, 1], by the matrix unit, which has less to do."""
    ones = tf.ones([x.shape.as_list()[-1], 8])  # a single column would be made a sum again
    return tf.einsum("bnft,tx->bnfx", tf.cast(x, tf.float32), ones)[..., :1]


def attention(
    query: tf.Tensor,
    states: tf.Tensor,
    key_weights: Weights,
    value_weights: Weights,
    from_instances: tf.Tensor,
    to_instances: tf.Tensor,
    drop: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Attends, to keys and values that it projects from the states.

    Of the S x S tensors only the exponentials of the scores stay in memory. The gradient of the
    softmax takes from each row sum_t(p_t * dp_t); that is sum_d(context_d * dcontext_d), over D
    numbers rather than over S, with dropout as well (Dao et al. 2022, arXiv 2205.14135, appendix
    B.4). Where sequences are long for the model's width, keys and values are projected a second
    time rather than kept: that is little compared with the products of S x S.

    The query, scaled, and the result are [B, N, D, F], the states [B, T, H], weights [H, N * D] and
    [N * D]. Tokens attend to those of the same instance: int32 [B, F], or [B, 1] where it is the
    same for all F, and [B, T].
    """
    shape = query.shape.as_list()[:3] + states.shape.as_list()[1:2]  # [B, N, D, T]
    is_same = tf.equal(
        from_instances[:, tf.newaxis, :, tf.newaxis], to_instances[:, tf.newaxis, tf.newaxis]
    )
    offsets = tf.where_v2(is_same, 0.0, MASKED_SCORE)
    is_long = states.shape.as_list()[2] < 2 * shape[-1]

    def project(states: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        y = tf.einsum("hk,bsh->bks", kernel, states) + bias[:, tf.newaxis]
        return tf.reshape(y, shape)

    def projection_gradients(
        grad: tf.Tensor, states: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        grad = tf.reshape(grad, [shape[0], -1, shape[-1]])
        kernel_grad = tf.einsum("bsh,bks->hk", states, grad)
        states_grad = compute_after(kernel_grad, tf.einsum("hk,bks->bsh", kernel, grad))
        return states_grad, kernel_grad, tf.reduce_sum(grad, [0, 2])

    @custom_gradient
    def attend(
        query: tf.Tensor, states: tf.Tensor, *weights: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        key_weights, value_weights = weights[:2], weights[2:]
        dtype = query.dtype
        key = project(states, *key_weights)
        scores = tf.cast(tf.einsum("bndf,bndt->bnft", query, key), tf.float32)
        scores += offsets
        exps = tf.cast(tf.exp(scores - tf.reduce_max(scores, -1, keepdims=True)), dtype)
        scale = 1.0 / _sum_rows(exps)
        probs = tf.cast(exps, tf.float32) * scale
        dropped_probs = drop(tf.cast(probs, dtype))
        value = project(states, *value_weights)
        context = tf.einsum("bnft,bndt->bndf", dropped_probs, value)

        def gradient(grad: tf.Tensor) -> tuple[tf.Tensor, ...]:
            value_again, key_again = value, key
            if is_long:
                late = compute_after(grad, states)
                value_again, key_again = project(late, *value_weights), project(late, *key_weights)
            both = tf.cast(grad, tf.float32) * tf.cast(context, tf.float32)
            row = tf.reduce_sum(both, 2)[..., tf.newaxis]  # [B, N, F, 1]
            probs_grad = tf.cast(tf.einsum("bndf,bndt->bnft", grad, value_again), tf.float32)
            scores_grad = tf.cast(probs * (drop(probs_grad) - row), dtype)
            query_grad = tf.einsum("bnft,bndt->bndf", scores_grad, key_again)
            key_grad = tf.einsum("bnft,bndf->bndt", scores_grad, query)
            value_grad = tf.einsum("bnft,bndf->bndt", dropped_probs, grad)
            by_keys, *keys = projection_gradients(key_grad, states, key_weights[0])
            by_values, *values = projection_gradients(value_grad, states, value_weights[0])
            return (query_grad, by_keys + by_values, *keys, *values)

        return context, gradient

    return attend(query, states, *key_weights, *value_weights)


def gather_rows(table: tf.Tensor, ids: tf.Tensor, dtype: "tf.DType") -> tf.Tensor:
    """Looks int32 ids up in a float32 table [V, H]; the gradient is a product with one-hot rows.

    A TPU gathers fast, but adds rows up one after the other. In ``dtype`` rows are moved and their
    gradients multiplied.
    """

    @custom_gradient
    def rows(table: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(grad: tf.Tensor) -> tf.Tensor:
            one_hot = tf.one_hot(ids, table.shape.as_list()[0], dtype=dtype)
            return tf.cast(tf.matmul(one_hot, tf.cast(grad, dtype), transpose_a=True), tf.float32)

        return tf.cast(tf.gather(tf.cast(table, dtype), ids), tf.float32), gradient

    return rows(table)
