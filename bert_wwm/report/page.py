"""The report as a page: one file that needs nothing but a browser, no network and no scripts."""

from collections.abc import Sequence
from html import escape

from bert_wwm.masking.corruption import Kind
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.report.charts import Chart
from bert_wwm.report.examples import Example
from bert_wwm.report.terminal import (
    MEANINGS,
    describe_example,
    list_words,
    render_charts,
    render_facts,
)
from bert_wwm.report.verdict import Verdict

_LABELS = {inventory.feature: inventory.labels for inventory in INVENTORIES.values()}
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; font: 16px/1.5 system-ui, sans-serif; }
pre { overflow-x: auto; }
article { margin: 1rem 0; padding: .5rem 1rem; border: 1px solid gray; border-radius: .5rem; }
header { color: gray; font-size: .85rem; overflow-wrap: anywhere; }
.text { margin: .3rem 0; line-height: 2.3; }
.word { margin: 0 .1em; padding: 0 .1em; border: 1px solid silver; border-radius: .3em; }
.word.long { border-color: gray; }
mark { color: black; background: #f3cf7a; }
mark.mask { color: white; background: #3a3f4a; }
mark.similar { background: #d9c2f0; } mark.moved { background: #aed6ee; }
mark.kept { background: #bfe3c4; }
.yes { color: green; } .no { color: red; } .partly, .unclear { color: darkorange; }
"""


def make_page(
    verdict: Verdict,
    facts: dict[str, str],
    charts: Sequence[Chart],
    examples: Sequence[Example],
    pairing: str | None,
) -> str:
    """Returns an HTML page.

    Args:
        verdict: on whole word masking; it comes first.
        facts: what the records were made with.
        charts: the statistics.
        examples: what to show in full.
        pairing: how their segments were put together; None if that is not known.
    """
    body = [
        f'<h1 class="{verdict.answer}">{escape(verdict.headline)}</h1>',
        f"<p>{escape(verdict.reason)}</p>",
        f"<pre>{escape(render_facts(facts))}</pre>",
        "<h2>Statistics</h2>",
        f"<pre>{escape(render_charts(charts))}</pre>",
    ]
    if examples:
        used = {kind for example in examples for kind in example.kinds.values()}
        legend = [
            f"{_mark('x', 'y', kind, '')} {meaning}"
            for kind, meaning in MEANINGS.items()
            if kind in used
        ]
        body += ["<h2>Examples</h2>", f"<p>{' &nbsp; '.join(legend)}</p>"]
        body += [_show_example(example, pairing) for example in examples]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(verdict.headline)}</title>",
            f"<style>{_STYLE}</style></head>\n<body>",
            *body,
            "</body></html>\n",
        ]
    )


def _show_example(example: Example, pairing: str | None) -> str:
    lines = []
    for words in list_words(example):
        shown = "".join(_show_word(example, word) for word in words)
        lines.append(f'<p class="text" lang="zh">{shown}</p>')
    head = escape(describe_example(example, pairing))
    return f'<article class="example"><header>{head}</header>{"".join(lines)}</article>'


def _show_word(example: Example, word: Sequence[tuple[int, str]]) -> str:
    pieces = []
    for position, surface in word:
        kind = example.kinds.get(position)
        if kind is None:
            pieces.append(escape(surface))
        else:
            title = _list_labels(example, position)
            pieces.append(_mark(surface, example.shown[position], kind, title))
    return f'<span class="word{" long" * (len(word) > 1)}">{"".join(pieces)}</span>'


def _list_labels(example: Example, position: int) -> str:
    """Returns what a record says of a prediction besides the piece."""
    index = list(example.kinds).index(position)
    parts = [f"position {position}"]
    for name, labels in example.labels.items():
        label, known = labels[index], _LABELS.get(name)
        if known is None:
            parts.append(f"target position {label}")
        else:
            parts.append(known[label] if label < len(known) else str(label))
    return ", ".join(parts)


def _mark(original: str, shown: str, kind: Kind, title: str) -> str:
    text = escape(original)
    if kind not in (Kind.MASK, Kind.KEPT):
        text = f"<ruby>{text}<rt>{escape(shown)}</rt></ruby>"
    tooltip = f' title="{escape(title)}"' if title else ""
    return f'<mark class="{kind.name.lower()}"{tooltip}>{text}</mark>'
