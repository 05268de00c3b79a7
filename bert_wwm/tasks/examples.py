"""The examples of a task's files. Their ids name them in predictions."""

from collections.abc import Sequence
from typing import NamedTuple


class Sentence(NamedTuple):
    """A text, or a pair of texts, to classify.

    Attributes:
        id: the file's own, or the number of its line.
        text_b: the second text of a pair.
        label: None if the file has none.
        place: the number of its line, if the file has an id for it.
        undecided: whether it has no label because the annotators disagree. It is predicted, but
            neither trained on nor scored.
    """

    id: str
    text_a: str
    text_b: str | None = None
    label: str | None = None
    place: str | None = None
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
