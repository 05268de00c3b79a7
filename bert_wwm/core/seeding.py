"""Random numbers that hang on what is worked on, never on the order of the work."""

import hashlib

import numpy as np


def rng_for(seed: int, *place: int) -> np.random.Generator:
    """Returns the random numbers of one piece of work, of that place in the corpus.

    Callers draw with ``random()`` only: the doubles of a PCG64 stream stay the same from one
    version of NumPy to the next, which its other distributions don't promise. So the same seed
    gives the same bytes wherever and in whatever order the work is done.
    """
    key = "/".join(map(str, (seed, *place))).encode("ascii")
    digest = hashlib.blake2b(key, digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def permutation(rng: np.random.Generator, n: int) -> list[int]:
    """Returns the numbers 0 to n - 1 in random order."""
    return rng.random(n).argsort(kind="stable").tolist()


def integer(rng: np.random.Generator, n: int) -> int:
    """Returns a random integer from 0 to n - 1."""
    return int(rng.random() * n)
