"""The search for the largest batch: it finds what trying all of them would, in few trials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.estimate.search import Trial, find_largest_batch

GIB = 2**30
FIXED = 1.2 * GIB


def search(first, most, bytes_per_example, says_bytes=True, kept=1.0):
    """Searches where batches up to ``most`` fit; returns the answer and the batches tried.

    Args:
        kept: of the memory that is in sight, what a batch that fits needs.
    """
    tried = []

    def attempt(batch):
        tried.append(batch)
        fits = batch <= most
        used = int(FIXED + batch * bytes_per_example * (kept if fits else 1.0))
        return Trial(batch, used if fits or says_bytes else None, str(batch) if fits else None)

    limit = FIXED + most * bytes_per_example
    found = find_largest_batch(attempt, attempt(first), limit, FIXED)
    return found, tried


def largest_by_hand(first, most):
    """The largest of the first batch and of those of the grid."""
    grid = [*range(1, 8), *range(8, 512, 8), *range(512, 1024, 16), *range(1024, 2048, 32)]
    candidates = [batch for batch in grid if batch <= most]
    return max([*candidates, *([first] if first <= most else [])], default=None)


@given(
    first=st.integers(1, 1500),
    most=st.integers(0, 2047),
    says_bytes=st.booleans(),
    kept=st.floats(0.3, 1.0),
)
def test_it_finds_the_largest_that_fits_and_tries_nothing_twice(first, most, says_bytes, kept):
    found, tried = search(first, most, 30e6, says_bytes, kept)
    expected = largest_by_hand(first, most)
    assert (found and found.batch) == expected
    assert len(set(tried)) == len(tried)
    assert all(batch >= 1 for batch in tried)
    if found:
        assert found.outcome == str(found.batch)


@pytest.mark.parametrize(
    "first, most", [(320, 410), (128, 57), (48, 64), (16, 13), (320, 330), (64, 2000)]
)
def test_it_takes_few_trials(first, most):
    _, tried = search(first, most, 40e6)
    assert len(tried) <= 6


def test_memory_that_the_compiler_saves_near_the_limit_is_found():
    found, tried = search(64, 200, 70e6, kept=0.6)
    assert found.batch == 200
    assert len(tried) <= 7
