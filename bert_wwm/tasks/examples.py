"""The examples of a task's files. Their ids name them in predictions."""

import collections
from collections.abc import Sequence
from typing import NamedTuple

_SHOWN_LABELS = 20


class Sentence(NamedTuple):
    """A text, or a pair of texts, to classify."""

    id: str  # the file's own, or the number of its line
    text_a: str
    text_b: str | None = None
    label: str | None = None
    place: str | None = None  # the number of its line, if the file has an id for it
    # It has no label as the annotators disagree: it is predicted, but not trained on nor scored.
    undecided: bool = False

    @property
    def labels(self) -> Sequence[str]:
        """The label, or none: what ``label_counts`` counts."""
        return () if self.label is None else (self.label,)

    @property
    def line(self) -> str:
        """The number of its line, or another name of its place in the file."""
        return self.place or self.id


class Choices(NamedTuple):
    """A question on a text, with choices; ``label`` is the number of the right one, as text."""

    id: str
    context: str
    question: str
    choices: tuple[str, ...]
    label: str | None = None
    line: str = ""

    @property
    def undecided(self) -> bool:
        """Never; see ``Sentence``."""
        return False

    @property
    def labels(self) -> Sequence[str]:
        """The label, or none."""
        return () if self.label is None else (self.label,)


class Tagged(NamedTuple):
    """A sentence, each of whose tokens (characters or words) has a tag, such as ``B-PER``."""

    id: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None = None

    @property
    def labels(self) -> Sequence[str]:
        """The tags; none if the file has none."""
        return self.tags or ()


class Answer(NamedTuple):
    """One annotator's answer: a text, ``YES`` or ``NO``, or empty for none.

    ``start`` is the character of the context at which it begins, by the file; -1 if it has none.
    """

    text: str
    start: int = -1


# How a question is answered: by words of the context, by yes or no, or not at all.
SPAN, YES, NO, UNANSWERABLE = ANSWER_TYPES = ("span", "YES", "NO", "unanswerable")


class Question(NamedTuple):
    """A question on a text, with each annotator's answer (none if the file has none).

    ``answer_type`` is one of ``ANSWER_TYPES``, by the first answer.
    """

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()
    answer_type: str = SPAN

    @property
    def labels(self) -> Sequence[str]:
        """The type of answer, or none."""
        return (self.answer_type,) if self.answers else ()


Example = Sentence | Choices | Tagged | Question


def label_counts(examples: Sequence[Example]) -> str | None:
    """Returns such as ``"好评 (4,800), 差评 (4,799), label (1)"``, the most frequent first.

    Of many labels it has the first, the number of others, and the rarest. None: no labels.
    """
    counts = collections.Counter(label for example in examples for label in example.labels)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if not ranked:
        return None
    line = ", ".join(f"{label} ({count:,})" for label, count in ranked[:_SHOWN_LABELS])
    more = len(ranked) - _SHOWN_LABELS
    if more > 0:
        label, count = ranked[-1]
        line += f" and {more:,} more, down to {label} ({count:,})"
    return line
