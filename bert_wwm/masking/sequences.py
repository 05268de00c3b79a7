"""What masking works on: many sequences at once, as arrays.

B sequences of a batch, S tokens of a sequence, W words of all of them, P pieces to predict of all.
"""

import dataclasses
from typing import NamedTuple

import numpy as np


class Words(NamedTuple):
    """The words of all sequences, sequence by sequence and in their order."""

    rows: np.ndarray  # int64 [W], the sequence of each
    starts: np.ndarray  # int64 [W], where in it the word begins
    lengths: np.ndarray  # int64 [W], its pieces
    segments: np.ndarray  # int64 [W], numbers that tell the segments of all sequences apart


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Unmasked sequences: ``[CLS] A [SEP] B [SEP]``, or ``[CLS] A [SEP]``."""

    ids: np.ndarray  # int32 [B, S], padded
    lengths: np.ndarray  # int64 [B], tokens of each, special ones included
    # bool [B, S], where a word begins; nowhere else but within the segments.
    word_starts: np.ndarray
    is_separator: np.ndarray  # bool [B, S], where a ``[SEP]`` stands

    def words(self) -> Words:
        """Returns the words; a truncated one holds what is left of it."""
        width = self.ids.shape[1]
        # A word ends where the next begins or a [SEP] stands.
        edges = np.flatnonzero((self.word_starts | self.is_separator).ravel())
        lengths = np.diff(edges, append=edges[-1:])
        is_word = self.word_starts.ravel()[edges]
        segments = np.cumsum(~is_word)
        rows, starts = np.divmod(edges[is_word], width)
        return Words(rows, starts, lengths[is_word], segments[is_word])


def positions(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Writes runs out, one after the other: ``[4, 9], [2, 3]`` -> ``[4, 5, 9, 10, 11]``."""
    ends = np.cumsum(lengths)
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)
