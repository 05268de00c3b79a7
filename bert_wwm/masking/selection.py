"""Which pieces to predict: units of one or more words, drawn until the budget is spent.

B sequences of a batch, W words of all of them, U units of all of them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bert_wwm.masking.sequences import Words, positions

# MacBERT's, and HFL's since: 1 to 4 words at 40, 30, 20 and 10 % (arXiv 1906.08101, section IV).
NGRAM_SHARES = (0.4, 0.3, 0.2, 0.1)


class Units(NamedTuple):
    """What is selected as a whole or not at all."""

    words: Words  # the words that the units are made of
    first: np.ndarray  # int64 [U], the first word of each; it ends where the next begins
    # int64 [U], the number of words that was drawn for each; the last unit of a segment may have
    # fewer.
    drawn: np.ndarray

    def total(self, amounts: np.ndarray) -> np.ndarray:
        """Sums up an amount of each word for each unit."""
        return np.add.reduceat(amounts, self.first) if len(self.first) else amounts


# (words, rng) -> Units
UnitMaker = Callable[[Words, np.random.Generator], Units]


def budgets(lengths: np.ndarray, masked_lm_prob: float, max_predictions: int) -> np.ndarray:
    """Returns how many pieces of each sequence to predict, int64 [B], ``max_predictions`` at most.

    Lengths are in pieces, ``[CLS]`` and ``[SEP]`` included. Google's rounding
    (create_pretraining_data.py), halves to even as Python 3 has it.
    """
    return np.clip(np.rint(lengths * masked_lm_prob).astype(np.int64), 1, max_predictions)


def pieces(words: Words, rng: np.random.Generator) -> Units:
    """The units of BERT's original masking: each piece by itself."""
    starts = positions(words.starts, words.lengths)
    rows, segments = (np.repeat(of, words.lengths) for of in (words.rows, words.segments))
    return whole_words(Words(rows, starts, np.ones_like(starts), segments), rng)


def whole_words(words: Words, rng: np.random.Generator) -> Units:
    """The units of whole word masking: all pieces of a word or none."""
    return Units(words, np.arange(len(words.rows)), np.ones_like(words.rows))


def ngrams(words: Words, rng: np.random.Generator) -> Units:
    """Runs of 1 to 4 words, drawn one after the other as ymcui describes it (MacBERT#13).

    A pointer stands at a word, a length is drawn, that many words form a unit, and the pointer
    goes to the word behind them. No unit goes over from one segment to the next.
    """
    count = len(words.rows)
    # One draw for each word is enough for every segment: its i-th unit begins where the lengths
    # of the units before it end.
    drawn = 1 + np.searchsorted(np.cumsum(NGRAM_SHARES[:-1]), rng.random(count), side="right")
    before = np.cumsum(drawn) - drawn
    is_first = np.diff(words.segments, prepend=-1) != 0
    segment_first = np.flatnonzero(is_first)
    segment = np.cumsum(is_first) - 1
    first = segment_first[segment] + before - before[segment_first][segment]
    segment_end = np.append(segment_first[1:], count)
    is_unit = first < segment_end[segment]
    return Units(words, first[is_unit], drawn[is_unit])


class Allowance(NamedTuple):
    """A second budget that units draw on beside their pieces."""

    # int64 [U], what a unit may come to need; if that is not left, it is passed over.
    at_most: np.ndarray
    spent: np.ndarray  # int64 [U], what it does need
    total: np.ndarray  # int64 [B], what there is for each sequence


def draw(
    units: Units,
    budget: np.ndarray,
    rng: np.random.Generator,
    allowance: Allowance | None = None,
) -> np.ndarray:
    """Draws units of each sequence until its budget of pieces [B] is spent: bool [U], the selected.

    A unit that would overflow the budget is skipped; a smaller one may fit after it
    (create_pretraining_data.py). The allowance is a second budget. Records keep their bytes as
    only ``rng.random()`` is drawn from.
    """
    rows = units.words.rows[units.first]
    if not len(rows):
        return np.zeros(0, bool)
    counts = np.bincount(rows)
    index = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(budget), int(counts.max()))

    def table(values: np.ndarray) -> np.ndarray:
        result = np.zeros(shape, values.dtype)
        result[rows, index] = values
        return result

    order = table(rng.random(len(rows))).argsort(axis=1, kind="stable")

    def in_turn(values: np.ndarray) -> np.ndarray:
        """[turn, B]: the values of the units in the order in which they are considered."""
        return np.ascontiguousarray(np.take_along_axis(table(values), order, axis=1).T)

    # All sequences at once, one unit of each after the other. Padding has no pieces, so it changes
    # nothing when its turn comes.
    lengths = in_turn(units.total(units.words.lengths))
    room = budget.copy()
    taken = np.empty(lengths.shape, bool)
    if allowance is None:
        for turn, length in enumerate(lengths):
            fits = np.less_equal(length, room, out=taken[turn])
            room -= length * fits
    else:
        left = allowance.total.copy()
        at_most, spent = in_turn(allowance.at_most), in_turn(allowance.spent)
        for turn, length in enumerate(lengths):
            fits = (length <= room) & (at_most[turn] <= left)
            taken[turn] = fits
            room -= length * fits
            left -= spent[turn] * fits
    selected = np.empty(shape, bool)
    np.put_along_axis(selected, order, taken.T, axis=1)
    return selected[rows, index]
