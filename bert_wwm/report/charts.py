"""Statistics as charts, which the terminal and the page show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bert_wwm.data.counts import Counts
from bert_wwm.masking import corruption
from bert_wwm.masking.corruption import PERMUTED, Corruption, Kind
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.masking.strategies import STRATEGIES
from bert_wwm.report.provenance import Provenance
from bert_wwm.report.statistics import FILL_BINS, Statistics

KIND_NAMES = {
    Kind.MASK: "[MASK]",
    Kind.SIMILAR: "a similar word",
    Kind.MOVED: "another selected piece",
    Kind.FALLBACK: "at random (none similar)",
    Kind.RANDOM: "at random",
    Kind.KEPT: "unchanged",
}
_EXPECTED_KINDS: dict[Corruption, dict[Kind, float]] = {
    corruption.mask_80_10_10: {Kind.MASK: 0.8, Kind.RANDOM: 0.1, Kind.KEPT: 0.1},
    corruption.similar_words_80_10_10: {Kind.SIMILAR: 0.8, Kind.RANDOM: 0.1, Kind.KEPT: 0.1},
    corruption.permute: {Kind.MOVED: PERMUTED, Kind.KEPT: 1 - PERMUTED},
}
_PAIR_LABELS = {
    "nsp": ("actual next segment", "random next segment"),
    "sop": ("in order", "swapped"),
}
_LONGEST = 5  # lengths from here on are counted together
_TASK_NAMES = {"pos": "Parts of speech", "ner": "Named entities", "dep": "Dependency relations"}


class Bar(NamedTuple):
    """A share, a fraction of 1, and the one to be expected where that is known."""

    label: str
    share: float
    expected: float | None = None


class Chart(NamedTuple):
    """Shares that belong together.

    Attributes:
        title: a few words.
        scope: what was counted: all records, or a sample.
        bars: the shares.
        note: what else there is to know.
        chips: things too many for bars, and how often they occur.
        is_histogram: whether the bars are the bins of one quantity.
    """

    title: str
    scope: str
    bars: list[Bar]
    note: str = ""
    chips: Sequence[tuple[str, int]] = ()
    is_histogram: bool = False


def percent(share: float) -> str:
    """Writes a share for people: more exactly where it is small."""
    if 0 < share < 0.0001:
        return "< 0.01 %"
    return f"{100 * share:.{2 if 0 < share < 0.01 else 1}f} %"


def draw_charts(provenance: Provenance, statistics: Statistics) -> list[Chart]:
    """Returns all charts; exact numbers of the whole run where they are known."""
    counts = provenance.counts()
    sample = scope = f"a sample of {statistics.records:,} records"
    if counts:
        of_run = "" if provenance.is_whole_run() else " of the run"
        scope = f"all {counts.instances:,} records{of_run}"
    selected = sum(statistics.kinds.values())
    bars = [Bar("of all tokens", _ratio(selected, statistics.tokens))]
    if counts:
        bars = [
            Bar("of all tokens", _ratio(counts.predicted, counts.tokens)),
            Bar("of the budget", _ratio(counts.predicted, counts.budget)),
        ]
    units = _draw_lengths(counts.ngrams) if counts else []
    words = _draw_lengths(counts.words_by_length if counts else statistics.words)
    found = [
        Chart("Selected pieces", scope, bars),
        Chart("Input at these places", scope, _draw_kinds(provenance, counts, statistics)),
        Chart("Units, in words", scope, units),
        Chart("Words, in pieces", scope, words),
        _draw_fill(statistics, sample),
        _draw_unknown(counts, statistics, scope),
        Chart("Pairs of segments", scope, _draw_pairs(provenance, counts, statistics)),
        *_draw_labels(statistics, sample),
    ]
    return [chart for chart in found if chart.bars]


def _draw_kinds(provenance: Provenance, counts: Counts | None, statistics: Statistics) -> list[Bar]:
    kinds: Mapping[Kind, int] = statistics.kinds
    if counts and counts.kinds:
        kinds = {Kind[name.upper()]: count for name, count in counts.kinds.items()}
    strategy = provenance.value("strategy")
    known = STRATEGIES[strategy].corrupt if strategy in STRATEGIES.names() else None
    expected = _EXPECTED_KINDS[known or corruption.mask_80_10_10]
    total = sum(kinds.values())
    return [
        Bar(name, _ratio(kinds[kind], total), expected.get(kind))
        for kind, name in KIND_NAMES.items()
        if kinds.get(kind)
    ]


def _draw_fill(statistics: Statistics, scope: str) -> Chart:
    width = 100 // FILL_BINS
    bars = [
        Bar(f"{width * i}–{width * (i + 1)} %", _ratio(count, statistics.records))
        for i, count in enumerate(statistics.fill)
    ]
    note = f"{percent(statistics.mean_fill)} of the tokens that there is room for, on average."
    return Chart("Fill of the sequences", scope, bars, note, is_histogram=True)


def _draw_unknown(counts: Counts | None, statistics: Statistics, scope: str) -> Chart:
    share, chips = _ratio(statistics.unknown, statistics.pieces), []
    if counts:
        share, chips = _ratio(counts.unknown_pieces, counts.pieces), counts.unknown.most_common()
    return Chart("[UNK]", scope, [Bar("of all pieces", share)], chips=chips)


def _draw_pairs(provenance: Provenance, counts: Counts | None, statistics: Statistics) -> list[Bar]:
    labels = statistics.pair_labels
    pairing = provenance.value("pairing")
    if labels and counts and pairing in _PAIR_LABELS:
        ones = counts.pairs_labelled_1
        labels = Counter({0: counts.instances - ones, 1: ones})
    total = sum(labels.values())
    return [
        Bar(name_pair_label(label, pairing), _ratio(labels[label], total))
        for label in sorted(labels)
    ]


def name_pair_label(label: int, pairing: str | None) -> str:
    """Says what the label of a pair means; that of google-research/bert if nothing is known."""
    names = _PAIR_LABELS[pairing if pairing in _PAIR_LABELS else "nsp"]
    return names[label] if label < len(names) else f"label {label}"


def _draw_labels(statistics: Statistics, scope: str) -> list[Chart]:
    charts = []
    for task, (feature, names) in INVENTORIES.items():
        labels = statistics.labels.get(feature, Counter())
        total = sum(labels.values())
        bars = [
            Bar(names[n] if n < len(names) else f"no label: {n}", _ratio(count, total))
            for n, count in labels.most_common()
        ]
        charts.append(Chart(_TASK_NAMES[task], scope, bars))
    return charts


def _draw_lengths(lengths: Mapping[str, int] | Mapping[int, int]) -> list[Bar]:
    """Returns the shares of the lengths from 1 on; from ``_LONGEST`` on they are one bar."""
    together: Counter[int] = Counter()
    for length, count in lengths.items():
        together[min(int(length), _LONGEST)] += count
    total = sum(together.values())
    return [
        Bar(str(n) if n < _LONGEST else f"{_LONGEST}+", _ratio(together[n], total))
        for n in range(1, max(together, default=0) + 1)
    ]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
