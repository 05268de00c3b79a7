"""One step for several lengths: a TPU's programs have fixed shapes, and batches of like length not.

All features come padded to the longest length. The step holds the model once for each length, cuts
the features to it, and each batch takes the shortest that it fits: cores may differ in that, as
they meet only where gradients are added up, behind.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bert_wwm.compat import tf

# B batch, S sequence

Features = dict[str, tf.Tensor]
Result = TypeVar("Result")


def by_length(
    build: Callable[[Features], list[tf.Tensor]], features: Features, lengths: Sequence[int]
) -> list[tf.Tensor]:
    """Returns what ``build`` makes of features cut to the shortest length that they fit.

    Args:
        build: makes Tensors whose shapes don't hang on the length. Variables exist already.
        features: Tensors of shape [B], and [B, S] for those of tokens; ``input_mask`` is 1 at
            tokens.
        lengths: ascending; the last is S.
    """
    longest = tf.reduce_max(tf.reduce_sum(features["input_mask"], axis=1))
    index = tf.reduce_sum(tf.cast(longest > tf.constant(lengths[:-1], tf.int32), tf.int32))

    def branch(length: int) -> Callable[[], list[tf.Tensor]]:
        return lambda: build(cut(features, length))

    return tf.switch_case(index, [branch(length) for length in lengths])


def cut(features: Features, length: int) -> Features:
    """Returns the features with [B, length] for those of tokens."""
    return {
        name: value[:, :length] if value.shape.ndims == 2 else value
        for name, value in features.items()
    }
