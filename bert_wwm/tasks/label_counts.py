"""Counts the labels of a file in words."""

import collections
from collections.abc import Sequence

from bert_wwm.tasks.examples import Example

_SHOWN = 20


def label_counts(examples: Sequence[Example]) -> str | None:
    """Returns such as ``"好评 (4,800), 差评 (4,799), label (1)"``, the most frequent first.

    Of many labels it has the first, the number of others, and the rarest. None: no labels.
    """
    counts = collections.Counter(label for example in examples for label in example.labels)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if not ranked:
        return None
    line = ", ".join(f"{label} ({count:,})" for label, count in ranked[:_SHOWN])
    more = len(ranked) - _SHOWN
    if more > 0:
        label, count = ranked[-1]
        line += f" and {more:,} more, down to {label} ({count:,})"
    return line
