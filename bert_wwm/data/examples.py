"""Instances to features: what the training examples of a block hold.

Pure: the examples of a block depend on its text, its place in the corpus, the settings and the
seed, on nothing else. B sequences, S tokens of a sequence, P predictions of a sequence.
"""

import dataclasses
import functools

import numpy as np

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.seeding import rng_for
from bert_wwm.corpus.blocks import Place
from bert_wwm.data.counts import Counts
from bert_wwm.data.instances import PAIRINGS, Instances, Pass, make_instances
from bert_wwm.data.tokenized import TokenizedBlock
from bert_wwm.masking import corruption, selection
from bert_wwm.masking.corruption import Predictions
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.masking.sequences import Sequences
from bert_wwm.masking.strategies import STRATEGIES
from bert_wwm.text.similar_words import SimilarWords
from bert_wwm.text.vocabulary import CLS, MASK, PAD, SEP, Vocabulary

Features = dict[str, np.ndarray]  # [examples, length of the field]

_LONGEST = 1 << 16  # tokens; far more than any model reads
_INSTANCES, _MASKS = range(2)  # streams of random numbers


@dataclasses.dataclass(frozen=True)
class ExampleSettings:
    """What examples are made of; google-research/bert's flags of the same names."""

    strategy: str  # name of the masking strategy
    pairing: str  # name of the way in which sequences are made of documents
    max_seq_length: int  # tokens of a sequence, special tokens included
    max_predictions_per_seq: int  # most pieces to predict in a sequence
    masked_lm_prob: float  # share of the tokens to predict, as a fraction of 1
    short_seq_prob: float  # share of the passes over a document that aim at shorter sequences
    seed: int  # the run's seed
    lert_labels: tuple[str, ...] = ()  # for ``lert``, the linguistic labels that are wanted
    pert_target: str = ""  # for ``pert``, which reading of its targets
    pert_scope: str = ""  # for ``pert``, within what pieces change places

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
    """Makes the examples of blocks with one vocabulary and one set of settings; can be pickled."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        settings: ExampleSettings,
        similar_words: SimilarWords | None = None,
    ):
        self.settings = settings
        self.pad, self._cls, self._sep, mask = (
            vocabulary.ids[token] for token in (PAD, CLS, SEP, MASK)
        )
        self._vocabulary = corruption.Vocabulary(mask, len(vocabulary), similar_words)

    def features(
        self, block: TokenizedBlock, place: Place, duplicate: int, counts: Counts
    ) -> Features:
        """Returns the examples of one pass over a block."""
        settings = self.settings
        strategy, pairing = STRATEGIES[settings.strategy], PAIRINGS[settings.pairing]
        rng = rng_for(settings.seed, *place, duplicate, _INSTANCES)
        run = Pass(block, rng, counts)
        instances = make_instances(run, pairing, settings.max_seq_length, settings.short_seq_prob)
        sequences, source = self._sequences(block, instances)
        rng = rng_for(settings.seed, *place, duplicate, _MASKS)
        budget = selection.budgets(
            sequences.lengths, settings.masked_lm_prob, settings.max_predictions_per_seq
        )
        units = strategy.units(sequences.words(), rng)
        scope = {"scope": settings.pert_scope} if settings.pert_scope else {}
        predictions = strategy.corrupt(sequences, units, budget, self._vocabulary, rng, **scope)

        pad = functools.partial(self._pad_predictions, predictions.rows, len(source))
        features = {
            **_inputs(sequences, instances, predictions),
            "masked_lm_positions": pad(predictions.columns),
            "masked_lm_ids": pad(predictions.labels),
            "masked_lm_weights": pad(np.ones(len(predictions.rows), np.float32)),
        }
        for task in settings.lert_labels:
            tags = block.tags[task][source[predictions.rows, predictions.columns]]
            features[INVENTORIES[task].feature] = pad(tags)
        if settings.pert_target:
            features["target_positions"] = pad(predictions.targets[settings.pert_target])
        if pairing.has_loss:
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
        ids = np.where(is_piece, block.ids[source], np.int32(self.pad))
        ids[:, 0] = self._cls
        ids[is_separator] = self._sep
        word_starts = block.word_starts[source] & is_piece
        for first in firsts:
            word_starts[rows, first] = True
        return Sequences(ids, begin, word_starts, is_separator), source

    def _pad_predictions(self, rows: np.ndarray, count: int, values: np.ndarray) -> np.ndarray:
        """[B, P]: values of the predictions of ``count`` sequences, 0 after those of each."""
        sizes = np.bincount(rows, minlength=count)
        index = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        result = np.zeros((count, self.settings.max_predictions_per_seq), values.dtype)
        result[rows, index] = values
        return result


def _inputs(sequences: Sequences, instances: Instances, predictions: Predictions) -> Features:
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
