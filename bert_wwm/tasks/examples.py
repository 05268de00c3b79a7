"""What the files of a task hold, one example each."""

from collections.abc import Sequence
from typing import NamedTuple


class Sentence(NamedTuple):
    """A text, or a pair of texts, to classify.

    Attributes:
        id: its name in predictions: the file's own, or the number of its line.
        text_a: the text, or the first of two.
        text_b: the second; None where there is one.
        label: what is true; None where the file doesn't tell.
        place: the number of its line, where the file has a name of its own for it.
        undecided: whether it has no label because the annotators disagree. It is predicted, but
            neither learned from nor scored.
    """

    id: str
    text_a: str
    text_b: str | None = None
    label: str | None = None
    place: str | None = None
    undecided: bool = False

    @property
    def labels(self) -> Sequence[str]:
        """What there is to count: here, one or none."""
        return () if self.label is None else (self.label,)

    @property
    def line(self) -> str:
        """The number of its line, or what else says where it stands in its file."""
        return self.place or self.id


class Choices(NamedTuple):
    """A question on a text, with choices of which one is right.

    Attributes:
        id: its name in predictions.
        context: the text.
        question: the question.
        choices: the answers to choose from.
        label: the number of the right one, as text; None where the file doesn't tell.
        line: where it is in its file, in words.
    """

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
    """A sentence each of whose tokens has a tag.

    Attributes:
        id: the number of its first line.
        tokens: characters or words, as in the file.
        tags: of each token its tag, such as ``B-PER``; None where the file doesn't tell.
    """

    id: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None = None

    @property
    def labels(self) -> Sequence[str]:
        """The tags; none where the file doesn't tell."""
        return self.tags or ()


class Answer(NamedTuple):
    """One annotator's answer.

    Attributes:
        text: the answer; ``YES`` and ``NO`` where that is it, empty where there is none.
        start: the character of the context at which it begins, as the file says; -1 where it
            doesn't.
    """

    text: str
    start: int = -1


# How a question is answered: by words of the context, by yes or no, or not at all.
SPAN, YES, NO, UNANSWERABLE = ANSWER_TYPES = ("span", "YES", "NO", "unanswerable")


class Question(NamedTuple):
    """A question on a text.

    Attributes:
        id: its name in predictions.
        question: the question.
        context: the text that the answer is in.
        answers: of each annotator the answer; empty where the file doesn't tell.
        answer_type: one of ``ANSWER_TYPES``, by the first answer.
    """

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()
    answer_type: str = SPAN

    @property
    def labels(self) -> Sequence[str]:
        """Its type of answer; none where the file doesn't tell."""
        return (self.answer_type,) if self.answers else ()


Example = Sentence | Choices | Tagged | Question
