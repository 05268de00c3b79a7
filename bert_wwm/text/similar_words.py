"""Words and those similar to them, as numbers of pieces: MacBERT puts these in place of a word.

A file of similar words is UTF-8 text (or .gz) of lines ``word<TAB>similar similar ...``, best
first, separated by single spaces; scripts/make_similar_words.py makes one from word vectors.
"""

import collections
import functools
import hashlib
from collections.abc import Sequence

import numpy as np

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import UNK

_ID = np.dtype("<i4")


class SimilarWords:
    """The similar words of each word, of the same number of pieces as it.

    A word's key is the bytes of its ids as little-endian int32, ``ids.tobytes()``: to look up a
    slice of an array costs little. Words that differ only in what the tokenizer drops, such as
    case, are one word; the first line of it that has similar words counts.

    500,000 words with 10 similar ones each take 120 MB. Can be pickled, for worker processes.
    """

    def __init__(self, similar: dict[bytes, bytes], sha256: str):
        self.sha256 = sha256  # of the file's lines, whatever its line ends and compression
        self._similar = similar  # for each key those of the similar words, best first, put together
        keys: dict[int, list[bytes]] = collections.defaultdict(list)
        for key in similar:
            keys[len(key) // _ID.itemsize].append(key)
        self._words = {n: _split_ids(b"".join(found), n) for n, found in keys.items()}

    @classmethod
    def from_file(cls, path: str, tokenizer: Tokenizer) -> "SimilarWords":
        """Reads a file of similar words for text of this tokenizer.

        Words with ``[UNK]`` or without any piece are left out, and of the similar ones those of
        another number of pieces than the word's, or of the same pieces. A word that has no
        similar one left stays in ``list_words``.
        """
        unknown = tokenizer.vocabulary.ids[UNK]

        @functools.cache
        def make_key(word: str) -> bytes:
            ids = [piece.id for piece in tokenizer.tokenize(word)]
            return b"" if unknown in ids else np.array(ids, _ID).tobytes()

        lines: dict[str, int] = {}
        found: dict[bytes, bytes] = {}
        digest = hashlib.sha256()
        for number, line in enumerate(files.read_lines(path), 1):
            digest.update(f"{line}\n".encode())
            word, tab, similar = line.partition("\t")
            if not tab or not word:
                raise DataError(
                    f"{path}:{number}: no {'word' if tab else 'tab'}; expected a word, a tab, and "
                    "similar words separated by spaces"
                )
            if lines.setdefault(word, number) != number:
                raise DataError(
                    f"{path}:{number}: {word!r} is already on line {lines[word]}; "
                    "expected every word once"
                )
            key = make_key(word)
            if not key or found.setdefault(key, b""):
                continue
            keys = dict.fromkeys(make_key(text) for text in similar.split(" "))
            others = [other for other in keys if len(other) == len(key) and other != key]
            for other in others:
                found.setdefault(other, b"")
            found[key] = b"".join(others)
        if not lines:
            raise DataError(f"{path}: is empty; expected lines of a word, a tab and similar words")
        return cls(found, digest.hexdigest())

    def __contains__(self, key: bytes) -> bool:
        """True where the word of that key has similar words."""
        return bool(self._similar.get(key))

    def candidates(self, pieces: bytes | Sequence[int] | np.ndarray) -> np.ndarray | None:
        """Returns the words similar to that of these ids (or their bytes), best first, or None.

        int32 [candidates, pieces].
        """
        key = pieces if isinstance(pieces, bytes) else np.asarray(pieces, _ID).tobytes()
        similar = self._similar.get(key)
        return _split_ids(similar, len(key) // _ID.itemsize) if similar else None

    def list_words(self, num_pieces: int) -> np.ndarray | None:
        """Returns all words of a length, each once, in the order of the file, or None.

        int32 [words, num_pieces].
        """
        return self._words.get(num_pieces)

    def counts(self) -> dict[str, int]:
        """Counts words, those only similar to others among them, and their similar words."""
        return {
            "words": len(self._similar),
            "words_with_candidates": sum(map(bool, self._similar.values())),
            "candidates": sum(len(words) // len(key) for key, words in self._similar.items()),
        }


def _split_ids(words: bytes, length: int) -> np.ndarray:
    return np.frombuffer(words, _ID).reshape(-1, length)
