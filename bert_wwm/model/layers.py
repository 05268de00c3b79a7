"""The small parts of the network: shapes, activations, dense, layer norm, dropout.

Variables come from ``tf.get_variable`` alone, under the names google-research/bert gives them, so
checkpoints fit. They are float32; where a layer's input is of half precision they are cast to it.
What is delicate in half precision (layer norm, softmax) is computed in float32.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.model.gradients import custom_gradient

# A dimension of a shape: an int where it is known with the graph, else a scalar int32 Tensor.
Dimension = int | tf.Tensor
Activation = Callable[[tf.Tensor], tf.Tensor]

_LAYER_NORM_EPSILON = 1e-12

# 2^32 over the golden ratio: its first multiples modulo 2^32 lie far apart, so that the seeds of
# one step's calls don't meet those of a step whose seed is near.
_SEED_STRIDE = 2654435769


def get_shape_list(
    tensor: tf.Tensor,
    expected_rank: int | Sequence[int] | None = None,
    name: str | None = None,
) -> list[Dimension]:
    """Returns the shape of a tensor of known rank: ints wherever the graph knows them.

    Raises ValueError as ``assert_rank``.
    """
    if expected_rank is not None:
        assert_rank(tensor, expected_rank, name)
    shape = tensor.shape.as_list()
    if None not in shape:
        return shape
    dynamic = tf.shape(tensor)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(shape)]


def assert_rank(
    tensor: tf.Tensor, expected_rank: int | Sequence[int], name: str | None = None
) -> None:
    """Raises ValueError, which names the tensor, if its rank is none of the expected ones."""
    allowed = [expected_rank] if isinstance(expected_rank, int) else list(expected_rank)
    rank = tensor.shape.ndims
    if rank not in allowed:
        raise ValueError(
            f"tensor {name or tensor.name!r} in scope {tf.get_variable_scope().name!r} has rank "
            f"{rank} (shape {tensor.shape}); expected rank {' or '.join(map(str, allowed))}"
        )


def reshape_to_matrix(input_tensor: tf.Tensor) -> tf.Tensor:
    """Folds all dimensions but the last into one: [..., H] -> [rows, H]."""
    rank = input_tensor.shape.ndims
    if rank < 2:
        raise ValueError(f"a tensor of shape {input_tensor.shape} has no rows; expected rank >= 2")
    if rank == 2:
        return input_tensor
    return tf.reshape(input_tensor, [-1, get_shape_list(input_tensor)[-1]])


def reshape_from_matrix(output_tensor: tf.Tensor, orig_shape_list: list[Dimension]) -> tf.Tensor:
    """Undoes ``reshape_to_matrix``: [rows, W] -> the original leading dimensions, then W."""
    if len(orig_shape_list) == 2:
        return output_tensor
    width = get_shape_list(output_tensor)[-1]
    return tf.reshape(output_tensor, [*orig_shape_list[:-1], width])


def gather_indexes(sequence_tensor: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """Picks the states at some positions of each sequence: [B, S, H] -> [B * P, H]."""
    batch_size, sequence_length, width = get_shape_list(sequence_tensor, expected_rank=3)
    offsets = tf.reshape(tf.range(batch_size) * sequence_length, [-1, 1])
    rows = tf.reshape(tf.cast(positions, tf.int32) + offsets, [-1])
    return tf.gather(tf.reshape(sequence_tensor, [batch_size * sequence_length, width]), rows)


# The gradients of what follows are written out: by automatic differentiation they take two to three
# times as many passes over tensors as large as the intermediate layer.


@custom_gradient
def gelu(x: tf.Tensor) -> tuple[tf.Tensor, Activation]:
    """GELU in its tanh form, elementwise (Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2).

    google-research/bert computes it for ``hidden_act: gelu``.
    """
    linear = math.sqrt(2.0 / math.pi)
    cubic = 0.044715 * linear
    squared = tf.square(x)
    cdf = 0.5 * tf.tanh(x * (linear + cubic * squared)) + 0.5

    def gradient(grad: tf.Tensor) -> tf.Tensor:
        inner = 2.0 * linear + (6.0 * cubic) * squared
        outer = x * cdf * (1.0 - cdf)
        # In float16 the square of 256 is infinite; the product's other factor is 0 there.
        product = tf.math.multiply_no_nan if x.dtype == tf.float16 else tf.multiply
        return grad * (cdf + product(inner, outer))

    return x * cdf, gradient


@custom_gradient
def gelu_erf(x: tf.Tensor) -> tuple[tf.Tensor, Activation]:
    """GELU exactly, x times the normal distribution function, elementwise (arXiv 1606.08415)."""
    scaled = x * math.sqrt(0.5)
    cdf = 0.5 * tf.math.erf(scaled) + 0.5

    def gradient(grad: tf.Tensor) -> tf.Tensor:
        density = tf.exp(-tf.square(scaled))
        return grad * (cdf + (scaled * math.sqrt(1.0 / math.pi)) * density)

    return x * cdf, gradient


_ACTIVATIONS: dict[str, Activation | None] = {
    "": None,
    "linear": None,
    "relu": tf.nn.relu,
    "tanh": tf.tanh,
    "gelu": gelu,
    "gelu_tanh": gelu,
    "gelu_new": gelu,
    "gelu_erf": gelu_erf,
}


def get_activation(activation_string: Any) -> Activation | None:
    """Returns the function that a name stands for, whatever its case; what isn't a name as it is.

    Names are ``gelu_tanh``, ``gelu_erf``, ``relu``, ``tanh``, and ``linear``, of which None is
    returned as of "". ``gelu_new`` is the tanh form by transformers' name. So is ``gelu``, as in
    google-research/bert: the toolkit's programs choose by ``BertConfig.with_gelu``. Raises
    ValueError for other names.
    """
    if not isinstance(activation_string, str):
        return activation_string
    try:
        return _ACTIVATIONS[activation_string.lower()]
    except KeyError:
        known = ", ".join(filter(None, _ACTIVATIONS))
        raise ValueError(f"unknown activation {activation_string!r}; known: {known}") from None


def create_initializer(initializer_range: float = 0.02) -> Any:
    """Returns the initialiser of weight matrices: a normal cut off at two standard deviations."""
    return tf.truncated_normal_initializer(stddev=initializer_range)


def dense_variables(
    width: int, units: int, initializer_range: float
) -> tuple[tf.Variable, tf.Variable]:
    """Makes the variables ``kernel`` [width, units] and ``bias`` [units], which starts at 0."""
    kernel = tf.get_variable(
        "kernel", shape=[width, units], initializer=create_initializer(initializer_range)
    )
    return kernel, tf.get_variable("bias", shape=[units], initializer=tf.zeros_initializer())


def dense(
    x: tf.Tensor,
    units: int,
    initializer_range: float = 0.02,
    activation: Activation | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """A fully connected layer, ``activation(x @ kernel + bias)``: float [rows, W] -> [rows, units].

    Its variables are in the scope ``name``, by default ``dense``, made unique.
    """
    with tf.variable_scope(name, default_name="dense"):
        kernel, bias = dense_variables(x.shape.as_list()[-1], units, initializer_range)
        y = tf.nn.bias_add(tf.matmul(x, tf.cast(kernel, x.dtype)), tf.cast(bias, x.dtype))
        return y if activation is None else activation(y)


# The seed of the innermost ``seeded_dropout`` and the calls within it so far. Each thread has its
# own: strategies of ``tf.distribute`` build replicas in threads.
_dropout_state: ContextVar[tuple[tf.Tensor | None, int]] = ContextVar("dropout", default=(None, 0))


def get_dropout_state() -> tuple[tf.Tensor | None, int]:
    """Returns the seed of ``seeded_dropout``, None outside of it, and the next call's number."""
    return _dropout_state.get()


