"""The small parts of the network: shapes, activations, dense, layer norm, dropout.

Variables come from ``tf.get_variable`` alone, under the names google-research/bert gives them, so
checkpoints fit. They are float32; where a layer's input is of half precision they are cast to it.
What is delicate in half precision (layer norm, softmax) is computed in float32.
"""

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
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

    Args:
        expected_rank: the rank, or the ranks, that the tensor may have.
        name: what an error calls the tensor.

    Raises:
        ValueError: the rank is not an expected one.
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
    """Raises ValueError if a tensor has another rank; arguments as for ``get_shape_list``."""
    allowed = [expected_rank] if isinstance(expected_rank, int) else list(expected_rank)
    rank = tensor.shape.ndims
    if rank not in allowed:
        raise ValueError(
            f"tensor {name or tensor.name!r} in scope {tf.get_variable_scope().name!r} has rank "
            f"{rank} (shape {tensor.shape}); expected rank {' or '.join(map(str, allowed))}"
        )


def reshape_to_matrix(input_tensor: tf.Tensor) -> tf.Tensor:
    """Folds all dimensions but the last into one: [..., H] -> [rows, H].

    Raises:
        ValueError: the tensor has fewer than two dimensions.
    """
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
        return grad * (cdf + x * cdf * (1.0 - cdf) * inner)

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
    """Returns the function an activation's name stands for, whatever its case.

    Args:
        activation_string: ``gelu_tanh``, ``gelu_erf``, ``relu``, ``tanh``, or ``linear``;
            ``gelu_new``, the tanh form by transformers' name; ``gelu``, by itself the tanh form as
            in google-research/bert: the toolkit's programs choose by ``BertConfig.with_gelu``. If
            it isn't a string, it is the function itself.

    Returns:
        The function; None for ``linear``, the empty string, and None.

    Raises:
        ValueError: no activation has this name.
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
    """A fully connected layer, ``activation(x @ kernel + bias)``.

    Args:
        x: float, of shape [rows, W].
        initializer_range: standard deviation of the kernel's initialiser.
        name: scope of the variables; by default ``dense``, made unique.

    Returns:
        float of shape [rows, units].
    """
    with tf.variable_scope(name, default_name="dense"):
        kernel, bias = dense_variables(x.shape.as_list()[-1], units, initializer_range)
        y = tf.nn.bias_add(tf.matmul(x, tf.cast(kernel, x.dtype)), tf.cast(bias, x.dtype))
        return y if activation is None else activation(y)


class _SeededDropout(threading.local):
    """The seed of the innermost ``seeded_dropout`` and the calls within it so far.

    Of each thread its own: strategies of ``tf.distribute`` build replicas in threads.
    """

    seed: tf.Tensor | None = None
    calls: int = 0


_seeded_dropout = _SeededDropout()


def get_dropout_state() -> tuple[tf.Tensor | None, int]:
    """Returns the seed of ``seeded_dropout``, None outside of it, and the next call's number."""
    return _seeded_dropout.seed, _seeded_dropout.calls


@contextlib.contextmanager
def seeded_dropout(seed: tf.Tensor | None, calls: int = 0) -> Iterator[None]:
    """Within it what ``dropout`` drops depends on a seed and the number of the call alone.

    So a training step that is run again, in a later process too, drops the same elements.

    Args:
        seed: int32 Tensor of shape [2], another one at each step; None for dropout without a seed.
        calls: number of the first call; with ``get_dropout_state`` calls are made a second time.
    """
    outer = get_dropout_state()
    _seeded_dropout.seed, _seeded_dropout.calls = seed, calls
    try:
        yield
    finally:
        _seeded_dropout.seed, _seeded_dropout.calls = outer


def dropout(input_tensor: tf.Tensor, dropout_prob: float | None) -> tf.Tensor:
    """Sets elements to 0 at random and scales the others so that the expectation stays.

    Args:
        input_tensor: float, of any shape.
        dropout_prob: fraction of 1 that is dropped (not kept); None or 0 changes nothing. Within
            ``seeded_dropout`` it is rounded to a multiple of 2^-16.
    """
    if not dropout_prob:
        return input_tensor
    if _seeded_dropout.seed is None:
        return tf.nn.dropout(input_tensor, rate=dropout_prob)
    threshold = round(dropout_prob * 2**16)
    is_kept = _draw_at_least(threshold, get_shape_list(input_tensor))
    return tf.where_v2(is_kept, input_tensor * (2**16 / (2**16 - threshold)), 0.0)


def draw_bits(shape: Sequence[Dimension], num_bits: int = 32) -> tf.Tensor:
    """Draws int32 of a shape; within ``seeded_dropout`` by the seed of the next call.

    Args:
        num_bits: random bits of each: the lowest ones, the others are 0.
    """
    least, limit = (0, 2**num_bits) if num_bits < 32 else (-(2**31), 2**31 - 1)
    if _seeded_dropout.seed is None:
        return tf.random.uniform(shape, least, limit, tf.int32)
    offset = _seeded_dropout.calls * _SEED_STRIDE % 2**32 - 2**31
    seed = tf.add(_seeded_dropout.seed, [0, offset])
    _seeded_dropout.calls += 1
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

    As TensorFlow 1's ``tf.contrib.layers.layer_norm``, whose epsilon is 1e-12. Makes the variables
    ``beta`` (0 at first) and ``gamma`` (1 at first), float32 of shape [H].

    Args:
        input_tensor: float, of shape [..., H].
        name: scope of the variables; by default ``LayerNorm``, made unique.

    Returns:
        The shape and dtype of ``input_tensor``.
    """
    return normalise(input_tensor, _moments, name)


def normalise(input_tensor: tf.Tensor, moments: Moments, name: str | None = None) -> tf.Tensor:
    """``layer_norm`` with a gradient written out.

    Args:
        moments: given x [..., H], returns x less its mean, and its variance [..., 1].
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
