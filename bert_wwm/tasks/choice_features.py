"""Questions with choices as sequences for the model, one for each choice."""

from collections.abc import Sequence

import numpy as np

from bert_wwm.tasks.examples import Choices
from bert_wwm.tasks.features import (
    INPUT_IDS,
    INPUT_MASK,
    SEGMENT_IDS,
    FeatureTable,
    compute_offsets,
    ranges,
)
from bert_wwm.tasks.featurize import Featurizer
from bert_wwm.text.vocabulary import CLS, SEP

NUM_CHOICES = 4  # of each example; where a question has fewer, the others are empty
_SPECIAL = 4  # [CLS] context [SEP] question [SEP] choice [SEP]


class ChoiceFeaturizer(Featurizer):
    """Makes ``[CLS] context [SEP] question [SEP] choice [SEP]`` of each choice.

    The sequences are those of CLUE's ``run_c3.py``: the context is segment 0, the rest segment 1;
    too long a triple loses pieces of its longest text, from the end. Those of one example are one
    row of the table, in which their tokens take turns: token 0 of each choice, token 1 of each, ...
    """

    kind = "choice"
    shortest = _SPECIAL + 3
    shortest_holds = "a piece each of context, question and choice"

    def __call__(self, examples: Sequence[Choices], first: int) -> FeatureTable:
        """Returns one row an example; ``truncated`` is 1 if its texts have more pieces than fit."""
        # E examples, C choices of each, Q = E * C sequences, T tokens of all.
        count = len(examples)
        texts = [example.context for example in examples]
        texts += [example.question for example in examples]
        for example in examples:
            texts += [*example.choices, *[""] * (NUM_CHOICES - len(example.choices))]
        pieces = self.tokenize(texts)
        owner = np.repeat(np.arange(count), NUM_CHOICES)  # of each sequence its example, [Q]
        sources = [owner, count + owner, 2 * count + np.arange(count * NUM_CHOICES)]
        sizes = [np.diff(pieces.offsets)[source] for source in sources]
        a, c, q = truncate_longest(sizes[0], sizes[2], sizes[1], self.max_seq_length - _SPECIAL)

        lengths = a + q + c + _SPECIAL  # [Q]
        longest = lengths.reshape(count, NUM_CHOICES).max(axis=1)  # [E]
        offsets = compute_offsets(longest * NUM_CHOICES)
        begins = offsets[owner] + np.tile(np.arange(NUM_CHOICES), count)  # of each sequence, [Q]

        def places(first: np.ndarray, counts: np.ndarray) -> np.ndarray:
            """Where some tokens of each sequence are: [sum of counts]."""
            return np.repeat(begins, counts) + NUM_CHOICES * ranges(first, counts)

        ids = self.tokenizer.vocabulary.ids
        zeros = np.zeros_like(lengths)
        input_ids, segment_ids, input_mask = np.zeros((3, offsets[-1]), np.int32)
        # All that isn't written below is the [SEP] behind a text.
        inside = places(zeros, lengths)
        input_mask[inside], input_ids[inside] = 1, ids[SEP]
        segment_ids[places(a + 2, q + c + 2)] = 1
        input_ids[begins] = ids[CLS]
        for place, source, kept in zip((zeros + 1, a + 2, a + q + 3), sources, (a, q, c)):
            input_ids[places(place, kept)] = pieces.ids[ranges(pieces.offsets[source], kept)]
        is_cut = a + q + c < sum(sizes)
        rows = {
            "label_ids": [-1 if e.label is None else int(e.label) for e in examples],
            "example": np.arange(first, first + count),
            "truncated": is_cut.reshape(count, NUM_CHOICES).any(axis=1),
        }
        return FeatureTable(
            offsets,
            {INPUT_IDS: input_ids, SEGMENT_IDS: segment_ids, INPUT_MASK: input_mask},
            {name: np.asarray(values, np.int32) for name, values in rows.items()},
        )


def truncate_longest(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, room: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns how many pieces three texts keep, int64 [n] each; ``room`` is their maximum number.

    One piece after the other is taken from the longest; of texts of one length, from the first.
    For example, ``truncate_longest([9], [2], [3], 7)`` is [2], [2], [3].
    """
    others = b + c
    # At once what the first one loses while it is the longest.
    a = np.minimum(a, np.maximum(room - others, np.maximum(b, c)))
    sizes = np.stack([a, b, c])
    while True:
        long = np.flatnonzero(sizes.sum(axis=0) > room)
        if not len(long):
            return sizes[0], sizes[1], sizes[2]
        sizes[sizes[:, long].argmax(axis=0), long] -= 1
