"""What to put at the places to be predicted."""

from typing import List, NamedTuple, Sequence

import numpy as np

KEPT, MASKED, RANDOM = range(3)


class Corruption(NamedTuple):
    """What stands at the selected positions afterwards.

    Attributes:
        ids: the new id of each position.
        kinds: KEPT, MASKED or RANDOM, as drawn (a random piece may happen to be the original).
    """

    ids: List[int]
    kinds: List[int]


def mask_80_10_10(
    originals: Sequence[int], mask_id: int, vocab_size: int, rng: np.random.Generator
) -> Corruption:
    """``[MASK]`` for 80 %, the original for 10 %, a random piece for 10 %; drawn piece by piece.

    Also within a word: "一个词中的所有字的mask方式是随机的" (ymcui/Chinese-BERT-wwm#33). Random
    pieces come from the whole vocabulary, special ones included (create_pretraining_data.py).

    Args:
        originals: ids of the selected pieces.
        mask_id: id of ``[MASK]``.
        vocab_size: number of pieces to draw from.
        rng: source of randomness; only ``random()`` is drawn from.
    """
    choices = rng.random(len(originals))
    replacements = (rng.random(len(originals)) * vocab_size).astype(np.int64)
    kinds = np.where(choices < 0.8, MASKED, np.where(choices < 0.9, KEPT, RANDOM))
    ids = np.where(kinds == MASKED, mask_id, np.where(kinds == KEPT, originals, replacements))
    return Corruption(ids.tolist(), kinds.tolist())
