"""vocab.txt: pieces and their ids."""

import hashlib
from collections.abc import Iterable, Sequence

from bert_wwm.core import files, stand_ins
from bert_wwm.core.errors import DataError, list_few

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)


class Vocabulary:
    """The pieces of a model, numbered by their line in ``vocab.txt``, from 0."""

    def __init__(self, pieces: Sequence[str], path: str = "<vocabulary>"):
        self.pieces: list[str] = list(pieces)
        self.path = path
        self.ids: dict[str, int] = {}
        for index, piece in enumerate(self.pieces):
            if self.ids.setdefault(piece, index) != index:
                raise DataError(
                    f"{path}:{index + 1}: {piece!r} is already on line {self.ids[piece] + 1}; "
                    "expected every piece once"
                )

    @classmethod
    def from_file(cls, path: str, required: Iterable[str] = SPECIAL_TOKENS) -> "Vocabulary":
        """Reads a file of one piece a line, without the spaces around it.

        Raises DataError for a broken file, and where a piece is there twice or a required one not.
        """
        stand_ins.refuse(path)
        files.refuse_bomb(path)
        # Google's Chinese vocabulary holds U+2028, which strip() would treat as a space.
        pieces = [line.strip(" \t\r") for line in files.read_lines(path)]
        while pieces and not pieces[-1]:
            pieces.pop()
        if not pieces:
            raise DataError(f"{path}: is empty; expected a vocabulary of one piece a line")
        vocabulary = cls(pieces, path)
        missing = [piece for piece in required if piece not in vocabulary.ids]
        if missing:
            raise DataError(
                f"{path}: lacks {list_few(missing)}; expected a BERT vocabulary with "
                f"{', '.join(required)}"
            )
        return vocabulary

    def __len__(self) -> int:
        return len(self.pieces)

    def __contains__(self, piece: str) -> bool:
        return piece in self.ids

    def sha256(self) -> str:
        """The SHA-256 of the pieces, one a line: that of the file, whatever its line ends."""
        return hashlib.sha256("".join(f"{p}\n" for p in self.pieces).encode("utf-8")).hexdigest()
