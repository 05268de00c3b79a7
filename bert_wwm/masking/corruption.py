"""What to put at the places to be predicted.

B sequences of a batch, S tokens of a sequence, W words and P pieces to predict of all sequences.
"""

import enum
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bert_wwm.masking import selection
from bert_wwm.masking.selection import Allowance, Units
from bert_wwm.masking.sequences import Sequences, positions
from bert_wwm.text.similar_words import SimilarWords

# MacBERT falls back on a random word where there is no similar one, for this share of the budget
# at most (arXiv 1906.08101, section IV).
MOST_FALLBACKS = 0.1
# The share of the selected pieces that PERT permutes; the others stay where they are.
PERMUTED = 0.9


class Kind(enum.IntEnum):
    """What became of a piece, as drawn: a random piece may happen to be the original."""

    KEPT = 0
    MASK = 1
    RANDOM = 2
    SIMILAR = 3
    FALLBACK = 4
    MOVED = 5


class Vocabulary(NamedTuple):
    """What replacements are taken from."""

    mask_id: int  # id of ``[MASK]``
    size: int  # number of pieces
    similar_words: SimilarWords | None = None  # similar words, for MacBERT


class Predictions(NamedTuple):
    """What is to be predicted, sequence by sequence and in the order of the positions."""

    rows: np.ndarray  # int64 [P], the sequence of each piece
    columns: np.ndarray  # int64 [P], its position there
    labels: np.ndarray  # int32 [P], the original id
    ids: np.ndarray  # int32 [P], the id that stands there now
    kinds: np.ndarray  # int8 [P], of Kind
    targets: dict[str, np.ndarray]  # further labels, int64 [P] each
    ngrams: np.ndarray  # int64 [n], how many units of each number of words were selected


# (sequences, units, budget of each sequence, vocabulary, rng) -> Predictions; `permute` takes its
# scope too.
Corruption = Callable[..., Predictions]


def mask_80_10_10(
    sequences: Sequences,
    units: Units,
    budget: np.ndarray,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
) -> Predictions:
    """``[MASK]`` for 80 %, the original for 10 %, a random piece for 10 %; drawn piece by piece.

    Also within a word: "一个词中的所有字的mask方式是随机的" (ymcui/Chinese-BERT-wwm#33). Random
    pieces come from the whole vocabulary, special ones included (create_pretraining_data.py).
    """
    selected = _select(sequences, units, selection.draw(units, budget, rng))
    count = len(selected.labels)
    choices = rng.random(count)
    random_ids = (rng.random(count) * vocabulary.size).astype(np.int32)
    kinds = np.where(choices < 0.8, Kind.MASK, np.where(choices < 0.9, Kind.KEPT, Kind.RANDOM))
    ids = np.where(kinds == Kind.RANDOM, random_ids, selected.labels)
    ids[kinds == Kind.MASK] = vocabulary.mask_id
    return selected._replace(ids=ids, kinds=kinds.astype(np.int8))


