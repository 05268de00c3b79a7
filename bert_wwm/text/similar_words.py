"""Words and those similar to them, as numbers of pieces: what MacBERT puts in place of a word.

A file of similar words is UTF-8 text (or .gz) of lines ``word<TAB>similar similar ...``, best
first, parted by single blanks; scripts/make_similar_words.py makes one from word vectors.
"""

import array
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import UNK

_ID = np.dtype("<i4")


class _Group(NamedTuple):
    """All words of one length n in pieces.

    Attributes:
        words: int32 [words, n], ids of pieces.
        spans: int32 [words, 2], where in ``similar`` the words similar to each stand, half-open.
        similar: int32 [candidates], rows of ``words``.
    """

    words: np.ndarray
    spans: np.ndarray
    similar: np.ndarray


class SimilarWords:
    """The similar words of each word, of the same number of pieces as it.

    A word's key is the bytes of its ids as little-endian int32, ``ids.tobytes()``: to look up a
    slice of an array costs little. Words that differ only in what the tokenizer drops, such as
    case, are one word; the first line of it that has similar words counts.

    500,000 words with 10 similar ones each take 80 MB (250 MB while they are read, which takes a
    quarter of a minute). Can be pickled, for worker processes.

    Attributes:
        sha256: of the file's lines, whatever its line ends and compression.
    """

    def __init__(self, rows: dict[bytes, int], groups: dict[int, _Group], sha256: str):
        self._rows = rows
        self._groups = groups
        # For each word of a length a byte: whether it has similar words.
        self._has = {n: (np.diff(group.spans) > 0).tobytes() for n, group in groups.items()}
        self.sha256 = sha256

    @classmethod
    def from_file(cls, path: str, tokenizer: Tokenizer) -> "SimilarWords":
        """Reads a file of similar words.

        Words with ``[UNK]`` or without any piece are left out, and of the similar ones those of
        another number of pieces than the word's, or of the same pieces. A word that has no
        similar one left stays among the ``random_words``.

        Args:
            path: the file.
            tokenizer: that of the text in which the words are looked up.

        Raises:
            DataError: the file is missing, empty or not UTF-8, or a line has no tab, no word, or
                a word that has a line already.
        """
        keys = _Keys(tokenizer)
        lines: dict[str, int] = {}
        rows: dict[bytes, int] = {}
        drafts: dict[int, _Draft] = {}
        digest = hashlib.sha256()
        for number, line in enumerate(files.read_lines(path), 1):
            digest.update(f"{line}\n".encode())
            word, tab, similar = line.partition("\t")
            if not tab or not word:
                raise DataError(
                    f"{path}:{number}: no {'word' if tab else 'tab'}; expected a word, a tab, and "
                    "similar words parted by blanks"
                )
            if lines.setdefault(word, number) != number:
                raise DataError(
                    f"{path}:{number}: {word!r} is already on line {lines[word]}; "
                    "expected every word once"
                )
            key = keys[word]
            if key:
                others = dict.fromkeys(keys[text] for text in similar.split(" "))
                others.pop(key, None)
                draft = drafts.setdefault(len(key) // _ID.itemsize, _Draft(rows))
                draft.add(key, [other for other in others if len(other) == len(key)])
        if not lines:
            raise DataError(f"{path}: is empty; expected lines of a word, a tab and similar words")
        groups = {length: draft.group(length) for length, draft in drafts.items()}
        return cls(rows, groups, digest.hexdigest())

    def __contains__(self, key: bytes) -> bool:
        """Whether the word of that key has similar words."""
        row = self._rows.get(key)
        return row is not None and bool(self._has[len(key) // _ID.itemsize][row])

    def candidates(self, pieces: bytes | Sequence[int] | np.ndarray) -> np.ndarray | None:
        """Returns the similar words of a word.

        Args:
            pieces: its ids, or their bytes as little-endian int32.

        Returns:
            int32 [candidates, pieces], best first; None where there is none.
        """
        key = pieces if isinstance(pieces, bytes) else np.asarray(pieces, _ID).tobytes()
        row = self._rows.get(key)
        if row is None:
            return None
        group = self._groups[len(key) // _ID.itemsize]
        start, stop = group.spans[row]
        return group.words[group.similar[start:stop]] if start < stop else None

    def random_words(self, num_pieces: int) -> np.ndarray | None:
        """Returns all words of a length, each once, in the order in which the file names them.

        Returns:
            int32 [words, num_pieces]; None where there is none.
        """
        group = self._groups.get(num_pieces)
        return None if group is None else group.words

    def counts(self) -> dict[str, int]:
        """Returns what there is.

        - words: those that are only similar to others included;
        - words_with_candidates: those of them that have similar words;
        - candidates: how many similar words they have, all together.
        """
        groups = self._groups.values()
        return {
            "words": len(self._rows),
            "words_with_candidates": sum(
                int(np.count_nonzero(np.diff(group.spans))) for group in groups
            ),
            "candidates": sum(len(group.similar) for group in groups),
        }


class _Keys(dict):
    """The key of a word: ``keys[word]``, remembered; empty for one that can't be used."""

    def __init__(self, tokenizer: Tokenizer):
        super().__init__()
        self._tokenizer = tokenizer
        self._unknown = tokenizer.vocabulary.ids[UNK]

    def __missing__(self, word: str) -> bytes:
        ids = [piece.id for piece in self._tokenizer.tokenize(word)]
        key = self[word] = b"" if self._unknown in ids else np.array(ids, _ID).tobytes()
        return key


class _Draft:
    """A group that grows, in arrays that take no more than the numbers themselves.

    Args:
        rows: the row of each key in its group; new ones are added.
    """

    def __init__(self, rows: dict[bytes, int]):
        self._rows = rows
        self._words = bytearray()
        self._spans = array.array("i")
        self._similar = array.array("i")

    def add(self, key: bytes, similar: list[bytes]) -> None:
        row = self._row(key)
        if self._spans[2 * row] < self._spans[2 * row + 1]:
            return
        start = len(self._similar)
        self._similar.extend([self._row(other) for other in similar])
        self._spans[2 * row : 2 * row + 2] = array.array("i", [start, len(self._similar)])

    def _row(self, key: bytes) -> int:
        new = len(self._spans) // 2
        row = self._rows.setdefault(key, new)
        if row == new:
            self._words += key
            self._spans.extend((0, 0))
        return row

    def group(self, length: int) -> _Group:
        return _Group(
            np.frombuffer(bytes(self._words), _ID).reshape(-1, length),
            np.array(self._spans, np.int32).reshape(-1, 2),
            np.array(self._similar, np.int32),
        )
