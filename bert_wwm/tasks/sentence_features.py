"""Texts to classify as sequences for the model, and its outputs as labels."""

from collections.abc import Sequence

import numpy as np

from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.features import INPUT_IDS, SEGMENT_IDS, FeatureTable, compute_offsets, ranges
from bert_wwm.tasks.featurize import Featurizer
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import CLS, SEP

SCORE_UNITS = 1000  # features are whole numbers


class SentenceFeaturizer(Featurizer):
    """Makes ``[CLS] a [SEP]`` or ``[CLS] a [SEP] b [SEP]`` of examples.

    The sequences are those of google-research/bert's ``convert_single_example``: too long a pair
    loses pieces of its longer text, from the end, and a second text without pieces counts as none.
    ``labels`` are in the order of their ids.
    """

    kind = "sentence"
    shortest = 5  # [CLS] a [SEP] b [SEP]
    shortest_holds = "a piece of each of two texts"

    def __init__(self, tokenizer: Tokenizer, max_seq_length: int, labels: Sequence[str]):
        super().__init__(tokenizer, max_seq_length)
        self._labels = tuple(labels)

    def describe(self) -> dict[str, object]:
        return {**super().describe(), "labels": list(self._labels)}

    def __call__(self, examples: Sequence[Sentence], first: int) -> FeatureTable:
        """Returns one row an example; ``truncated`` is 1 if its texts have more pieces than fit."""
        count = len(examples)
        texts = [example.text_a for example in examples]
        texts += [example.text_b or "" for example in examples]
        pieces = self.tokenize(texts)
        sizes = np.diff(pieces.offsets)
        a, b = truncate_pair(sizes[:count], sizes[count:], self.max_seq_length)
        is_pair = b > 0

        offsets = compute_offsets(a + b + 2 + is_pair)
        begins = offsets[:-1]
        ids = self.tokenizer.vocabulary.ids
        # All that isn't written below is the [SEP] behind a text.
        input_ids = np.full(offsets[-1], ids[SEP], np.int32)
        input_ids[begins] = ids[CLS]
        input_ids[ranges(begins + 1, a)] = pieces.ids[ranges(pieces.offsets[:count], a)]
        input_ids[ranges(begins + a + 2, b)] = pieces.ids[ranges(pieces.offsets[count:-1], b)]
        segment_ids = np.zeros(offsets[-1], np.int32)
        segment_ids[ranges(begins + a + 2, b + is_pair)] = 1
        rows = {
            "label_ids": self.label_ids(examples),
            "example": np.arange(first, first + count, dtype=np.int32),
            "truncated": (a + b < sizes[:count] + sizes[count:]).astype(np.int32),
        }
        return FeatureTable(offsets, {INPUT_IDS: input_ids, SEGMENT_IDS: segment_ids}, rows)

    def label_ids(self, examples: Sequence[Sentence]) -> np.ndarray:
        """Returns the number of each example's label, -1 without one: int32 [n]."""
        ids = {label: index for index, label in enumerate(self._labels)}
        labels = [example.label for example in examples]
        return np.array([-1 if label is None else ids[label] for label in labels], np.int32)


class ScoreFeaturizer(SentenceFeaturizer):
    """The same for texts with a score instead of a label: ``label_ids`` has it in thousandths."""

    kind = "regression"

    def __init__(self, tokenizer: Tokenizer, max_seq_length: int):
        super().__init__(tokenizer, max_seq_length, labels=())

    def label_ids(self, examples: Sequence[Sentence]) -> np.ndarray:
        scores = [-1 if e.label is None else SCORE_UNITS * float(e.label) for e in examples]
        return np.rint(scores).astype(np.int32)


def truncate_pair(
    sizes_a: np.ndarray, sizes_b: np.ndarray, max_seq_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns how many pieces two texts keep, int64 [n] each; ``sizes_b`` is 0 without a second.

    It is where google-research/bert's ``_truncate_seq_pair`` ends, which takes one piece after the
    other from the longer text, from the second of two of one length.
    """
    room = np.where(sizes_b > 0, max_seq_length - 3, max_seq_length - 2)
    half = np.where(sizes_b > 0, (room + 1) // 2, room)
    a = np.minimum(sizes_a, np.maximum(room - sizes_b, half))
    return a, np.minimum(sizes_b, room - a)


def pick_labels(logits: np.ndarray, labels: Sequence[str]) -> list[str]:
    """Returns the label of each sequence's highest logit, [classes]; of equal ones the first."""
    return [labels[int(np.argmax(values))] for values in logits]


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax of each sequence's logits: float64 [n, classes]."""
    values = np.asarray(logits, np.float64)
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