def similar_words_80_10_10(
    sequences: Sequences,
    units: Units,
    budget: np.ndarray,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
) -> Predictions:
    """MacBERT's: a similar word for 80 %, a random one for 10 %, the original for 10 %.

    Drawn word by word, each word of an n-gram by itself; what replaces a word has as many pieces
    as it. A word without similar ones becomes a random one, for MOST_FALLBACKS of the budget at
    most; past that, units with such words are passed over, whatever is drawn for them, so that
    the shares hold (arXiv 1906.08101, section IV; ymcui/MacBERT#9).
    """
    table = vocabulary.similar_words
    if table is None:
        raise ValueError("no similar words are given")
    words = units.words
    data = sequences.ids.astype("<i4").tobytes()
    begins = 4 * (words.rows * sequences.ids.shape[1] + words.starts)
    keys = [
        data[begin : begin + 4 * size]
        for begin, size in zip(begins.tolist(), words.lengths.tolist())
    ]
    lacks = np.fromiter((key not in table for key in keys), bool, len(keys))
    choices, which = rng.random((2, len(keys)))
    kinds = np.where(choices < 0.8, Kind.SIMILAR, np.where(choices < 0.9, Kind.KEPT, Kind.RANDOM))
    kinds[(kinds == Kind.SIMILAR) & lacks] = Kind.FALLBACK
    allowance = Allowance(
        at_most=units.total(words.lengths * lacks),
        spent=units.total(words.lengths * (kinds == Kind.FALLBACK)),
        total=(budget * MOST_FALLBACKS).astype(np.int64),
    )
    chosen = selection.draw(units, budget, rng, allowance)
    selected = _select(sequences, units, chosen)
    of_word = np.flatnonzero(np.repeat(chosen, np.diff(units.first, append=len(keys))))
    replaced = [
        _replacement(keys[word], kinds[word], which[word], table, vocabulary.size, rng)
        for word in of_word.tolist()
    ]
    return selected._replace(
        ids=np.concatenate(replaced) if replaced else selected.labels,
        kinds=np.repeat(kinds[of_word], words.lengths[of_word]).astype(np.int8),
    )


def _replacement(
    key: bytes,
    kind: int,
    choice: float,
    table: SimilarWords,
    vocab_size: int,
    rng: np.random.Generator,
) -> np.ndarray:
    word = np.frombuffer(key, "<i4")
    if kind == Kind.KEPT:
        return word
    among = table.candidates(key) if kind == Kind.SIMILAR else table.list_words(len(word))
    if among is None:  # no word of so many pieces
        return (rng.random(len(word)) * vocab_size).astype(np.int32)
    return among[int(choice * len(among))]


def permute(
    sequences: Sequences,
    units: Units,
    budget: np.ndarray,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    scope: str = "segment",
) -> Predictions:
    """PERT's: the selected pieces of a segment change places among themselves.

    PERMUTED of them do, drawn piece by piece; the others stay, as negatives. The ``scope`` may also
    be the ``unit``, the selected n-gram of words, or the whole ``sequence``.

    Of the published examples all are swaps of two. For longer cycles there are two readings:
    ``pointers``, the position at which the original piece of a place now stands
    ("预测原token所在的位置", the README of ymcui/PERT), and ``origins``, the place that the piece
    now standing there came from.
    """
    chosen = selection.draw(units, budget, rng)
    selected = _select(sequences, units, chosen)
    count = len(selected.labels)
    moves = np.flatnonzero(rng.random(count) < PERMUTED)
    unit = np.repeat(np.flatnonzero(chosen), units.total(units.words.lengths)[chosen])
    scopes = {
        "segment": units.words.segments[units.first[unit]],
        "unit": unit,
        "sequence": selected.rows,
    }
    # Sorted by scope, and at random within each: a random permutation of each.
    order = np.lexsort((rng.random(len(moves)), scopes[scope][moves]))
    source = np.arange(count)
    source[moves] = moves[order]
    pointers = np.empty_like(source)
    pointers[source] = np.arange(count)
    return selected._replace(
        ids=selected.labels[source],
        kinds=np.where(np.isin(np.arange(count), moves), Kind.MOVED, Kind.KEPT).astype(np.int8),
        targets={
            "pointers": selected.columns[pointers],
            "origins": selected.columns[source],
        },
    )


def _select(sequences: Sequences, units: Units, chosen: np.ndarray) -> Predictions:
    """Writes the pieces of the chosen units out; each stays as it is."""
    words = units.words
    width = sequences.ids.shape[1]
    sizes = np.diff(units.first, append=len(words.rows))
    first = units.first[chosen]
    flat = positions(
        words.rows[first] * width + words.starts[first], units.total(words.lengths)[chosen]
    )
    rows, columns = np.divmod(flat, width)
    labels = sequences.ids.ravel()[flat]
    return Predictions(
        rows,
        columns,
        labels,
        labels.copy(),
        np.full(len(flat), Kind.KEPT, np.int8),
        {},
        np.bincount(sizes[chosen]),
    )
