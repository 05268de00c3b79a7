"""One step for several lengths: a TPU's programs have fixed shapes, batches of short texts not.

All features come padded to the longest length. The step holds the model once for each length, cuts
the features to it, and each batch takes the shortest that it fits: cores may differ in that, as
they meet only afterwards, where gradients are added up.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.train.objective import Features

# B batch, S sequence


def switch_length(
    build: Callable[[Features], Any], features: Features, lengths: Sequence[int]
) -> Any:
    """Builds over features that are cut to the shortest length that they fit.

    ``build`` makes a structure of Tensors whose shapes don't depend on the length; its variables
    exist already, as branches make none. The features are of shape [B], and [B, S] for those of
    tokens. The lengths are ascending; the last is S.
    """
    longest = tf.reduce_max(tf.reduce_sum(features["input_mask"], axis=1))
    index = tf.reduce_sum(tf.cast(longest > tf.constant(lengths[:-1], tf.int32), tf.int32))

    def build_cut(length: int) -> Any:
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            return build(truncate(features, length))

    return tf.switch_case(index, [functools.partial(build_cut, length) for length in lengths])


def truncate(features: Features, length: int) -> Features:
    """Returns the features with [B, length] for those of tokens."""
    return {
        name: value[:, :length] if value.shape.ndims == 2 else value
        for name, value in features.items()
    }
