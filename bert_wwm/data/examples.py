"""Instances to features: what the training examples of a block hold.

Pure: the examples of a block depend on its text, its place in the corpus, the settings and the
seed, on nothing else. B sequences, S tokens of a sequence, P predictions of a sequence.
"""

import dataclasses

import numpy as np

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.seeding import rng_for
from bert_wwm.corpus.blocks import Place
from bert_wwm.data.counts import Counts
from bert_wwm.data.instances import PAIRINGS, Instances, Pairing, make_instances
from bert_wwm.data.tokenized import TokenizedBlock
from bert_wwm.masking import corruption, selection
from bert_wwm.masking.corruption import Predictions
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.masking.sequences import Sequences
from bert_wwm.masking.strategies import STRATEGIES, Strategy
from bert_wwm.text.similar_words import SimilarWords
from bert_wwm.text.vocabulary import CLS, MASK, PAD, SEP, Vocabulary

Features = dict[str, np.ndarray]  # [examples, length of the field]

_LONGEST = 1 << 16  # tokens; far more than any model reads
_INSTANCES, _MASKS = range(2)  # streams of random numbers


@dataclasses.dataclass(frozen=True)
class ExampleSettings:
    """What examples are made of; google-research/bert's flags of the same names.

    Attributes:
        strategy: name of the masking strategy.
        pairing: name of the way in which sequences are made of documents.
        max_seq_length: tokens of a sequence, special tokens included.
        max_predictions_per_seq: most pieces to predict in a sequence.
        masked_lm_prob: share of the tokens to predict, as a fraction of 1.
        short_seq_prob: share of the passes over a document that aim at shorter sequences.
        seed: the run's seed.
        lert_labels: for ``lert``, the linguistic labels that are wanted.
        pert_target: for ``pert``, which reading of its targets.
    """

    strategy: str
    pairing: str
    max_seq_length: int
    max_predictions_per_seq: int
    masked_lm_prob: float
    short_seq_prob: float
    seed: int
    lert_labels: tuple[str, ...] = ()
    pert_target: str = ""

    def __post_init__(self) -> None:
        shortest = PAIRINGS[self.pairing].num_special_tokens + 2
        for name, low, high in (
            ("max_seq_length", shortest, _LONGEST),
            ("max_predictions_per_seq", 1, _LONGEST),
            ("masked_lm_prob", 0, 1),
            ("short_seq_prob", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"--{name}={value}: out of range; expected {low} to {high}")

    @property
    def max_pieces(self) -> int:
        """What fits into a sequence beside the special tokens, in pieces."""
        return self.max_seq_length - PAIRINGS[self.pairing].num_special_tokens


class ExampleMaker:
    """Makes the examples of blocks with one vocabulary and one set of settings; can be pickled.

    Args:
        vocabulary: the pieces.
        settings: what examples are made of.
        similar_words: for strategies that put similar words in place of words.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        settings: ExampleSettings,
        similar_words: SimilarWords | None = None,
    ):
        self.settings = settings
        self._pad, self._cls, self._sep, mask = (
            vocabulary.ids[token] for token in (PAD, CLS, SEP, MASK)
        )
        self._vocabulary = corruption.Vocabulary(mask, len(vocabulary), similar_words)

    @property
    def _strategy(self) -> Strategy:
        return STRATEGIES[self.settings.strategy]

    @property
    def _pairing(self) -> Pairing:
        return PAIRINGS[self.settings.pairing]

    def features(
        self, block: TokenizedBlock, place: Place, duplicate: int, counts: Counts
    ) -> Features:
        """Returns the examples of one pass over a block.

        Args:
            block: its documents.
            place: of the block in the corpus.
            duplicate: which of the passes.
            counts: takes what is counted on the way.
        """
        settings = self.settings
        rng = rng_for(settings.seed, *place, duplicate, _INSTANCES)
        instances = make_instances(
            block, self._pairing, settings.max_seq_length, settings.short_seq_prob, rng, counts
        )
        sequences, source = self._sequences(block, instances)
        rng = rng_for(settings.seed, *place, duplicate, _MASKS)
        budget = selection.budgets(
            sequences.lengths, settings.masked_lm_prob, settings.max_predictions_per_seq
        )
        units = self._strategy.units(sequences.words(), rng)
        predictions = self._strategy.corrupt(sequences, units, budget, self._vocabulary, rng)

        features = {
            **self._inputs(sequences, instances, predictions),
            **self._predictions(predictions, len(sequences.ids)),
        }
        for task in settings.lert_labels:
            tags = block.tags[task][source[predictions.rows, predictions.columns]]
            features[INVENTORIES[task].feature] = self._padded(predictions, tags, len(source))
        if settings.pert_target:
            target = predictions.targets[settings.pert_target]
            features["target_positions"] = self._padded(predictions, target, len(source))
        if self._pairing.has_loss:
            features["next_sentence_labels"] = instances.labels[:, None]

        # A sequence may be so short that no unit fits its budget.
        kept = np.bincount(predictions.rows, minlength=len(source)) > 0
        counts.instances += int(kept.sum())
        counts.instances_without_prediction += int((~kept).sum())
        counts.pairs_labelled_1 += int(instances.labels[kept].sum())
        counts.tokens += int(sequences.lengths[kept].sum())
        counts.budget += int(budget[kept].sum())
        counts.add_predictions(units, predictions)
        return {name: values[kept] for name, values in features.items()}

    def _sequences(
        self, block: TokenizedBlock, instances: Instances
    ) -> tuple[Sequences, np.ndarray]:
        """Returns the sequences, and for each of their tokens which piece of the block it is.

        int64 [B, S]; special tokens and padding have -1.
        """
        count, segments = instances.lengths.shape
        columns = np.arange(self.settings.max_seq_length)
        source = np.full((count, len(columns)), -1)
        is_separator = np.zeros(source.shape, bool)
        rows = np.arange(count)
        begin = np.ones(count, np.int64)  # behind [CLS]
        firsts = []
        for segment in range(segments):
            end = begin + instances.lengths[:, segment]
            within = (columns >= begin[:, None]) & (columns < end[:, None])
            shift = instances.starts[:, segment] - begin
            np.copyto(source, columns + shift[:, None], where=within)
            is_separator[rows, end] = True
            firsts.append(begin)
            begin = end + 1
        is_piece = source >= 0
        ids = np.where(is_piece, block.ids[source], np.int32(self._pad))
        ids[:, 0] = self._cls
        ids[is_separator] = self._sep
        word_starts = block.word_starts[source] & is_piece
        for first in firsts:
            word_starts[rows, first] = True
        return Sequences(ids, begin, word_starts, is_separator), source

    def _inputs(
        self, sequences: Sequences, instances: Instances, predictions: Predictions
    ) -> Features:
        ids = sequences.ids.copy()
        ids[predictions.rows, predictions.columns] = predictions.ids
        columns = np.arange(ids.shape[1])
        used = columns < sequences.lengths[:, None]
        is_second = columns >= instances.lengths[:, :1] + 2
        return {
            "input_ids": ids,
            "input_mask": used.astype(np.uint8),
            "segment_ids": (used & is_second).astype(np.uint8),
        }

    def _predictions(self, predictions: Predictions, count: int) -> Features:
        return {
            "masked_lm_positions": self._padded(predictions, predictions.columns, count),
            "masked_lm_ids": self._padded(predictions, predictions.labels, count),
            "masked_lm_weights": self._padded(
                predictions, np.ones(len(predictions.rows), np.float32), count
            ),
        }

    def _padded(self, predictions: Predictions, values: np.ndarray, count: int) -> np.ndarray:
        """[B, P]: values of the predictions, 0 behind those of each sequence."""
        sizes = np.bincount(predictions.rows, minlength=count)
        index = np.arange(len(predictions.rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        result = np.zeros((count, self.settings.max_predictions_per_seq), values.dtype)
        result[predictions.rows, index] = values
        return result
