"""The table of masking strategies: what to select, what to put there, and what else to predict."""

from typing import NamedTuple

from bert_wwm.core.registry import Registry
from bert_wwm.masking import corruption, selection
from bert_wwm.masking.corruption import Corruption
from bert_wwm.masking.selection import UnitMaker


class Strategy(NamedTuple):
    """A way to turn text into a training signal."""

    name: str  # as the flag and the manifest of the records have it
    summary: str  # one line for the help
    units: UnitMaker  # makes the units that are selected as a whole
    corrupt: Corruption  # draws units, and replaces them
    pairing: str = "nsp"  # how sequences are made of documents, unless a flag says otherwise
    has_linguistic_labels: bool = False  # whether tags of the words are predicted too (LERT)
    # Readings of the corruption's further labels, the default first; one is recorded.
    targets: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()  # within which pieces change places, the default first

    @property
    def needs_words(self) -> bool:
        """Whether it masks by words or predicts their tags: single pieces need no segmenter."""
        return self.units is not selection.pieces or self.has_linguistic_labels

    @property
    def needs_similar_words(self) -> bool:
        """Whether words are replaced by similar ones."""
        return self.corrupt is corruption.similar_words_80_10_10


STRATEGIES: Registry[Strategy] = Registry("masking strategy")

_WORDS, _NGRAMS, _MASK = selection.whole_words, selection.ngrams, corruption.mask_80_10_10

for _strategy in (
    Strategy("piece", "single pieces, 80/10/10: the original BERT", selection.pieces, _MASK),
    Strategy(
        "wwm",
        "whole words, 80/10/10: BERT-wwm and, with --pairing=contiguous, RoBERTa-wwm",
        _WORDS,
        _MASK,
    ),
    Strategy("ngram", "1 to 4 words, 80/10/10", _NGRAMS, _MASK),
    Strategy(
        "macbert",
        "1 to 4 words, replaced by similar ones: MacBERT",
        _NGRAMS,
        corruption.similar_words_80_10_10,
        pairing="sop",
    ),
    Strategy(
        "pert",
        "1 to 4 words, permuted: PERT",
        _NGRAMS,
        corruption.permute,
        pairing="contiguous",
        targets=("pointers", "origins"),
        scopes=("segment", "unit", "sequence"),
    ),
    Strategy(
        "lert",
        "1 to 4 words, 80/10/10, with their part of speech, entity and dependency: LERT",
        _NGRAMS,
        _MASK,
        pairing="contiguous",
        has_linguistic_labels=True,
    ),
):
    STRATEGIES.add(_strategy.name, _strategy)
