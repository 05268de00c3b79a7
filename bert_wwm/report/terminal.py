"""Examples and statistics in the terminal: words separated by spaces, colours for the masking."""

import textwrap
from collections.abc import Callable, Iterator, Sequence

from bert_wwm.core.output import escape
from bert_wwm.masking.corruption import Kind
from bert_wwm.report.charts import Chart, name_pair_label
from bert_wwm.report.examples import Example, strip_mark
from bert_wwm.report.verdict import Verdict

_MEANINGS = {
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
_WIDTH, _LABEL_WIDTH = 100, 26


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
                lines += textwrap.wrap(
                    chart.text,
                    _WIDTH,
                    initial_indent=f"  {chart.title}".ljust(_LABEL_WIDTH),
                    subsequent_indent=" " * _LABEL_WIDTH,
                )
    return "\n".join(lines[1:]).replace("\xa0", " ")


def render_legend(examples: Sequence[Example], colour: bool) -> str:
    """Says what the marks in these examples mean."""
    meanings = list_meanings(examples).items()
    return "   ".join(f"{_mark('x', 'y', kind, colour)} {meaning}" for kind, meaning in meanings)


def list_meanings(examples: Sequence[Example]) -> dict[Kind, str]:
    """Returns what the marks in these examples mean, where ``x`` was and ``y`` is."""
    used = {kind for example in examples for kind in example.kinds.values()}
    return {kind: meaning for kind, meaning in _MEANINGS.items() if kind in used}


def render_example(example: Example, pairing: str | None, colour: bool) -> str:
    """Returns an example: a line on it, and a line for each segment.

    ``pairing`` says how its segments were put together; None if that is not known. Marks are the
    terminal's colours, or brackets.
    """

    def mark(original: str, position: int, kind: Kind) -> str:
        return _mark(original, escape(example.shown[position]), kind, colour)

    lines = [escape(describe_example(example, pairing))]
    for words in render_words(example, escape, mark):
        lines.append(" ".join(map("".join, words)))
    return "\n".join(lines)


def describe_example(example: Example, pairing: str | None) -> str:
    """Returns a line: where the example is, its tokens, its predictions, and its pair's label."""
    head = f"{example.where}: {len(example.originals)} tokens, {len(example.kinds)} to predict"
    if example.pair_label is None:
        return head
    return f"{head}, {name_pair_label(example.pair_label, pairing)}"


def render_words(
    example: Example, quote: Callable[[str], str], mark: Callable[[str, int, Kind], str]
) -> Iterator[list[list[str]]]:
    """Yields the words of each segment: their pieces, marked where they are to be predicted."""
    for start, end in example.segments:
        words = []
        for first, last in example.words:
            if start <= first < end:
                pieces = []
                for position in range(first, last):
                    piece = example.originals[position]
                    text = quote(piece if position == first else strip_mark(piece))
                    kind = example.kinds.get(position)
                    pieces.append(text if kind is None else mark(text, position, kind))
                words.append(pieces)
        yield words


def _mark(original: str, shown: str, kind: Kind, colour: bool) -> str:
    text = original
    if kind not in (Kind.MASK, Kind.KEPT):
        text = f"{original}>{shown}"
    if colour:
        return f"{_COLOURS[kind]}{text}{_RESET}"
    return f"[{text}=]" if kind == Kind.KEPT else f"[{text}]"