@contextlib.contextmanager
def seeded_dropout(seed: tf.Tensor | None, calls: int = 0) -> Iterator[None]:
    """Within it what ``dropout`` drops depends on a seed and the number of the call alone.

    So a training step that is run again, in a later process too, drops the same elements. The seed
    is an int32 Tensor of shape [2], another one at each step; None is dropout without a seed.
    ``calls`` numbers the first call; with ``get_dropout_state`` calls are made a second time.
    """
    outer = _dropout_state.set((seed, calls))
    try:
        yield
    finally:
        _dropout_state.reset(outer)


def dropout(input_tensor: tf.Tensor, dropout_prob: float | None) -> tf.Tensor:
    """Sets a fraction of the elements to 0 at random, and scales the others: the expectation stays.

    Within ``seeded_dropout`` the fraction is rounded to a multiple of 2^-16.
    """
    if not dropout_prob:
        return input_tensor
    if get_dropout_state()[0] is None:
        return tf.nn.dropout(input_tensor, rate=dropout_prob)
    threshold = round(dropout_prob * 2**16)
    is_kept = _draw_at_least(threshold, get_shape_list(input_tensor))
    return tf.where_v2(is_kept, input_tensor * (2**16 / (2**16 - threshold)), 0.0)


def draw_bits(shape: Sequence[Dimension], num_bits: int = 32) -> tf.Tensor:
    """Draws int32 with random lowest bits; within ``seeded_dropout`` by the next call's seed."""
    least, limit = (0, 2**num_bits) if num_bits < 32 else (-(2**31), 2**31 - 1)
    seed, calls = get_dropout_state()
    if seed is None:
        return tf.random.uniform(shape, least, limit, tf.int32)
    _dropout_state.set((seed, calls + 1))
    offset = calls * _SEED_STRIDE % 2**32 - 2**31
    seed = tf.add(seed, [0, offset])
    bits = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.int32)
    return tf.bitwise.bitwise_and(bits, limit - 1) if num_bits < 32 else bits


