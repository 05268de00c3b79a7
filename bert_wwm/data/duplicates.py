"""Which documents were seen before: by a hash of 64 bits, eight bytes of memory a document.

Of 20 million different documents two share a hash, so that one is lost, with a probability of 1e-5
(half the square of their number, divided by 2 ** 64).
"""

import hashlib
from collections.abc import Iterable

import numpy as np

HASH_BYTES = 8
_HASH = np.dtype("<u8")


def hash_document(document: bytes) -> bytes:
    """Returns the hash of a document: HASH_BYTES of BLAKE2b."""
    return hashlib.blake2b(document, digest_size=HASH_BYTES).digest()


class SeenHashes:
    """A set of hashes: sorted arrays, each more than twice as long as the next.

    So looking up touches few arrays, and each hash is merged into a longer one only as often as
    they double. Memory is eight bytes a hash, and for the moment of a merge as much again.
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, hashes: Iterable[bytes]) -> list[bool]:
        """Adds hashes; returns for each whether it is new: neither there nor earlier among them."""
        values = np.frombuffer(b"".join(hashes), _HASH)
        first = np.unique(values, return_index=True)[1]
        new = np.zeros(len(values), bool)
        new[first] = True
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, values), len(run) - 1)
            new &= run[places] != values
        added = np.sort(values[new])
        if len(added):
            while self._runs and len(self._runs[-1]) <= 2 * len(added):
                # Stable sorting merges what is sorted already.
                added = np.sort(np.concatenate([self._runs.pop(), added]), kind="stable")
            self._runs.append(added)
        return new.tolist()
