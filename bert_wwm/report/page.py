"""The report as a page: one file that needs nothing but a browser, no network and no scripts."""

from collections.abc import Sequence
from html import escape

from bert_wwm.masking.corruption import Kind
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.report.charts import Bar, Chart, pair_label_name, percent
from bert_wwm.report.examples import Example, surface_of
from bert_wwm.report.page_style import STYLE
from bert_wwm.report.verdict import Verdict

_FEW = 5
_LABELS = {inventory.feature: inventory.labels for inventory in INVENTORIES.values()}
_MEANINGS = {
    Kind.MASK: "masked: the model sees [MASK]",
    Kind.RANDOM: "replaced: the model sees what stands above",
    Kind.SIMILAR: "replaced by the word above, a similar or a random one",
    Kind.MOVED: "permuted: the model sees what stands above",
    Kind.KEPT: "kept, but to be predicted",
}


def make_page(
    verdict: Verdict,
    facts: dict[str, str],
    charts: Sequence[Chart],
    examples: Sequence[Example],
    pairing: str,
) -> str:
    """Returns an HTML page.

    Args:
        verdict: on whole-word masking; it comes first.
        facts: what the records were made with.
        charts: the statistics.
        examples: what to show in full.
        pairing: how their segments were put together; "" if that is not known.
    """
    body = [
        "<h1>What a model sees: a look at pretraining records</h1>",
        _verdict(verdict),
        _facts(facts),
    ]
    if examples:
        body += ["<h2>Examples</h2>", _legend(examples)]
        body += [_example(example, pairing) for example in examples]
    body += ["<h2>Statistics</h2>", '<div class="charts">', *map(_chart, charts), "</div>"]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(verdict.headline)}</title>",
            f"<style>{STYLE}</style></head>",
            "<body>",
            *body,
            "</body></html>\n",
        ]
    )


def _verdict(verdict: Verdict) -> str:
    wholeness = verdict.wholeness
    figure = ""
    if wholeness.touched:
        rows = [
            _row(Bar("here", wholeness.share), 1.0, "here"),
            _row(Bar("single pieces at random", wholeness.share_by_chance), 1.0, "chance"),
        ]
        figure = (
            '<div><p class="scope">Words of two or more pieces: of those touched, selected as a '
            f"whole</p>{_table(rows)}</div>"
        )
    return (
        f'<section class="verdict {verdict.answer}"><div><h2>{escape(verdict.headline)}</h2>'
        f"<p>{escape(verdict.reason)}</p></div>{figure}</section>"
    )


def _facts(facts: dict[str, str]) -> str:
    rows = (
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<section class="facts"><dl>{"".join(rows)}</dl></section>'


def _legend(examples: Sequence[Example]) -> str:
    used = {kind for example in examples for kind in example.kinds.values()}
    items = ['<li><span class="word long">词语</span> a word</li>']
    for kind, meaning in _MEANINGS.items():
        if kind in used:
            shown = "字" if kind in (Kind.MASK, Kind.KEPT) else "某"
            items.append(f"<li>{_mark('字', shown, kind, '')} {meaning}</li>")
    return f'<ul class="legend">{"".join(items)}</ul>'


def _example(example: Example, pairing: str) -> str:
    head = f"{example.where}: {len(example.originals)} tokens, {len(example.kinds)} to predict"
    if example.pair_label is not None:
        head += f", {pair_label_name(example.pair_label, pairing)}"
    lines = []
    for start, end in example.segments:
        words = (_word(example, *word) for word in example.words if start <= word[0] < end)
        lines.append(f'<p class="text" lang="zh">{"".join(words)}</p>')
    return f'<article class="example"><header>{escape(head)}</header>{"".join(lines)}</article>'


def _word(example: Example, start: int, end: int) -> str:
    pieces = []
    for position in range(start, end):
        piece = example.originals[position]
        surface = surface_of(piece) if position > start else piece
        kind = example.kinds.get(position)
        if kind is None:
            pieces.append(escape(surface))
        else:
            title = _title(example, position)
            pieces.append(_mark(surface, example.shown[position], kind, title))
    kind_of_word = "word long" if end - start > 1 else "word"
    return f'<span class="{kind_of_word}">{"".join(pieces)}</span>'


def _title(example: Example, position: int) -> str:
    """What a record says of a prediction beside the piece."""
    index = list(example.kinds).index(position)
    parts = [f"position {position}"]
    for name, labels in example.labels.items():
        label = labels[index]
        if name in _LABELS:
            known = _LABELS[name]
            parts.append(known[label] if label < len(known) else str(label))
        else:
            parts.append(f"target position {label}")
    return ", ".join(parts)


def _mark(original: str, shown: str, kind: Kind, title: str) -> str:
    text = escape(original)
    if kind not in (Kind.MASK, Kind.KEPT):
        text = f"<ruby>{text}<rt>{escape(shown)}</rt></ruby>"
    tooltip = f' title="{escape(title)}"' if title else ""
    return f'<mark class="{kind.name.lower()}"{tooltip}>{text}</mark>'


def _chart(chart: Chart) -> str:
    parts = [f"<h3>{escape(chart.title)}</h3>", f'<p class="scope">Of {escape(chart.scope)}</p>']
    if chart.is_histogram:
        parts.append(_histogram(chart.bars))
    else:
        # A full bar is 100 %, unless there are so many that all would be short.
        many = len(chart.bars) > _FEW
        longest = max(bar.share for bar in chart.bars) if many else 1.0
        parts.append(_table([_row(bar, longest, _class_of(bar)) for bar in chart.bars]))
    note = escape(chart.note)
    if any(bar.expected is not None for bar in chart.bars):
        note = f'<span class="key">|</span> what is to be expected. {note}'
    if note:
        parts.append(f'<p class="note">{note}</p>')
    if chart.chips:
        chips = (f"<li>{escape(chip)} <small>{count:,}</small></li>" for chip, count in chart.chips)
        parts.append(f'<ul class="chips" lang="zh">{"".join(chips)}</ul>')
    return f"<article>{''.join(parts)}</article>"


def _class_of(bar: Bar) -> str:
    return "" if bar.kind is None else bar.kind.name.lower()


def _table(rows: Sequence[str]) -> str:
    return f"<table>{''.join(rows)}</table>"


def _row(bar: Bar, longest: float, kind: str) -> str:
    """A bar, as wide as its share of the longest one."""
    scale = 100 / longest if longest else 0.0
    expected = ""
    if bar.expected is not None:
        expected = f'<span class="expected" style="left:{bar.expected * scale:.2f}%"></span>'
    more = bar.note or ("" if bar.number is None else f"{bar.number:,}")
    return (
        f'<tr><th scope="row">{escape(bar.label)}</th>'
        f'<td><div class="track"><div class="bar {kind}" style="width:{bar.share * scale:.2f}%">'
        f'</div>{expected}</div></td><td class="number">{percent(bar.share)}</td>'
        f'<td class="more">{escape(more)}</td></tr>'
    )


def _histogram(bars: Sequence[Bar]) -> str:
    highest = max(bar.share for bar in bars) or 1.0
    columns: list[str] = []
    for bar in bars:
        label, height = escape(bar.label), 75 * bar.share / highest
        columns.append(
            f'<li title="{label}: {bar.number:,}">{100 * bar.share:.0f} %'
            f'<div class="bar" style="height:{height:.2f}%"></div>{label.split()[0]}</li>'
        )
    return f'<ol class="histogram">{"".join(columns)}</ol>'
