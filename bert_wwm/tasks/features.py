"""Features of many sequences, without padding, and the arrays of a batch of them."""

import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

INPUT_IDS, SEGMENT_IDS, INPUT_MASK = "input_ids", "segment_ids", "input_mask"


@dataclasses.dataclass
class FeatureTable:
    """n sequences of T tokens in all."""

    # int64 [n + 1]; the tokens of sequence i are ``offsets[i]`` to ``offsets[i + 1]``.
    offsets: np.ndarray
    # Features of tokens by name, [T]; ``input_ids`` and ``segment_ids`` at least. Those that only
    # decoding needs (spans of characters) are here too.
    tokens: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]  # of sequences, [n]: labels, positions, the number of its example

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sequence: int64 [n]."""
        return np.diff(self.offsets)

    def of_tokens(self, name: str, row: int) -> np.ndarray:
        """Returns a feature of the tokens of a sequence: [length]."""
        return self.tokens[name][self.offsets[row] : self.offsets[row + 1]]

    def batch(
        self, rows: np.ndarray, length: int, names: Sequence[str], padding: Mapping[str, int]
    ) -> dict[str, np.ndarray]:
        """Returns features of some sequences, ``rows`` int64 [B], padded to a length S.

        They are int32 [B, S] for tokens, padded with 0 or the number in ``padding``, and [B] for
        sequences; and ``input_mask``, 0 at padding, unless the tokens have one of their own.
        """
        places = np.arange(length)
        inside = places < self.lengths[rows][:, None]
        positions = np.where(inside, self.offsets[rows][:, None] + places, 0)
        arrays = {INPUT_MASK: inside.astype(np.int32)}
        if INPUT_MASK in self.tokens:
            names = (INPUT_MASK, *names)
        for name in names:
            if name in self.rows:
                arrays[name] = self.rows[name][rows].astype(np.int32)
            else:
                values = self.tokens[name][positions].astype(np.int32)
                arrays[name] = np.where(inside, values, np.int32(padding.get(name, 0)))
        return arrays

    def to_bytes(self) -> bytes:
        """Returns the content of an ``.npz`` file."""
        # Of any type, as numpy 2's types take these for the switch allow_pickle too.
        arrays: dict[str, Any] = {f"tokens/{name}": table for name, table in self.tokens.items()}
        arrays.update({f"rows/{name}": values for name, values in self.rows.items()})
        stream = io.BytesIO()
        np.savez(stream, offsets=self.offsets, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "FeatureTable":
        """Returns the table of ``to_bytes``.

        Raises ValueError, KeyError, EOFError or zipfile.BadZipFile for anything else.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            kinds: dict[str, dict[str, np.ndarray]] = {"tokens": {}, "rows": {}}
            for key in arrays.files:
                kind, _, name = key.partition("/")
                if name:
                    kinds[kind][name] = arrays[key]
            return cls(arrays["offsets"], kinds["tokens"], kinds["rows"])


def join_tables(tables: Iterable[FeatureTable]) -> FeatureTable:
    """Joins tables of the same names."""
    parts = list(tables)
    return FeatureTable(
        compute_offsets(np.concatenate([part.lengths for part in parts])),
        {name: np.concatenate([part.tokens[name] for part in parts]) for name in parts[0].tokens},
        {name: np.concatenate([part.rows[name] for part in parts]) for name in parts[0].rows},
    )


def compute_offsets(lengths: np.ndarray) -> np.ndarray:
    """Returns where consecutive stretches of these lengths begin, and the last ends: [n + 1]."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def ranges(begins: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns ``begins[i]`` up to ``begins[i] + counts[i]`` for each i in a row, of integers [n].

    For example, ``ranges([5, 0], [2, 3])`` is [5, 6, 0, 1, 2].
    """
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - (ends - counts), counts)
