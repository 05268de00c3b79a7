"""Hidden states as JSON lines, the text that google-research/bert's ``extract_features.py`` writes.

A line holds some hundred thousand numbers. To round and print each by itself takes Python longer
than the model took to compute them, so NumPy prints them, all at once, by tables.
"""

import json
from collections.abc import Sequence

import numpy as np

# T tokens, L layers, H hidden

_DECIMALS = 6
_ONE = 10**_DECIMALS
_LARGE = 1000  # numbers from there on are left to Python, which they need never be
_TINY = 100  # millionths below which Python writes numbers as 1.2e-05
_SLOT = 16  # bytes for a number with what stands around it; those that it doesn't need are 0
_VALUES = 1 << 16  # numbers that are printed at a time: they stay in the processor's cache


class StateLines:
    """Writes the states of texts as lines, with a vocabulary's pieces and the numbers of layers."""

    def __init__(self, pieces: Sequence[str], layers: Sequence[int]):
        self._pieces = pieces
        self._heads = [f'{{"index": {layer}, "values": ['.encode("ascii") for layer in layers]
        self._tokens: dict[int, bytes] = {}

    def line(self, number: int, ids: np.ndarray, states: np.ndarray) -> bytes:
        """Returns the line, with its end, of a text with ids [T] and states float32 [T, L, H]."""
        rows = iter(json_rows(states.reshape(-1, states.shape[-1])))
        tokens = []
        for token in ids.tolist():
            layers = b", ".join([b"%b%b]}" % (head, next(rows)) for head in self._heads])
            tokens.append(b'{"token": %b, "layers": [%b]}' % (self._token(token), layers))
        return b'{"linex_index": %d, "features": [%b]}\n' % (number, b", ".join(tokens))

    def _token(self, token: int) -> bytes:
        if token not in self._tokens:
            self._tokens[token] = json.dumps(self._pieces[token]).encode("ascii")
        return self._tokens[token]


def json_rows(values: np.ndarray) -> list[bytes]:
    """Returns float32 [rows, n] as JSON, those of a row joined by commas.

    They are those of ``json.dumps([round(float(value), 6) for value in row])``.
    """
    step = max(1, _VALUES // values.shape[1])
    rows: list[bytes] = []
    for at in range(0, len(values), step):
        part = values[at : at + step]
        plain = (np.abs(part) < _LARGE).all(axis=1)  # also False of what is no number
        texts = _plain_rows(np.where(plain[:, None], part, 0))
        for row in np.flatnonzero(~plain).tolist():
            texts[row] = _python_row(part[row])
        rows += texts
    return rows


def _python_row(row: np.ndarray) -> bytes:
    return json.dumps([round(value, _DECIMALS) for value in row.tolist()])[1:-1].encode("ascii")


def _plain_rows(values: np.ndarray) -> list[bytes]:
    """The rows of numbers below _LARGE."""
    # A float32 has 24 binary digits and 10**6 is 2**6 times a number of 14, so that the product is
    # exact in float64, and rint rounds as round() does: correctly, and ties to the even digit.
    millionths = np.abs(np.rint(values.astype(np.float64) * _ONE)).astype(np.int32)
    negative = np.signbit(values)
    whole, decimals = np.divmod(millionths, _ONE)
    high, low = np.divmod(decimals, 1000)
    slots = np.empty((*values.shape, _SLOT), np.uint8)
    slots[..., :8].view(np.uint64)[..., 0] = _WHOLE[whole + _LARGE * negative]
    slots[..., 8:12].view(np.uint32)[..., 0] = _HIGH[high + 1000 * (low == 0)]
    slots[..., 12:].view(np.uint32)[..., 0] = _LOW[low]
    tiny = (millionths < _TINY) & (millionths > 0)
    slots[tiny] = _TINIES[millionths[tiny] + _TINY * negative[tiny]]
    slots[:, 0, 0] = 0  # no blank before the first number of a row, no comma behind the last
    slots[:, -1, -1] = ord("\n")
    return slots.tobytes().translate(None, b"\0").split(b"\n")[:-1]


def _table(texts: Sequence[str], size: int) -> np.ndarray:
    """Returns texts of ASCII, filled up with zeros: uint8 [texts, size]."""
    data = b"".join(text.encode("ascii").ljust(size, b"\0") for text in texts)
    return np.frombuffer(data, np.uint8).reshape(-1, size)


# What stands before the point, of positive and of negative numbers.
_WHOLE = _table([f" {sign}{n}." for sign in ("", "-") for n in range(_LARGE)], 8)
_WHOLE = _WHOLE.view(np.uint64)[:, 0]
# The first three digits behind it: with others to follow, and without.
_DIGITS = [f"{n:03}" for n in range(1000)]
_ENDS = [digits.rstrip("0") for digits in _DIGITS]
_HIGH = _table([*_DIGITS, *(end or "0" for end in _ENDS)], 4).view(np.uint32)[:, 0]
# The last three, and the comma in the last byte.
_LOW = _table([end.ljust(3, "\0") + "," for end in _ENDS], 4).view(np.uint32)[:, 0]
_TINY_TEXTS = [f" {sign}{n / _ONE!r}" for sign in ("", "-") for n in range(_TINY)]
_TINIES = _table([text.ljust(_SLOT - 1, "\0") + "," for text in _TINY_TEXTS], _SLOT)
