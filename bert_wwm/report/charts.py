"""Statistics as charts: what the terminal and the page show, each in its way."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from bert_wwm.data.counts import Counts
from bert_wwm.masking.corruption import PERMUTED, Kind
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.report.provenance import Provenance
from bert_wwm.report.statistics import FILL_BINS, Statistics

KIND_NAMES = {
    Kind.MASK: "[MASK]",
    Kind.SIMILAR: "a similar word",
    Kind.MOVED: "another selected piece",
    Kind.FALLBACK: "at random (none similar)",
    Kind.RANDOM: "at random",
    Kind.KEPT: "kept as it was",
}
_EXPECTED_KINDS = {
    "macbert": {Kind.SIMILAR: 0.8, Kind.RANDOM: 0.1, Kind.KEPT: 0.1},
    "pert": {Kind.MOVED: PERMUTED, Kind.KEPT: 1 - PERMUTED},
}
_BERTS_KINDS = {Kind.MASK: 0.8, Kind.RANDOM: 0.1, Kind.KEPT: 0.1}
_PAIR_LABELS = {
    "nsp": ("actual next segment", "random next segment"),
    "sop": ("in order", "swapped"),
}
_LONGEST = 5  # lengths from here on go together
_TASK_NAMES = {"pos": "Parts of speech", "ner": "Named entities", "dep": "Dependency relations"}


class Bar(NamedTuple):
    """A share.

    Attributes:
        label: of what.
        share: a fraction of 1.
        number: how many these are; None where it is computed.
        expected: what the share should be, where that is known.
        kind: what the bar's colour stands for, where it stands for something.
        note: more on the same, short.
    """

    label: str
    share: float
    number: int | None = None
    expected: float | None = None
    kind: Kind | None = None
    note: str = ""


class Chart(NamedTuple):
    """Shares that belong together.

    Attributes:
        title: a few words.
        scope: what was counted: all records, or a sample.
        bars: the shares.
        note: what else there is to know, a sentence or two.
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


def charts(provenance: Provenance, statistics: Statistics) -> list[Chart]:
    """Returns all that there is to show; exact numbers of the whole run where they are known."""
    counts = provenance.counts()
    sample = f"a sample of {statistics.records:,} records"
    whole = ""
    if counts:
        of_run = "" if provenance.is_whole_run() else " of the run"
        whole = f"all {counts.instances:,} records{of_run}"
    strategies = provenance.values("strategy")
    strategy = strategies[0] if len(strategies) == 1 else None
    pairings = provenance.values("pairing")
    found = [
        _selected(counts, statistics, whole or sample),
        _kinds(counts, statistics, strategy, whole or sample),
        _units(counts, statistics, whole or sample),
        _words(counts, statistics, whole or sample),
        _fill(statistics, sample),
        _overlap(statistics, strategy, sample),
        _unknown(counts, statistics, whole or sample),
        _pairs(counts, statistics, pairings[0] if len(pairings) == 1 else None, whole or sample),
        *_labels(statistics, sample),
    ]
    return [chart for chart in found if chart.bars]


def _selected(counts: Counts | None, statistics: Statistics, scope: str) -> Chart:
    if not counts:
        selected = sum(statistics.kinds.values())
        bars = [Bar("of all tokens", selected / max(1, statistics.tokens), selected)]
        return Chart("Selected pieces", scope, bars)
    bars = [
        Bar("of all tokens", counts.predicted / max(1, counts.tokens), counts.predicted),
        Bar("of the budget", counts.predicted / max(1, counts.budget), counts.predicted),
    ]
    note = (
        "The budget of a sequence is the share of its tokens that the run was asked for, up to the "
        "most predictions there may be. A unit that would overflow it is passed over."
    )
    return Chart("Selected pieces", scope, bars, note)


def _kinds(
    counts: Counts | None, statistics: Statistics, strategy: str | None, scope: str
) -> Chart:
    found = {Kind[name.upper()]: n for name, n in counts.kinds.items()} if counts else None
    kinds = found or statistics.kinds
    expected = _EXPECTED_KINDS.get(strategy or "", _BERTS_KINDS)
    total = max(1, sum(kinds.values()))
    bars = [
        Bar(name, kinds[kind] / total, kinds[kind], expected.get(kind), kind)
        for kind, name in KIND_NAMES.items()
        if kinds.get(kind)
    ]
    return Chart("What stands there now", scope, bars)


def _units(counts: Counts | None, statistics: Statistics, scope: str) -> Chart:
    if not counts:
        note = "Runs of selected words: without a manifest, neighbouring units can't be told apart."
        return Chart("Runs, in words", scope, _by_length(statistics.runs), note)
    bars = _by_length(_by_number(counts.ngrams))
    if len(bars) < 2:
        return Chart("Units, in words", scope, bars, "What is selected as a whole or not at all.")
    drawn = _by_length(_by_number(counts.ngrams_drawn))
    for number, other in enumerate(drawn[: len(bars)]):
        bars[number] = bars[number]._replace(note=f"{percent(other.share)} drawn")
    note = (
        "What is selected as a whole or not at all. The longer one is, the less often it fits into "
        "what is left of the budget, so that fewer are selected than are drawn."
    )
    return Chart("Units, in words", scope, bars, note)


