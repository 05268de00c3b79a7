"""Document in, features out: what one training example holds.

Pure: the examples of a document depend on its block, its place there, the settings and the seed,
on nothing else.
"""

import dataclasses
import math
from typing import Dict, Iterator, List, Sequence, Union

import numpy as np

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.seeding import rng_for
from bert_wwm.data.counts import Counts
from bert_wwm.data.instances import MIN_SEQ_LENGTH, NUM_SPECIAL_TOKENS, Pair, next_sentence_pairs
from bert_wwm.data.tokenized import TokenizedDocument
from bert_wwm.masking import corruption, selection
from bert_wwm.masking.selection import Unit
from bert_wwm.masking.strategies import STRATEGIES, Strategy
from bert_wwm.text.vocabulary import CLS, MASK, PAD, SEP, Vocabulary

Features = Dict[str, Union[List[int], List[float]]]


@dataclasses.dataclass(frozen=True)
class ExampleSettings:
    """What examples are made of; google-research/bert's flags of the same names.

    Attributes:
        strategy: name of the masking strategy.
        max_seq_length: tokens of a sequence, special tokens included.
        max_predictions_per_seq: most pieces to predict in a sequence.
        masked_lm_prob: share of the tokens to predict, as a fraction of 1.
        short_seq_prob: share of the passes over a document that aim at shorter sequences.
        seed: the run's seed.
    """

    strategy: str
    max_seq_length: int
    max_predictions_per_seq: int
    masked_lm_prob: float
    short_seq_prob: float
    seed: int

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_seq_length", MIN_SEQ_LENGTH, math.inf),
            ("max_predictions_per_seq", 1, math.inf),
            ("masked_lm_prob", 0, 1),
            ("short_seq_prob", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"--{name}={value}: out of range; expected {low} to {high}")

    @property
    def max_pieces(self) -> int:
        """What fits into a sequence beside the special tokens, in pieces."""
        return self.max_seq_length - NUM_SPECIAL_TOKENS


class ExampleMaker:
    """Makes the examples of documents with one vocabulary and one set of settings."""

    def __init__(self, vocabulary: Vocabulary, settings: ExampleSettings):
        self.settings = settings
        self._strategy: Strategy = STRATEGIES[settings.strategy]
        self._vocab_size = len(vocabulary)
        self._pad, self._cls, self._sep, self._mask = (
            vocabulary.ids[token] for token in (PAD, CLS, SEP, MASK)
        )

    def examples(
        self,
        block: Sequence[TokenizedDocument],
        block_number: int,
        index: int,
        duplicate: int,
        counts: Counts,
    ) -> Iterator[Features]:
        """Yields the examples of one pass over one document.

        Args:
            block: the documents of the block.
            block_number: the block's number within the corpus.
            index: the document's number within the block.
            duplicate: which of the passes.
            counts: takes what is counted on the way.
        """
        rng = rng_for(self.settings.seed, block_number, index, duplicate)
        pairs = next_sentence_pairs(
            block, index, self.settings.max_seq_length, self.settings.short_seq_prob, rng, counts
        )
        for pair in pairs:
            yield self._features(pair, rng, counts)

    def _features(self, pair: Pair, rng: np.random.Generator, counts: Counts) -> Features:
        first, second = pair.first, pair.second
        ids = [self._cls, *first.ids, self._sep, *second.ids, self._sep]
        words = _spans(first.words, 1) + _spans(second.words, len(first.ids) + 2)
        num_to_mask = selection.budget(
            len(ids), self.settings.masked_lm_prob, self.settings.max_predictions_per_seq
        )
        positions = selection.draw(self._strategy.units(words), num_to_mask, rng)
        labels = [ids[position] for position in positions]
        corrupted = self._strategy.corrupt(labels, self._mask, self._vocab_size, rng)
        for position, new_id in zip(positions, corrupted.ids):
            ids[position] = new_id

        counts.instances += 1
        counts.random_next += pair.is_random_next
        counts.tokens += len(ids)
        counts.budget += num_to_mask
        counts.masked += len(positions)
        counts.as_mask += corrupted.kinds.count(corruption.MASKED)
        counts.as_random += corrupted.kinds.count(corruption.RANDOM)
        counts.as_kept += corrupted.kinds.count(corruption.KEPT)

        length = self.settings.max_seq_length
        predictions = self.settings.max_predictions_per_seq
        segment_ids = [0] * (len(first.ids) + 2) + [1] * (len(second.ids) + 1)
        return {
            "input_ids": _pad(ids, length, self._pad),
            "input_mask": _pad([1] * len(ids), length, 0),
            "segment_ids": _pad(segment_ids, length, 0),
            "masked_lm_positions": _pad(positions, predictions, 0),
            "masked_lm_ids": _pad(labels, predictions, 0),
            "masked_lm_weights": _pad([1.0] * len(positions), predictions, 0.0),
            "next_sentence_labels": [int(pair.is_random_next)],
        }


def _spans(lengths: Sequence[int], start: int) -> List[Unit]:
    spans = []
    for length in lengths:
        spans.append((start, start + length))
        start += length
    return spans


def _pad(values: List, length: int, padding: float) -> List:
    return values + [padding] * (length - len(values))
