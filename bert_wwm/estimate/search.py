"""The largest batch that fits, in few trials: each is a compilation of about a minute."""

from collections.abc import Callable
from typing import Any, NamedTuple

# Batches are multiples of 8, which fill the rows of a TPU's vectors; below 8 any, and from 512 on
# multiples of 1/64 to 1/32 of them: finer steps aren't worth the trials.
_ROWS, _FINEST = 8, 1 / 32
_SPREAD = 1 / 8  # the minimum distance to the next trial, so that it brackets the limit


class Trial(NamedTuple):
    """A batch, tried."""

    batch: int
    used_bytes: int | None  # that it needs; None if unknown
    outcome: Any  # None if it doesn't fit


def find_largest_batch(
    attempt: Callable[[int], Trial], first: Trial, limit_bytes: float, fixed_bytes: float
) -> Trial | None:
    """Returns the largest batch that fits, or None; the first trial is already made.

    Memory grows about linearly with the batch, until near the limit the compiler computes things
    again rather than keep them. So where only one side of the limit is known, the next trial is on
    the straight line, or a bit beyond; between the two sides the range is halved. Any batch needs
    ``fixed_bytes`` for weights and slots.
    """
    fits = first if first.outcome is not None else None
    fails = None if fits else first
    spread = _SPREAD
    least = next_batch(fits.batch if fits else 0)
    while not fails or least < fails.batch:
        if fits and fails:
            target = (fits.batch + fails.batch) / 2
        elif fits:
            line = _extrapolate(fits, limit_bytes, fixed_bytes)
            target = max(line, fits.batch * (1 + spread))
            spread *= 2
        elif fails:
            line = _extrapolate(fails, limit_bytes, fixed_bytes)
            target = min(line, fails.batch * (1 - min(spread, 1 / 2)))
            spread *= 2
        trial = attempt(max(_round_down(target), least))
        if trial.outcome is not None:
            fits, least = trial, next_batch(trial.batch)
        else:
            fails = trial
    return fits


def _extrapolate(trial: Trial, limit_bytes: float, fixed_bytes: float) -> float:
    """Returns the batch that fills the memory if memory grows with the batch; half, if unknown."""
    variable = (trial.used_bytes or 0) - fixed_bytes
    if variable <= 0:
        return trial.batch * (2 if trial.outcome is not None else 1 / 2)
    return trial.batch * (limit_bytes - fixed_bytes) / variable


def next_batch(batch: int) -> int:
    """Returns the next larger batch of those that are tried."""
    return (batch // _unit(batch) + 1) * _unit(batch)


def _round_down(batch: float) -> int:
    whole = max(0, int(batch))
    return whole // _unit(whole) * _unit(whole)


def _unit(batch: int) -> int:
    """Returns the number that batches of about this size are multiples of."""
    if batch < _ROWS:
        return 1
    return max(_ROWS, int(2 ** (batch.bit_length() - 1) * _FINEST))
