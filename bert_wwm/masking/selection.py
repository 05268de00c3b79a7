"""Which pieces to mask: units of one or more pieces, drawn until the budget is spent."""

from typing import List, Sequence, Tuple

import numpy as np

from bert_wwm.core.seeding import permutation

Unit = Tuple[int, int]  # half-open span of token positions


def budget(num_tokens: int, masked_lm_prob: float, max_predictions: int) -> int:
    """Returns how many pieces to mask.

    Google's rounding (create_pretraining_data.py), halves to even as Python 3 has it.

    Args:
        num_tokens: length of the sequence in pieces, ``[CLS]`` and ``[SEP]`` included.
        masked_lm_prob: share to mask, as a fraction of 1.
        max_predictions: upper bound in pieces.
    """
    return min(max_predictions, max(1, round(num_tokens * masked_lm_prob)))


def pieces(words: Sequence[Unit]) -> List[Unit]:
    """The units of BERT's original masking: each piece by itself."""
    return [(position, position + 1) for start, end in words for position in range(start, end)]


def whole_words(words: Sequence[Unit]) -> List[Unit]:
    """The units of whole word masking: all pieces of a word or none."""
    return list(words)


def draw(units: Sequence[Unit], num_to_mask: int, rng: np.random.Generator) -> List[int]:
    """Draws units at random until the budget is spent; returns their positions in order.

    A unit that would overflow the budget is passed over; a smaller one may fit after it
    (create_pretraining_data.py).

    Args:
        units: spans of token positions that don't overlap.
        num_to_mask: the budget in pieces, never exceeded.
        rng: source of randomness; only ``random()`` is drawn from.
    """
    positions: List[int] = []
    for index in permutation(rng, len(units)):
        if len(positions) >= num_to_mask:
            break
        start, end = units[index]
        if len(positions) + end - start <= num_to_mask:
            positions.extend(range(start, end))
    return sorted(positions)
