"""The table of masking strategies: what to select, and what to put there."""

from typing import Callable, List, NamedTuple, Sequence

from bert_wwm.core.registry import Registry
from bert_wwm.masking import corruption, selection
from bert_wwm.masking.corruption import Corruption
from bert_wwm.masking.selection import Unit


class Strategy(NamedTuple):
    """A way to turn text into a training signal.

    Attributes:
        name: as the manifest of the records has it.
        units: words (spans of token positions) -> the units that are masked as a whole.
        corrupt: (original ids, id of [MASK], size of the vocabulary, rng) -> Corruption.
    """

    name: str
    units: Callable[[Sequence[Unit]], List[Unit]]
    corrupt: Callable[..., Corruption]


STRATEGIES: Registry[Strategy] = Registry("masking strategy")

for _strategy in (
    Strategy("piece", selection.pieces, corruption.mask_80_10_10),
    Strategy("whole_word", selection.whole_words, corruption.mask_80_10_10),
):
    STRATEGIES.add(_strategy.name, _strategy)