def _words(counts: Counts | None, statistics: Statistics, scope: str) -> Chart:
    lengths = _by_number(counts.words_by_length) if counts else statistics.words
    pieces: Counter[int] = Counter()
    selected: Counter[int] = Counter()
    for length, number in statistics.words.items():
        pieces[min(length, _LONGEST)] += length * number
        selected[min(length, _LONGEST)] += statistics.selected[length]
    bars = [
        bar._replace(note=f"{percent(selected[length] / pieces[length])} selected")
        if pieces[length]
        else bar
        for length, bar in enumerate(_by_length(lengths), 1)
    ]
    note = "Beside them the share of their pieces that is selected in the sample."
    return Chart("Words, in pieces", scope, bars, note)


def _fill(statistics: Statistics, scope: str) -> Chart:
    width = 100 // FILL_BINS
    bars = [
        Bar(f"{width * i}–{width * (i + 1)} %", count / max(1, statistics.records), count)
        for i, count in enumerate(statistics.fill)
    ]
    note = f"{percent(statistics.mean_fill)} of the tokens that there is room for, on average."
    return Chart("Fill of the sequences", scope, bars, note, is_histogram=True)


def _overlap(statistics: Statistics, strategy: str | None, scope: str) -> Chart:
    overlap = statistics.overlap
    if not overlap.pairs:
        return Chart("", scope, [])
    bars = [
        Bar("of the positions shared", overlap.share, overlap.common),
        Bar("by chance alone", overlap.share_by_chance),
    ]
    note = (
        f"Of the positions that at least one of two passes selects, those that both do; by "
        f"{overlap.pairs:,} pairs of segments of the same text. 100 % would be copies."
    )
    if strategy == "macbert":
        note += " More than by chance, since words without similar ones are passed over."
    return Chart("Two passes over a text", scope, bars, note)


def _unknown(counts: Counts | None, statistics: Statistics, scope: str) -> Chart:
    number, of = statistics.unknown, statistics.pieces
    chips: list[tuple[str, int]] = []
    note = "Records do not say what was [UNK]; the manifest does."
    if counts:
        number, of = counts.unknown_pieces, counts.pieces
        chips = counts.unknown.most_common()
        note = "The most frequent:" if chips else ""
    return Chart("[UNK]", scope, [Bar("of all pieces", number / max(1, of), number)], note, chips)


def _pairs(counts: Counts | None, statistics: Statistics, pairing: str | None, scope: str) -> Chart:
    labels = statistics.pair_labels
    if not labels:
        return Chart("", scope, [])
    if counts and pairing in _PAIR_LABELS:
        ones = counts.pairs_labelled_1
        labels = Counter({0: counts.instances - ones, 1: ones})
    total = max(1, sum(labels.values()))
    bars = [
        Bar(pair_label_name(label, pairing), labels[label] / total, labels[label])
        for label in sorted(labels)
    ]
    return Chart("Pairs of segments", scope, bars)


def pair_label_name(label: int, pairing: str | None) -> str:
    """Says what the label of a pair means; that of google-research/bert if nothing is known."""
    names = _PAIR_LABELS[pairing if pairing in _PAIR_LABELS else "nsp"]
    return names[label] if label < len(names) else f"label {label}"


def _labels(statistics: Statistics, scope: str) -> list[Chart]:
    found = []
    for task, (feature, names) in INVENTORIES.items():
        labels = statistics.labels.get(feature)
        if not labels:
            continue
        total = sum(labels.values())
        bars = [
            Bar(names[n] if n < len(names) else f"no label: {n}", count / total, count)
            for n, count in labels.most_common()
        ]
        absent = [name for number, name in enumerate(names) if number not in labels]
        note = (
            f"Of {len(names)} labels, none of these occurs: {', '.join(absent)}." if absent else ""
        )
        found.append(
            Chart(_TASK_NAMES[task], scope, bars, f"Of the selected pieces. {note}".strip())
        )
    return found


def _by_number(histogram: Counter[str]) -> Counter[int]:
    return Counter({int(length): count for length, count in histogram.items()})


def _by_length(lengths: Counter[int]) -> list[Bar]:
    """Shares of the lengths from 1 on; from ``_LONGEST`` on they go together."""
    together: Counter[int] = Counter()
    for length, count in lengths.items():
        together[min(length, _LONGEST)] += count
    total = sum(together.values())
    return [
        Bar(str(n) if n < _LONGEST else f"{_LONGEST}+", together[n] / total, together[n])
        for n in range(1, max(together, default=0) + 1)
    ]
