"""The report as a page: one file that needs nothing but a browser, no network and no scripts."""

import string
from collections.abc import Sequence
from html import escape

from bert_wwm.masking.corruption import Kind
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.report import terminal
from bert_wwm.report.charts import Chart
from bert_wwm.report.examples import Example
from bert_wwm.report.verdict import Verdict

_LABELS = {inventory.feature: inventory.labels for inventory in INVENTORIES.values()}
_PAGE = string.Template("""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
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
</style></head>
<body>
<h1 class="$answer">$title</h1>
<p>$reason</p>
<pre>$facts</pre>
<h2>Statistics</h2>
<pre>$charts</pre>
$examples
</body></html>
""")


def make_page(
    verdict: Verdict,
    facts: dict[str, str],
    charts: Sequence[Chart],
    examples: Sequence[Example],
    pairing: str | None,
) -> str:
    """Returns an HTML page of what the terminal shows; ``pairing`` as in ``render_example``."""
    shown = []
    if examples:
        legend = [
            f"{_mark('x', 'y', kind)} {meaning}"
            for kind, meaning in terminal.list_meanings(examples).items()
        ]
        shown = ["<h2>Examples</h2>", f"<p>{' &nbsp; '.join(legend)}</p>"]
        shown += [_render_example(example, pairing) for example in examples]
    return _PAGE.substitute(
        title=escape(verdict.headline),
        answer=verdict.answer,
        reason=escape(verdict.reason),
        facts=escape(terminal.render_facts(facts)),
        charts=escape(terminal.render_charts(charts)),
        examples="\n".join(shown),
    )


def _render_example(example: Example, pairing: str | None) -> str:
    def mark(original: str, position: int, kind: Kind) -> str:
        return _mark(original, example.shown[position], kind, _list_labels(example, position))

    lines = []
    for words in terminal.render_words(example, escape, mark):
        spans = [
            f'<span class="word{" long" * (len(word) > 1)}">{"".join(word)}</span>'
            for word in words
        ]
        lines.append(f'<p class="text" lang="zh">{"".join(spans)}</p>')
    head = escape(terminal.describe_example(example, pairing))
    return f'<article class="example"><header>{head}</header>{"".join(lines)}</article>'


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


def _mark(text: str, shown: str, kind: Kind, title: str = "") -> str:
    if kind not in (Kind.MASK, Kind.KEPT):
        text = f"<ruby>{text}<rt>{escape(shown)}</rt></ruby>"
    tooltip = f' title="{escape(title)}"' if title else ""
    return f'<mark class="{kind.name.lower()}"{tooltip}>{text}</mark>'
