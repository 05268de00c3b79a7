"""What a sample of examples tells about the masking: numbers, no words."""

import collections
import dataclasses
import functools
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence

from bert_wwm.masking.corruption import Kind
from bert_wwm.report.examples import Example, Span
from bert_wwm.text.vocabulary import UNK

FILL_BINS = 10
# Two equal segments that are shorter may well be two places of the corpus.
_SHORTEST_TEXT = 10


@dataclasses.dataclass
class Wholeness:
    """Words of two or more pieces of which at least one piece is selected.

    Attributes:
        touched: number of such words.
        whole: of these, selected with all their pieces.
        touched_by_chance: how many there would be if as many single pieces of each example were
            drawn at random.
        whole_by_chance: of these, with all their pieces.
    """

    touched: int = 0
    whole: int = 0
    touched_by_chance: float = 0.0
    whole_by_chance: float = 0.0

    @property
    def share(self) -> float:
        """Of the words touched, the share that is whole; a fraction of 1."""
        return _ratio(self.whole, self.touched)

    @property
    def share_by_chance(self) -> float:
        """The same share if single pieces were drawn at random."""
        return _ratio(self.whole_by_chance, self.touched_by_chance)


@dataclasses.dataclass
class Overlap:
    """Segments of the same text in several examples: are the same positions selected?

    Attributes:
        pairs: of segments compared.
        common: positions selected in both of a pair.
        either: positions selected in at least one.
        common_by_chance: the first if the two selections had nothing to do with each other.
        either_by_chance: the second, likewise.
    """

    pairs: int = 0
    common: int = 0
    either: int = 0
    common_by_chance: float = 0.0
    either_by_chance: float = 0.0

    @property
    def share(self) -> float:
        """Jaccard index of the selected positions, over all pairs; a fraction of 1."""
        return _ratio(self.common, self.either)

    @property
    def share_by_chance(self) -> float:
        """What to expect of it where nothing but chance brings two selections together."""
        return _ratio(self.common_by_chance, self.either_by_chance)


@dataclasses.dataclass
class Statistics:
    """Numbers of a sample.

    Attributes:
        records: examples.
        tokens: tokens of them, special tokens included, padding not.
        pieces: tokens without the special ones.
        unknown: of these, ``[UNK]`` before masking.
        kinds: what became of the selected pieces.
        fill: examples by their share of ``max_seq_length``, in FILL_BINS equal bins.
        mean_fill: mean of that share, a fraction of 1.
        words: words by their length in pieces.
        selected: selected pieces, by the length of their word.
        runs: runs of words selected as a whole, by their number of words.
        wholeness: of the selected words.
        overlap: of the selections of two passes over a text.
        pair_labels: labels of pairs of segments.
        labels: further labels of the selected pieces, by their field.
    """

    records: int = 0
    tokens: int = 0
    pieces: int = 0
    unknown: int = 0
    kinds: Counter[Kind] = dataclasses.field(default_factory=collections.Counter)
    fill: list[int] = dataclasses.field(default_factory=lambda: [0] * FILL_BINS)
    mean_fill: float = 0.0
    words: Counter[int] = dataclasses.field(default_factory=collections.Counter)
    selected: Counter[int] = dataclasses.field(default_factory=collections.Counter)
    runs: Counter[int] = dataclasses.field(default_factory=collections.Counter)
    wholeness: Wholeness = dataclasses.field(default_factory=Wholeness)
    overlap: Overlap = dataclasses.field(default_factory=Overlap)
    pair_labels: Counter[int] = dataclasses.field(default_factory=collections.Counter)
    labels: dict[str, Counter[int]] = dataclasses.field(default_factory=dict)


def gather(examples: Sequence[Example]) -> Statistics:
    """Returns the statistics of some examples."""
    result = Statistics(records=len(examples), overlap=overlap(examples))
    fills = [len(example.originals) / example.max_seq_length for example in examples]
    for fill in fills:
        result.fill[min(FILL_BINS, math.ceil(fill * FILL_BINS)) - 1] += 1
    result.mean_fill = _ratio(sum(fills), len(fills))
    for example in examples:
        result.tokens += len(example.originals)
        result.pieces += example.num_pieces
        result.unknown += example.originals.count(UNK)
        result.kinds.update(example.kinds.values())
        if example.pair_label is not None:
            result.pair_labels[example.pair_label] += 1
        for name, labels in example.labels.items():
            result.labels.setdefault(name, collections.Counter()).update(labels)
        _add_words(example, result)
    return result


def _add_words(example: Example, result: Statistics) -> None:
    wholeness = result.wholeness
    num_selected = min(len(example.kinds), example.num_pieces)
    for start, end in example.words:
        length = end - start
        selected = _num_selected(example, (start, end))
        result.words[length] += 1
        result.selected[length] += selected
        if length > 1:
            wholeness.touched += selected > 0
            wholeness.whole += selected == length
            touched, whole = _by_chance(example.num_pieces, num_selected, length)
            wholeness.touched_by_chance += touched
            wholeness.whole_by_chance += whole
    result.runs.update(_runs(example))


def _num_selected(example: Example, span: Span) -> int:
    return sum(position in example.kinds for position in range(*span))


@functools.cache
def _by_chance(pieces: int, selected: int, length: int) -> tuple[float, float]:
    """How likely some, and all, of ``length`` pieces are among those drawn without replacement."""
    draws = math.comb(pieces, selected)
    none = math.comb(pieces - length, selected) / draws
    every = math.comb(pieces - length, selected - length) / draws if selected >= length else 0.0
    return 1 - none, every


def _runs(example: Example) -> Iterator[int]:
    """Yields the lengths, in words, of the runs of words that are selected as a whole."""
    run, run_end = 0, -1
    for start, end in example.words:
        is_selected = _num_selected(example, (start, end)) == end - start
        if run and (not is_selected or start != run_end):  # a [SEP] ends a run
            yield run
            run = 0
        if is_selected:
            run, run_end = run + 1, end
    if run:
        yield run


def overlap(examples: Sequence[Example]) -> Overlap:
    """Compares the selected positions of segments of the same text, each with the one before.

    By segments, not by whole examples: where the second segment is a random one, few examples
    have the same text.
    """
    places: dict[tuple[str, ...], list[list[int]]] = {}
    for example in examples:
        for start, end in example.segments:
            if end - start >= _SHORTEST_TEXT:
                selected = [p - start for p in example.kinds if start <= p < end]
                places.setdefault(tuple(example.originals[start:end]), []).append(selected)
    result = Overlap()
    for text, selections in places.items():
        for first, second in zip(selections, itertools.islice(selections, 1, None)):
            common = len({*first}.intersection(second))
            by_chance = len(first) * len(second) / len(text)
            both = len(first) + len(second)
            result.pairs += 1
            result.common += common
            result.either += both - common
            result.common_by_chance += by_chance
            result.either_by_chance += both - by_chance
    return result


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
