"""Statistics of the masking in a sample of examples."""

import collections
import dataclasses
import functools
import itertools
import math
from collections import Counter
from collections.abc import Sequence

from bert_wwm.data.counts import Counts
from bert_wwm.report.examples import Example
from bert_wwm.text.vocabulary import UNK

_FILL_BINS = 10


@dataclasses.dataclass
class Wholeness:
    """Words of two or more pieces of which at least one piece is selected."""

    touched: int = 0  # number of such words
    whole: int = 0  # of these, selected with all their pieces
    # The same two if as many single pieces of each example were drawn at random.
    touched_by_chance: float = 0.0
    whole_by_chance: float = 0.0

    @property
    def share(self) -> float:
        """Of the words touched, the share that is whole; a fraction of 1."""
        return self.whole / self.touched if self.touched else 0.0

    @property
    def share_by_chance(self) -> float:
        """The same share if single pieces were drawn at random."""
        return self.whole_by_chance / self.touched_by_chance if self.touched_by_chance else 0.0


@dataclasses.dataclass
class Statistics:
    """Numbers of a sample."""

    counts: Counts = dataclasses.field(default_factory=Counts)  # those that a manifest has too
    # Examples by their share of ``max_seq_length``, in equal bins; the mean of that share.
    fill: list[int] = dataclasses.field(default_factory=lambda: [0] * _FILL_BINS)
    mean_fill: float = 0.0
    wholeness: Wholeness = dataclasses.field(default_factory=Wholeness)
    pair_labels: Counter[int] = dataclasses.field(default_factory=collections.Counter)
    # Further labels of the selected pieces, by their field.
    labels: dict[str, Counter[int]] = dataclasses.field(default_factory=dict)


def gather(records: Sequence[Sequence[Example]]) -> Statistics:
    """Returns the statistics of the examples of some records."""
    examples = list(itertools.chain.from_iterable(records))
    result = Statistics(Counts(instances=len(examples), rows=len(records)))
    counts = result.counts
    for example in examples:
        fill = len(example.originals) / example.max_seq_length
        result.fill[min(_FILL_BINS, math.ceil(fill * _FILL_BINS)) - 1] += 1
        result.mean_fill += fill / len(examples)
        counts.tokens += len(example.originals)
        counts.pieces += example.num_pieces
        counts.unknown_pieces += example.originals.count(UNK)
        counts.predicted += len(example.kinds)
        counts.kinds.update(kind.name.lower() for kind in example.kinds.values())
        counts.words_by_length.update(str(end - start) for start, end in example.words)
        if example.pair_label is not None:
            result.pair_labels[example.pair_label] += 1
            counts.pairs_labelled_1 += example.pair_label == 1
        for name, labels in example.labels.items():
            result.labels.setdefault(name, collections.Counter()).update(labels)
        _add_words(example, result.wholeness)
    return result


def _add_words(example: Example, wholeness: Wholeness) -> None:
    num_selected = min(len(example.kinds), example.num_pieces)
    for start, end in example.words:
        length = end - start
        if length > 1:
            selected = sum(position in example.kinds for position in range(start, end))
            wholeness.touched += selected > 0
            wholeness.whole += selected == length
            touched, whole = _draw_by_chance(example.num_pieces, num_selected, length)
            wholeness.touched_by_chance += touched
            wholeness.whole_by_chance += whole


@functools.cache
def _draw_by_chance(pieces: int, selected: int, length: int) -> tuple[float, float]:
    """How likely some, and all, of ``length`` pieces are among those drawn without replacement."""
    draws = math.comb(pieces, selected)
    none = math.comb(pieces - length, selected) / draws
    every = math.comb(pieces - length, selected - length) / draws if selected >= length else 0.0
    return 1 - none, every
