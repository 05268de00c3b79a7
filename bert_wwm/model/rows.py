"""Rows of several instances, as in packed records: which token is of which instance.

B batch, S tokens of a row, K instances of a row at most.
"""

from typing import NamedTuple

from bert_wwm.compat import tf
from bert_wwm.model.layers import get_shape_list


class Rows(NamedTuple):
    """The instances of a batch of rows; attention stays within each."""

    starts: tf.Tensor  # int32 [B, K], where each begins, ascending from 0; 0 after the last
    instance_ids: tf.Tensor  # int32 [B, S], of each token the number of its instance in the row
    position_ids: tf.Tensor  # int32 [B, S], of each token its place in its instance

    @classmethod
    def of(cls, starts: tf.Tensor, length: int | tf.Tensor) -> "Rows":
        """Finds them by where they begin, in rows of ``length`` tokens."""
        columns = tf.range(length)
        begun = starts[:, :, tf.newaxis] <= columns  # [B, K, S]
        begun &= tf.cast(mark_used(starts), tf.bool)[:, :, tf.newaxis]
        instance_ids = tf.reduce_sum(tf.cast(begun, tf.int32), axis=1) - 1
        latest = tf.reduce_max(tf.where_v2(begun, starts[:, :, tf.newaxis], 0), axis=1)
        return cls(starts, instance_ids, columns - latest)


def mark_used(starts: tf.Tensor) -> tf.Tensor:
    """1 where there is an instance and 0 after the last: float32 [B, K]."""
    first = tf.one_hot(0, get_shape_list(starts)[1])
    return tf.maximum(tf.cast(starts > 0, tf.float32), first)
