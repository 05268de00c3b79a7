"""Batches of sequences, made of a small lexicon, for the tests of masking."""

import numpy as np
from hypothesis import strategies as st

from bert_wwm.masking.sequences import Sequences
from bert_wwm.text.similar_words import SimilarWords
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import SPECIAL_TOKENS, Vocabulary

PAD, UNK, CLS, SEP, MASK = range(5)
LONGEST = 6

# Sequences of one or two segments; of each, the lengths of its words in pieces.
SHAPES = st.lists(
    st.lists(st.lists(st.integers(1, LONGEST), min_size=1, max_size=15), min_size=1, max_size=2),
    max_size=5,
)


def _lexicon():
    """Thirty words of each length, no piece in two of them."""
    words, next_id = {}, 5
    for length in range(1, LONGEST + 1):
        words[length] = [
            tuple(range(start, start + length))
            for start in range(next_id, next_id + 30 * length, length)
        ]
        next_id += 30 * length
    return words, next_id


LEXICON, VOCAB_SIZE = _lexicon()


def batch(shape, seed=0):
    """Sequences of that shape, of random words."""
    rng = np.random.default_rng(seed)
    rows, starts, separators = [], [], []
    for segments in shape:
        row, begins, ends = [CLS], [], []
        for lengths in segments:
            for length in lengths:
                begins.append(len(row))
                row += LEXICON[length][rng.integers(30)]
            ends.append(len(row))
            row.append(SEP)
        rows.append(row)
        starts.append(begins)
        separators.append(ends)
    width = max(map(len, rows), default=3) + 2
    ids = np.array([row + [PAD] * (width - len(row)) for row in rows], np.int32)
    return Sequences(
        ids.reshape(-1, width),
        np.array([len(row) for row in rows], np.int64),
        marks(starts, width),
        marks(separators, width),
    )


class Draws:
    """A source of randomness whose draws are given, one array for each call."""

    def __init__(self, *draws):
        self._draws = iter(draws)

    def random(self, size):
        return np.reshape(next(self._draws), size)


def marks(columns_of_rows, width):
    """A bool for each place: whether it is among those of its row."""
    table = np.zeros((len(columns_of_rows), width), bool)
    for row, columns in enumerate(columns_of_rows):
        table[row, columns] = True
    return table


def spans(units):
    """Each unit as (sequence, first position, position behind it, segment)."""
    words = units.words
    ends = words.starts + words.lengths
    result = []
    for first, last in zip(units.first, [*units.first[1:], len(words.rows)]):
        assert first < last
        rows, segments = set(words.rows[first:last]), set(words.segments[first:last])
        assert len(rows) == len(segments) == 1, "a unit goes over a separator"
        assert (ends[first : last - 1] == words.starts[first + 1 : last]).all(), "a gap"
        result.append((rows.pop(), words.starts[first], ends[last - 1], segments.pop()))
    return result


def lacks_similar_words(word):
    """A third of the words of each length, and all of the longest."""
    return len(word) == LONGEST or LEXICON[len(word)].index(word) % 3 == 0


def similar_to(word):
    """The four words behind it in the lexicon."""
    words = LEXICON[len(word)]
    index = words.index(word)
    return [words[(index + n) % len(words)] for n in range(1, 5)]


def similar_words(folder):
    """The table of the lexicon. Of the words without similar ones, it has every second."""

    def text(word):
        return "".join(chr(0x4E00 + piece) for piece in word)

    lines = []
    for words in LEXICON.values():
        for word in words:
            similar = [] if lacks_similar_words(word) else similar_to(word)
            if len(word) < LONGEST and (similar or words.index(word) % 2):
                lines.append(f"{text(word)}\t{' '.join(map(text, similar))}\n")
    path = folder / "similar.txt"
    path.write_text("".join(lines), encoding="utf-8")
    characters = [text([piece]) for piece in range(len(SPECIAL_TOKENS), VOCAB_SIZE)]
    tokenizer = Tokenizer(Vocabulary([*SPECIAL_TOKENS, *characters]))
    return SimilarWords.from_file(str(path), tokenizer)
