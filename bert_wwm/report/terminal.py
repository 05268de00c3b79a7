"""Examples and statistics in the terminal: words parted by blanks, what was masked in colour."""

import textwrap
from collections.abc import Sequence

from bert_wwm.core.output import escape
from bert_wwm.masking.corruption import Kind
from bert_wwm.report.charts import Chart, pair_label_name, percent
from bert_wwm.report.examples import Example, surface_of
from bert_wwm.report.verdict import Verdict

_RESET, _BOLD = "\033[0m", "\033[1m"
_COLOURS = {
    Kind.MASK: "\033[41m",
    Kind.RANDOM: "\033[43;30m",
    Kind.SIMILAR: "\033[45m",
    Kind.MOVED: "\033[46;30m",
    Kind.KEPT: "\033[42;30m",
}
_MEANINGS = {
    Kind.MASK: "masked",
    Kind.RANDOM: "replaced by y",
    Kind.SIMILAR: "replaced by the word of y",
    Kind.MOVED: "changed for y of another place",
    Kind.KEPT: "kept, but to be predicted",
}
_ANSWER_COLOURS = {
    "yes": "\033[42;30m",
    "no": "\033[41m",
    "partly": "\033[43;30m",
    "unclear": "\033[43;30m",
}
_WIDTH = 100
_LABEL_WIDTH = 26
_MOST_BARS, _MOST_CHIPS = 8, 10
_BLOCKS = "▁▂▃▄▅▆▇█"


def render_verdict(verdict: Verdict, colour: bool) -> str:
    """Returns the answer to whether whole words are masked."""
    headline = verdict.headline
    if colour:
        headline = f"{_ANSWER_COLOURS[verdict.answer]}{_BOLD} {headline} {_RESET}"
    return "\n".join([headline, *textwrap.wrap(verdict.reason, _WIDTH)])


def render_facts(facts: dict[str, str]) -> str:
    """Returns what records were made with, a line for each fact."""
    return "\n".join(f"{name.lower():<{_LABEL_WIDTH}}{value}" for name, value in facts.items())


def render_charts(charts: Sequence[Chart]) -> str:
    """Returns charts, a few lines each, under what they were counted on."""
    lines: list[str] = []
    for scope in dict.fromkeys(chart.scope for chart in charts):
        lines += ["", f"Of {scope}"]
        for chart in charts:
            if chart.scope == scope:
                lines += _render_chart(chart)
    return "\n".join(lines[1:])


def _render_chart(chart: Chart) -> list[str]:
    text = _histogram(chart) if chart.is_histogram else _shares(chart)
    lines = textwrap.wrap(text, _WIDTH - _LABEL_WIDTH)
    body = [line.replace("\xa0", " ") for line in lines]
    titles = [chart.title, *[""] * (len(body) - 1)]
    return [f"  {title:<{_LABEL_WIDTH - 2}}{line}" for title, line in zip(titles, body)]


def _histogram(chart: Chart) -> str:
    highest = max(bar.share for bar in chart.bars) or 1.0
    steps = (round(bar.share / highest * (len(_BLOCKS) - 1)) for bar in chart.bars)
    return f"{''.join(_BLOCKS[step] for step in steps)}  {chart.note}"


def _shares(chart: Chart) -> str:
    shares = [
        f"{bar.label}: {percent(bar.share)}"
        if bar.label[0].isdigit()
        else f"{percent(bar.share)} {bar.label}"
        for bar in chart.bars[:_MOST_BARS]
    ]
    if len(chart.bars) > _MOST_BARS:
        shares.append(f"{len(chart.bars) - _MOST_BARS} more")
    # A number stays with its label and its unit.
    text = ", ".join(share.replace(" ", "\xa0") for share in shares)
    expected = [bar.expected for bar in chart.bars if bar.expected is not None]
    if expected:
        text += f"; expected {', '.join(f'{100 * share:.0f}' for share in expected)}\xa0%"
    if chart.chips:
        text += f": {', '.join(f'{chip}×{count:,}' for chip, count in chart.chips[:_MOST_CHIPS])}"
    return text


def legend(examples: Sequence[Example], colour: bool) -> str:
    """Says what the marks in these examples mean."""
    used = {kind for example in examples for kind in example.kinds.values()}
    return "   ".join(
        f"{_mark('x', 'y', kind, colour)} {meaning}"
        for kind, meaning in _MEANINGS.items()
        if kind in used
    )


def render_example(example: Example, pairing: str, colour: bool) -> str:
    """Returns an example: a line on it, and a line for each segment.

    Args:
        example: what to show.
        pairing: how its segments were put together; "" if that is not known.
        colour: mark by the terminal's colours, not by brackets.
    """
    head = (
        f"{escape(example.where)}: {len(example.originals)} tokens, {len(example.kinds)} to predict"
    )
    if example.pair_label is not None:
        head += f", {pair_label_name(example.pair_label, pairing)}"
    lines = [head]
    for start, end in example.segments:
        words = [word for word in example.words if start <= word[0] < end]
        lines.append(" ".join(_render_word(example, *word, colour) for word in words))
    return "\n".join(lines)


def _render_word(example: Example, start: int, end: int, colour: bool) -> str:
    pieces = []
    for position in range(start, end):
        piece = example.originals[position]
        surface = escape(surface_of(piece) if position > start else piece)
        kind = example.kinds.get(position)
        if kind is None:
            pieces.append(surface)
        else:
            pieces.append(_mark(surface, escape(example.shown[position]), kind, colour))
    return "".join(pieces)


def _mark(original: str, shown: str, kind: Kind, colour: bool) -> str:
    text = original
    if kind not in (Kind.MASK, Kind.KEPT):
        text = f"{original}>{shown}"
    if colour:
        return f"{_COLOURS[kind]}{text}{_RESET}"
    return f"[{text}=]" if kind == Kind.KEPT else f"[{text}]"
