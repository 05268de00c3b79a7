"""Chooses the sequences of each batch: at random, or of similar length and yet at random.

Most of a fixed-length batch of short texts is padding. By length, each epoch's shuffled examples
are cut into pools of some dozens of batches. A pool's sequences are put into batches by length,
and these come in random order. A step's batch depends on the seed and the step alone.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bert_wwm.core.seeding import rng_for

# So many batches that those of a pool are of nearly one length each; so few that an epoch of a
# small task has several pools.
_POOL_BATCHES = 50
GPU_LENGTH_STEP = 8  # a GPU's products are fastest with multiples of 8
_EPOCH, _POOL = range(2)  # what a draw is for


class Batch(NamedTuple):
    """The numbers of some sequences, int64 [B], and the length that they are padded to."""

    rows: np.ndarray
    length: int


class Padding(NamedTuple):
    """The padding of a run's batches."""

    shapes: Sequence[int]  # the lengths to pad to, ascending; the last fits all sequences
    by_length: bool = False  # training batches have sequences of similar length
    skipped: bool = False  # training computes next to nothing for padding

    def times(self, num_choices: int) -> "Padding":
        """Returns the same for examples of several sequences, whose tokens take turns."""
        return self._replace(shapes=[num_choices * length for length in self.shapes])


def list_shapes(max_length: int, step: int) -> tuple[int, ...]:
    """Returns the multiples of a step below a length, and the length."""
    return (*range(step, max_length, step), max_length)


class TrainingOrder:
    """The batches of a training, step by step; every sequence once in each epoch.

    Epochs follow each other without a break, so all batches are full: what an epoch's last batch
    lacks comes from the next one. ``lengths`` are the tokens of each sequence, [n].
    """

    def __init__(
        self, lengths: np.ndarray, batch_size: int, num_steps: int, seed: int, padding: Padding
    ):
        self._lengths = lengths
        self._batch_size = batch_size
        self._num_steps = num_steps
        self._seed = seed
        self._padding = padding
        self._pool = range(0)  # its steps
        self._batches = np.zeros((0, batch_size), np.int64)

    def batch(self, step: int) -> Batch:
        """Returns the batch of a step, counted from 0."""
        if step not in self._pool:
            self._pool = self._pool_of(step)
            self._batches = self._batches_of(self._pool)
        return _padded(self._batches[step - self._pool.start], self._lengths, self._padding.shapes)

    def _pool_of(self, step: int) -> range:
        """The steps that share a pool with a step: a part of those of its epoch."""
        size = len(self._lengths)
        epoch = step * self._batch_size // size
        first = -(-epoch * size // self._batch_size)
        last = min(-(-(epoch + 1) * size // self._batch_size), self._num_steps)
        pools = -(-(last - first) // _POOL_BATCHES)
        bounds = [first + (last - first) * pool // pools for pool in range(pools + 1)]
        return next(range(*pool) for pool in itertools.pairwise(bounds) if step < pool[1])

    def _batches_of(self, pool: range) -> np.ndarray:
        """int64 [batches, batch_size]: the rows of a pool's batches."""
        rows = self._stream(pool.start * self._batch_size, pool.stop * self._batch_size)
        if not self._padding.by_length:
            return rows.reshape(len(pool), self._batch_size)
        # The stream is shuffled, so a stable order leaves those of one length at random.
        rows = rows[np.argsort(self._lengths[rows], kind="stable")]
        batches = rows.reshape(len(pool), self._batch_size)
        return batches[_permutation(len(pool), self._seed, _POOL, pool.start)]

    def _stream(self, begin: int, end: int) -> np.ndarray:
        """Positions ``begin`` to ``end`` of the epochs in a row, each in an order of its own."""
        size = len(self._lengths)
        epochs = range(begin // size, -(-end // size))
        orders = [_permutation(size, self._seed, _EPOCH, epoch) for epoch in epochs]
        offset = epochs[0] * size
        return np.concatenate(orders)[begin - offset : end - offset]


def prediction_batches(lengths: np.ndarray, batch_size: int, shapes: Sequence[int]) -> list[Batch]:
    """Returns batches that hold every sequence once, the longest first; the last may be smaller."""
    order = np.argsort(-lengths, kind="stable")
    parts = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    return [_padded(rows, lengths, shapes) for rows in parts]


def _padded(rows: np.ndarray, lengths: np.ndarray, shapes: Sequence[int]) -> Batch:
    return Batch(rows, int(shapes[np.searchsorted(shapes, lengths[rows].max())]))


def _permutation(size: int, seed: int, *place: int) -> np.ndarray:
    return rng_for(seed, *place).random(size).argsort(kind="stable")
