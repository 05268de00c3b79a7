"""Statistics in words, which the terminal and the page show."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from bert_wwm.data.counts import Counts
from bert_wwm.masking import corruption
from bert_wwm.masking.corruption import PERMUTED, Corruption, Kind
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.masking.strategies import STRATEGIES
from bert_wwm.report.provenance import Provenance
from bert_wwm.report.statistics import Statistics

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
_TASK_NAMES = {"pos": "Parts of speech", "ner": "Named entities", "dep": "Dependency relations"}
_LONGEST = 5  # lengths from here on are counted together
_MOST_SHARES, _MOST_UNKNOWN = 8, 10
_BLOCKS = "▁▂▃▄▅▆▇█"


class Chart(NamedTuple):
    """Shares that belong together."""

    title: str
    scope: str  # what was counted: all records, or a sample
    text: str  # the shares; a number stays with its label and its unit


def percent(share: float) -> str:
    """Writes a share for people: more exactly where it is small."""
    if 0 < share < 0.0001:
        return "< 0.01 %"
    return f"{100 * share:.{2 if 0 < share < 0.01 else 1}f} %"


def draw_charts(provenance: Provenance, statistics: Statistics) -> list[Chart]:
    """Returns all charts; exact numbers of the whole run where they are known."""
    counts = provenance.counts()
    strategy, pairing = provenance.value("strategy"), provenance.value("pairing")
    labels: Mapping[int, int] = statistics.pair_labels
    sample = scope = f"a sample of {_write_size(statistics.counts)}"
    if counts:
        of_run = "" if provenance.is_whole_run() else " of the run"
        scope = f"all {_write_size(counts)}{of_run}"
        if labels and pairing in _PAIR_LABELS:
            labels = {0: counts.instances - counts.pairs_labelled_1, 1: counts.pairs_labelled_1}
    else:
        counts = statistics.counts
    pairs = {name_pair_label(label, pairing): labels[label] for label in sorted(labels)}

    selected = _write_share("of all tokens", counts.predicted, counts.tokens)
    if counts.budget:
        selected += f", {_write_share('of the budget', counts.predicted, counts.budget)}"
    unknown = _write_share("of all pieces", counts.unknown_pieces, counts.pieces)
    if counts.unknown:
        most = counts.unknown.most_common(_MOST_UNKNOWN)
        unknown += f": {', '.join(f'{piece}×{count:,}' for piece, count in most)}"
    kinds = _write_kinds(counts.kinds or statistics.counts.kinds, strategy)
    found = [
        Chart("Selected pieces", scope, selected),
        Chart("Input at these places", scope, kinds),
        Chart("Units, in words", scope, _write_lengths(counts.ngrams)),
        Chart("Words, in pieces", scope, _write_lengths(counts.words_by_length)),
        Chart("Fill of the sequences", sample, _write_fill(statistics)),
        Chart("[UNK]", scope, unknown),
        Chart("Pairs of segments", scope, _write_shares(pairs)),
    ]
    for task, (feature, names) in INVENTORIES.items():
        numbers = statistics.labels.get(feature, Counter()).most_common()
        named = {names[n] if n < len(names) else f"no label: {n}": count for n, count in numbers}
        found.append(Chart(_TASK_NAMES[task], sample, _write_shares(named)))
    return [chart for chart in found if chart.text]


def name_pair_label(label: int, pairing: str | None) -> str:
    """Says what the label of a pair means; that of google-research/bert if nothing is known."""
    names = _PAIR_LABELS[pairing if pairing in _PAIR_LABELS else "nsp"]
    return names[label] if label < len(names) else f"label {label}"


def _write_size(counts: Counts) -> str:
    records = f"{counts.rows:,} records"
    packed = counts.rows < counts.instances
    return f"{counts.instances:,} instances in {records}" if packed else records


def _write_kinds(counts: Mapping[str, int], strategy: str | None) -> str:
    known = STRATEGIES[strategy].corrupt if strategy in STRATEGIES.names() else None
    expected = _EXPECTED_KINDS[known or corruption.mask_80_10_10]
    present = [kind for kind in KIND_NAMES if counts.get(kind.name.lower())]
    text = _write_shares({KIND_NAMES[kind]: counts[kind.name.lower()] for kind in present})
    shares = [f"{100 * expected[kind]:.0f}" for kind in present if kind in expected]
    return f"{text}; expected {', '.join(shares)}\xa0%" if shares else text


def _write_fill(statistics: Statistics) -> str:
    highest = max(statistics.fill) or 1
    steps = (round(count / highest * (len(_BLOCKS) - 1)) for count in statistics.fill)
    mean = f"{percent(statistics.mean_fill)} of the tokens that there is room for, on average."
    counts = statistics.counts
    if counts.rows < counts.instances:
        each = counts.instances / counts.rows
        full = percent(each * statistics.mean_fill)
        mean += f" Packed, {each:.2f} instances to a record: {full}."
    return f"{''.join(_BLOCKS[step] for step in steps)}  {mean}"


def _write_lengths(lengths: Mapping[str, int]) -> str:
    """Writes the shares of the lengths from 1 on; from ``_LONGEST`` on they are one."""
    together: Counter[int] = Counter()
    for length, count in lengths.items():
        together[min(int(length), _LONGEST)] += count
    return _write_shares(
        {
            str(n) if n < _LONGEST else f"{_LONGEST}+": together[n]
            for n in range(1, max(together, default=0) + 1)
        }
    )


def _write_shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    shares = [_write_share(label, count, total) for label, count in counts.items()]
    if len(shares) > _MOST_SHARES:
        shares[_MOST_SHARES:] = [f"{len(shares) - _MOST_SHARES}\xa0more"]
    return ", ".join(shares)


def _write_share(label: str, part: int, whole: int) -> str:
    """Writes ``75.0 % [MASK]``, or of a length ``1: 75.0 %``."""
    share = percent(part / whole if whole else 0.0)
    text = f"{label}: {share}" if label[0].isdigit() else f"{share} {label}"
    return text.replace(" ", "\xa0")
