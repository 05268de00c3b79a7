"""The tokenizer for many sentences at once: most of Chinese text is looked up in a table.

NumPy maps ideographs and punctuation marks, which are pieces by themselves, all at once; the
tokenizer itself cuts the other runs (letters, digits, kana, ...), and its results are cached.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bert_wwm.text import characters, unicode11
from bert_wwm.text.characters import ALONE, SPACE, WORD, CharacterTable
from bert_wwm.text.tokenizer import Tokenizer, WordPieces

_CODE_POINTS = 0x110000
_CACHED_RUNS = 200_000  # about 50 MB; then the cache is cleared
# Kinds of characters: not yet looked up, part of a run, a piece by itself, between pieces.
_NEW, _RUN, _SINGLE, _GAP = range(4)

Run = tuple[list[int], list[int], list[int]]  # ids, starts and ends of its pieces


class Pieces(NamedTuple):
    """The pieces of a number of sentences; spans are half-open, in characters of the text."""

    ids: np.ndarray  # int32 [pieces]
    starts: np.ndarray  # int64 [pieces]
    ends: np.ndarray  # int64 [pieces]
    offsets: np.ndarray  # int64 [sentences + 1]: the pieces of i are offsets[i] to offsets[i + 1]
    characters: np.ndarray  # int64 [sentences]: where in the text each sentence begins
    text: str  # the sentences, a line end after each


class BulkTokenizer:
    """Tokenizes many sentences at once."""

    def __init__(self, tokenizer: Tokenizer):
        self.vocabulary = tokenizer.vocabulary
        self._tokenizer = tokenizer
        self._table = CharacterTable(tokenizer.do_lower_case, tokenizer.drop_category_c)
        self._wordpieces = WordPieces(tokenizer.vocabulary.ids)
        self._kinds = np.zeros(_CODE_POINTS, np.uint8)
        self._ids = np.zeros(_CODE_POINTS, np.int32)
        self._runs: dict[str, Run] = {}

    def tokenize(self, sentences: Sequence[str]) -> Pieces:
        """Returns the pieces of sentences, none of which holds a line end."""
        text = "".join(f"{sentence}\n" for sentence in sentences)
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        ends_of_lines = np.flatnonzero(codes == ord("\n"))
        kinds = self._look_up(codes)
        is_run = kinds == _RUN
        if "Σ" in text:
            # Its lower case depends on its neighbours, so no run may be looked at by itself.
            for line in np.unique(np.searchsorted(ends_of_lines, np.flatnonzero(codes == 0x3A3))):
                begin = ends_of_lines[line - 1] + 1 if line else 0
                is_run[begin : ends_of_lines[line]] = True
        single = np.flatnonzero((kinds == _SINGLE) & ~is_run)
        run_ids, run_starts, run_ends = self._tokenize_runs(text, is_run)

        starts = np.concatenate([single, run_starts])
        # Pieces of one character, such as ẞ, keep their order.
        order = np.argsort(starts, kind="stable")
        starts = starts[order]
        ids = np.concatenate([self._ids[codes[single]], run_ids])[order]
        ends = np.concatenate([single + 1, run_ends])[order]
        offsets = np.concatenate([[0], np.searchsorted(starts, ends_of_lines)])
        begins = np.concatenate([[0], ends_of_lines[:-1] + 1])[: len(sentences)]
        return Pieces(ids.astype(np.int32), starts, ends, offsets, begins, text)

    def _look_up(self, codes: np.ndarray) -> np.ndarray:
        kinds = self._kinds[codes]
        if not kinds.all():
            for code in np.unique(codes[kinds == _NEW]).tolist():
                self._kinds[code], self._ids[code] = self._classify(chr(code))
            kinds = self._kinds[codes]
        return kinds

    def _classify(self, char: str) -> tuple[int, int]:
        """Returns the kind of a character, and the id of one that is a piece by itself."""
        kind, text = self._table[char]
        if kind == SPACE:
            return _GAP, 0
        is_mark = (
            kind == WORD
            and len(text) == 1
            and characters.is_punctuation(text)
            and not unicode11.combining(text)
        )
        if kind == ALONE or is_mark:
            pieces = self._wordpieces[text]
            if len(pieces) == 1:
                return _SINGLE, pieces[0][1]
        return _RUN, 0

    def _tokenize_runs(
        self, text: str, is_run: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], is_run.view(np.int8), [0]])))
        ids: list[int] = []
        starts: list[int] = []
        ends: list[int] = []
        counts: list[int] = []
        runs = self._runs
        begins = edges[::2]
        for begin, end in zip(begins.tolist(), edges[1::2].tolist()):
            run = text[begin:end]
            found = runs.get(run)
            if found is None:
                found = self._tokenize_run(run)
            ids += found[0]
            starts += found[1]
            ends += found[2]
            counts.append(len(found[0]))
        offset = np.repeat(begins, np.asarray(counts, np.int64))
        return (
            np.asarray(ids, np.int32),
            np.asarray(starts, np.int64) + offset,
            np.asarray(ends, np.int64) + offset,
        )

    def _tokenize_run(self, run: str) -> Run:
        if len(self._runs) >= _CACHED_RUNS:
            self._runs.clear()
        pieces = self._tokenizer.tokenize(run)
        result = self._runs[run] = (
            [piece.id for piece in pieces],
            [piece.start for piece in pieces],
            [piece.end for piece in pieces],
        )
        return result