def _draw_at_least(threshold: int, shape: list[Dimension]) -> tf.Tensor:
    """Draws integers of 0 to 2^16 - 1; returns where they reach a threshold: bool of the shape.

    Two come from each 32 bits: to draw bits takes most of dropout's time on a CPU.
    """
    size = math.prod(shape)
    bits = draw_bits([(size + 1) // 2])
    least = (threshold - 2**15) * 2**16  # in the upper half of a signed integer
    halves = tf.concat([bits >= least, tf.bitwise.left_shift(bits, 16) >= least], axis=0)
    return tf.reshape(halves[:size], shape)


def compute_after(first: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Returns x as a value that no compiler can know before another one, which isn't empty.

    XLA keeps to data, not to control dependencies: so x depends on what it can't see to be false.
    """
    rank = first.shape.ndims
    # A slice, since a TPU may copy a tensor to reshape it.
    element = tf.slice(first, [0] * rank, [1] * rank)
    never = tf.reduce_any(tf.math.is_nan(element) & tf.math.is_finite(element))
    return tf.where_v2(never, tf.zeros([], x.dtype), x)


Moments = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def layer_norm(input_tensor: tf.Tensor, name: str | None = None) -> tf.Tensor:
    """Normalises the last dimension (Ba et al. 2016, arXiv 1607.06450).

    As TensorFlow 1's ``tf.contrib.layers.layer_norm``, whose epsilon is 1e-12; the dtype stays. The
    variables ``beta`` (0 at first) and ``gamma`` (1 at first), float32 [H], are in the scope
    ``name``, by default ``LayerNorm``, made unique.
    """
    return normalise(input_tensor, _moments, name)


def normalise(input_tensor: tf.Tensor, moments: Moments, name: str | None = None) -> tf.Tensor:
    """``layer_norm`` with a gradient written out.

    ``moments`` returns x [..., H] less its mean, and its variance [..., 1].
    """

    @custom_gradient
    def scale_and_shift(
        x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        centred, variance = moments(x)
        scale = tf.math.rsqrt(variance + _LAYER_NORM_EPSILON)
        normal = centred * scale

        def gradient(grad: tf.Tensor) -> tuple[tf.Tensor, ...]:
            rows = list(range(x.shape.ndims - 1))
            inner = grad * gamma
            x_grad = scale * ((inner - mean(inner)) - normal * mean(inner * normal))
            return x_grad, tf.reduce_sum(grad * normal, rows), tf.reduce_sum(grad, rows)

        return normal * gamma + beta, gradient

    with tf.variable_scope(name, default_name="LayerNorm"):
        x = tf.cast(input_tensor, tf.float32)
        width = x.shape.as_list()[-1:]
        beta = tf.get_variable("beta", shape=width, initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", shape=width, initializer=tf.ones_initializer())
        return tf.cast(scale_and_shift(x, gamma, beta), input_tensor.dtype)


def mean(x: tf.Tensor) -> tf.Tensor:
    """The mean of the last dimension, which stays as one of length 1."""
    return tf.reduce_mean(x, axis=-1, keepdims=True)


def _moments(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    centred = x - mean(x)
    return centred, mean(tf.square(centred))


def layer_norm_and_dropout(
    input_tensor: tf.Tensor, dropout_prob: float | None, name: str | None = None
) -> tf.Tensor:
    """``layer_norm``, then ``dropout``."""
    return dropout(layer_norm(input_tensor, name), dropout_prob)
