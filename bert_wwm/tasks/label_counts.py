"""Counts the labels of a file in words."""

import collections
from collections.abc import Sequence

from bert_wwm.tasks.examples import Example, Question, Sentence

_SHOWN = 20


def label_counts(examples: Sequence[Example]) -> str | None:
    """Returns the labels of examples with their counts, the most frequent first, in one line.

    Of many labels it has the first and how many more, and the rarest of these. The labels of a
    tagged sentence are its tags, those of a question its type of answer.

    Returns:
        None if no example has a label.

    Example: ``"好评 (4,800), 差评 (4,799), label (1)"``
    """
    counts = collections.Counter(label for example in examples for label in _labels(example))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if not ranked:
        return None
    line = ", ".join(f"{label} ({count:,})" for label, count in ranked[:_SHOWN])
    more = len(ranked) - _SHOWN
    if more > 0:
        label, count = ranked[-1]
        line += f" and {more:,} more, down to {label} ({count:,})"
    return line


def _labels(example: Example) -> Sequence[str]:
    if isinstance(example, Sentence):
        return () if example.label is None else (example.label,)
    if isinstance(example, Question):
        return (example.answer_type,) if example.answers else ()
    return example.tags or ()
