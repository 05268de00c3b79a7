"""Examples and statistics in the terminal: words separated by spaces, colours for the masking."""

import textwrap
from collections.abc import Iterator, Sequence

from bert_wwm.core.output import escape
from bert_wwm.masking.corruption import Kind
from bert_wwm.report.charts import Chart, name_pair_label, percent
from bert_wwm.report.examples import Example, strip_mark
from bert_wwm.report.verdict import Verdict

MEANINGS = {
    Kind.MASK: "masked",
    Kind.RANDOM: "replaced by y",
    Kind.SIMILAR: "replaced by the word of y",
    Kind.MOVED: "exchanged for y of another place",
    Kind.KEPT: "unchanged, but to be predicted",
}
_RESET, _BOLD = "\033[0m", "\033[1m"
_RED, _YELLOW, _GREEN = "\033[41m", "\033[43;30m", "\033[42;30m"
_COLOURS = {
    Kind.MASK: _RED,
    Kind.RANDOM: _YELLOW,
    Kind.SIMILAR: "\033[45m",
    Kind.MOVED: "\033[46;30m",
    Kind.KEPT: _GREEN,
}
_ANSWER_COLOURS = {"yes": _GREEN, "no": _RED, "partly": _YELLOW, "unclear": _YELLOW}
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
    """Returns charts, a few lines each, below the scope that they were counted on."""
    lines: list[str] = []
    for scope in dict.fromkeys(chart.scope for chart in charts):
        lines += ["", f"Of {scope}"]
        for chart in charts:
            if chart.scope == scope:
                text = _write_histogram(chart) if chart.is_histogram else _write_shares(chart)
                body = textwrap.wrap(text, _WIDTH - _LABEL_WIDTH)
                titles = [chart.title, *[""] * len(body)]
                lines += [
                    f"  {title:<{_LABEL_WIDTH - 2}}{line}".replace("\xa0", " ")
                    for title, line in zip(titles, body)
                ]
    return "\n".join(lines[1:])


def _write_histogram(chart: Chart) -> str:
    highest = max(bar.share for bar in chart.bars) or 1.0
    steps = (round(bar.share / highest * (len(_BLOCKS) - 1)) for bar in chart.bars)
    return f"{''.join(_BLOCKS[step] for step in steps)}  {chart.note}"


def _write_shares(chart: Chart) -> str:
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
    expected = [f"{100 * bar.expected:.0f}" for bar in chart.bars if bar.expected is not None]
    if expected:
        text += f"; expected {', '.join(expected)}\xa0%"
    if chart.chips:
        text += f": {', '.join(f'{chip}×{count:,}' for chip, count in chart.chips[:_MOST_CHIPS])}"
    return text


def render_legend(examples: Sequence[Example], colour: bool) -> str:
    """Says what the marks in these examples mean."""
    used = {kind for example in examples for kind in example.kinds.values()}
    return "   ".join(
        f"{_mark('x', 'y', kind, colour)} {meaning}"
        for kind, meaning in MEANINGS.items()
        if kind in used
    )


def render_example(example: Example, pairing: str | None, colour: bool) -> str:
    """Returns an example: a line on it, and a line for each segment.

    Args:
        example: what to show.
        pairing: how its segments were put together; None if that is not known.
        colour: mark by the terminal's colours, not by brackets.
    """
    lines = [escape(describe_example(example, pairing))]
    for words in list_words(example):
        shown = []
        for word in words:
            pieces = []
            for position, surface in word:
                kind = example.kinds.get(position)
                text, seen = escape(surface), escape(example.shown[position])
                pieces.append(text if kind is None else _mark(text, seen, kind, colour))
            shown.append("".join(pieces))
        lines.append(" ".join(shown))
    return "\n".join(lines)


def describe_example(example: Example, pairing: str | None) -> str:
    """Returns a line: where the example is, its tokens, its predictions, and its pair's label."""
    head = f"{example.where}: {len(example.originals)} tokens, {len(example.kinds)} to predict"
    if example.pair_label is None:
        return head
    return f"{head}, {name_pair_label(example.pair_label, pairing)}"


def list_words(example: Example) -> Iterator[list[list[tuple[int, str]]]]:
    """Yields the words of each segment: the positions of their pieces and these as text."""
    for start, end in example.segments:
        words = []
        for word in example.words:
            if start <= word[0] < end:
                pieces = [(position, example.originals[position]) for position in range(*word)]
                words.append([pieces[0], *((p, strip_mark(piece)) for p, piece in pieces[1:])])
        yield words


def _mark(original: str, shown: str, kind: Kind, colour: bool) -> str:
    text = original
    if kind not in (Kind.MASK, Kind.KEPT):
        text = f"{original}>{shown}"
    if colour:
        return f"{_COLOURS[kind]}{text}{_RESET}"
    return f"[{text}=]" if kind == Kind.KEPT else f"[{text}]"
