"""Takes the tokens of a batch out of its padding, and puts them back.

Most of a layer treats each token on its own, so it can run over the matrix of all tokens, [T, H].
Attention alone needs to know the sequences: for it they are put into a few groups of similar
length, each padded to its longest. Results are those of the padded batch, up to rounding.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bert_wwm.compat import tf
from bert_wwm.model.gradients import custom_gradient
from bert_wwm.model.layers import get_shape_list
from bert_wwm.model.rows import Rows

# B batch, S sequence, T tokens of the batch, G sequences of a group, L longest of a group, W width;
# "..." stands for any further dimensions

# Twice as many leave half as much padding, in attention only, but take as many more small kernels.
_NUM_GROUPS = 8


class Group(NamedTuple):
    """Sequences of similar length."""

    rows: tf.Tensor  # int32 [G, L], where their tokens are among all; anywhere for padding
    mask: tf.Tensor  # int32 [G, L], 1 at tokens and 0 at padding


class Unpadded:
    """The places of a batch's tokens, by an int32 mask [B, S]: 1 at tokens and 0 at padding.

    The sequences are the rows of the mask, or their instances.
    """

    def __init__(self, input_mask: tf.Tensor, rows: Rows | None = None):
        batch_size, length = get_shape_list(input_mask, expected_rank=2)
        flat = tf.reshape(input_mask, [-1])
        self._places = tf.cast(tf.where(tf.not_equal(flat, 0))[:, 0], tf.int32)  # [T]
        self._rows = tf.reshape(tf.maximum(tf.cumsum(flat) - 1, 0), [batch_size, length])
        self._mask = input_mask
        self.position_ids = self._places % length  # of each token its place in its sequence, [T]
        keys = self._places // length  # of each token's sequence
        if rows:
            self.position_ids = self.remove_padding(rows.position_ids)
            keys = keys * length + self.remove_padding(rows.instance_ids)

        num_tokens = tf.size(self._places)
        is_first = tf.not_equal(keys, tf.concat([[-1], keys[:-1]], 0))
        sequence = tf.cumsum(tf.cast(is_first, tf.int32)) - 1  # [T]
        begins = tf.cast(tf.where(is_first)[:, 0], tf.int32)
        lengths = tf.concat([begins[1:], [num_tokens]], 0)[: tf.size(begins)] - begins
        count = tf.size(lengths)
        order = tf.argsort(lengths)
        self.groups = []  # the shortest sequences first
        sequence_begins = []  # of each sequence its first place in the groups, in their order
        taken = tf.constant(0)
        for number in range(_NUM_GROUPS):
            members = order[number * count // _NUM_GROUPS : (number + 1) * count // _NUM_GROUPS]
            group = self._group(tf.gather(begins, members), tf.gather(lengths, members))
            size, longest = get_shape_list(group.rows)
            sequence_begins.append(taken + longest * tf.range(size))
            taken += size * longest
            self.groups.append(group)
        in_groups = tf.gather(tf.concat(sequence_begins, 0), tf.math.invert_permutation(order))
        self._places_in_groups = tf.range(num_tokens) + tf.gather(in_groups - begins, sequence)

    @staticmethod
    def _group(begins: tf.Tensor, lengths: tf.Tensor) -> Group:
        # A group may be empty, where a batch has fewer sequences than there are groups.
        longest = tf.reduce_max(tf.concat([lengths, [0]], 0))
        offsets = tf.range(longest)
        mask = offsets < lengths[:, tf.newaxis]
        rows = tf.where_v2(mask, begins[:, tf.newaxis] + offsets, 0)
        return Group(rows, tf.cast(mask, tf.int32))

    def remove_padding(self, x: tf.Tensor) -> tf.Tensor:
        """Returns what the tokens have of a Tensor [B, S] of integers: [T]."""
        return tf.gather(tf.reshape(x, [-1]), self._places)

    def restore_padding(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the rows of tokens [T, W] in their places: [B, S, W], 0 at padding."""
        (y,) = _spread(x, [Group(self._rows, self._mask)], self._places)
        return y * tf.cast(self._mask, x.dtype)[:, :, tf.newaxis]

    def take_first(self, x: tf.Tensor, rows: Rows | None = None) -> tf.Tensor:
        """Returns what tokens have in the first places of the rows, or of their instances.

        [T, W] -> [B, W] or [B * K, W]; 0 for a row without tokens.
        """
        places, mask = self._rows[:, :1], self._mask[:, :1]
        if rows:
            places = tf.gather(self._rows, rows.starts, batch_dims=1)
            mask = tf.gather(self._mask, rows.starts, batch_dims=1)
        return tf.gather(x, tf.reshape(places, [-1])) * tf.cast(tf.reshape(mask, [-1, 1]), x.dtype)

    def spread(self, x: tf.Tensor) -> list[tf.Tensor]:
        """Returns what tokens have, [T, ...], by groups: [G, L, ...] each, anything at padding.

        What padding gets must have no influence: no gradient comes back from there.
        """
        return _spread(x, self.groups, self._places_in_groups)

    def gather(self, groups: Sequence[tf.Tensor]) -> tf.Tensor:
        """Undoes ``spread``."""
        return _gather(groups, self.groups, self._places_in_groups)


# Both are gathers, and so are their gradients: TensorFlow's own would add up rows one by one, as it
# can't know that none is taken twice.


def _spread(x: tf.Tensor, groups: Sequence[Group], places: tf.Tensor) -> list[tf.Tensor]:
    @custom_gradient
    def function(x: tf.Tensor) -> tuple[list[tf.Tensor], Callable[..., tf.Tensor]]:
        def gradient(*grads: tf.Tensor) -> tf.Tensor:
            return tf.gather(_join(grads), places)

        return [tf.gather(x, group.rows) for group in groups], gradient

    return function(x)


def _gather(xs: Sequence[tf.Tensor], groups: Sequence[Group], places: tf.Tensor) -> tf.Tensor:
    @custom_gradient
    def function(*xs: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        def gradient(grad: tf.Tensor) -> list[tf.Tensor]:
            ones = [1] * (grad.shape.ndims - 1)
            return [
                tf.gather(grad, group.rows)
                * tf.reshape(tf.cast(group.mask, grad.dtype), [*get_shape_list(group.mask), *ones])
                for group in groups
            ]

        return tf.gather(_join(xs), places), gradient

    return function(*xs)


def _join(xs: Sequence[tf.Tensor]) -> tf.Tensor:
    """Tensors [G, L, ...] one after the other: [the sum of G * L, ...]."""
    return tf.concat([tf.reshape(x, [-1, *x.shape.as_list()[2:]]) for x in xs], 0)
