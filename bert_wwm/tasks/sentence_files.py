"""Collects the examples of a file to classify, checks their labels, and counts what looks wrong."""

import collections
from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.header_rows import header_note
from bert_wwm.tasks.task import Note

_SHOWN_LABELS = 20


class Labels(NamedTuple):
    """The labels of a task's files."""

    known: tuple[str, ...] | None = None  # in the order of ids; None: those of the training data
    renamed: Mapping[str, str] = {}  # other spellings
    undecided: Mapping[str, str] = {}  # if the annotators disagree; with the reason in words


class Collector:
    """Collects the examples of a file one by one; counts what the user should know.

    ``label_column`` is the name of the column of labels, in a table with a header.
    """

    def __init__(self, path: str, labels: Labels, label_column: str = ""):
        self._path = path
        self._labels = labels
        self._label_column = label_column
        self._known = None if labels.known is None else frozenset(labels.known)
        self._examples: list[Sentence] = []
        self._empty: list[str] = []  # the places of those without text
        self._labels_found: Counter[str | None] = collections.Counter()

    def add(
        self,
        place: str,
        text_a: str,
        text_b: str | None,
        label: str | None,
        example_id: str | None = None,
    ) -> None:
        """Adds an example with the label and the id that the file has, if any.

        ``place`` is the number of its line, or another name of its place in its file.
        """
        label = label.strip() if label else None
        label = self._labels.renamed.get(label, label) if label else None
        self._labels_found[label] += 1
        undecided = label in self._labels.undecided
        if undecided:
            label = None
        if label is not None and self._known is not None and label not in self._known:
            raise unknown_label(self._path, place, label, self._labels.known or ())
        if not text_a.strip() or (text_b is not None and not text_b.strip()):
            self._empty.append(place)
        name, line = (place, None) if example_id is None else (example_id, place)
        self._examples.append(Sentence(name, text_a, text_b, label, line, undecided))

    def finish(self, note: Note) -> list[Sentence]:
        """Returns the examples, and notes what was counted."""
        total = len(self._examples)
        if not total:
            raise DataError(f"{self._path}: holds no example; expected one at least")
        for label, reason in self._labels.undecided.items():
            count = self._labels_found[label]
            if count:
                note(
                    f"{self._path}: {count:,} of {total:,} examples have the label {label!r} "
                    f"({reason}), and are neither trained on nor scored"
                )
        if self._empty:
            note(
                f"{self._path}: {len(self._empty):,} of {total:,} examples have an empty text; "
                f"the first is {self._path}:{self._empty[0]}"
            )
        first = self._examples[0]
        texts = (first.text_a, first.text_b or "")
        count = self._labels_found[first.label]
        for sentence in header_note(
            self._path, first.line, texts, first.label, count, self._label_column
        ):
            note(sentence)
        bare = self._labels_found[None]
        if 0 < bare < total:
            note(f"{self._path}: {bare:,} of {total:,} examples have no label")
        return self._with_unique_ids(note)

    def _with_unique_ids(self, note: Note) -> list[Sentence]:
        repeated = len(self._examples) - len({example.id for example in self._examples})
        if not repeated:
            return self._examples
        note(
            f"{self._path}: {repeated:,} of {len(self._examples):,} examples have the id of "
            "another; all are named by their lines"
        )
        return [example._replace(id=example.line, place=None) for example in self._examples]


def note_empty_lines(path: str, count: int, note: Note) -> None:
    """Notes how many empty lines of a file were left out, if any."""
    if count:
        note(f"{path}: {count:,} empty line{'s are' if count > 1 else ' is'} left out")


def unknown_label(path: str, place: str, label: str, known: Collection[str]) -> DataError:
    """Returns the error of a label that isn't among the known ones."""
    return DataError(f"{path}:{place}: label {label!r}; expected {list_labels(known)}")


def list_labels(labels: Collection[str]) -> str:
    """Returns labels in words, the first of them where there are many."""
    shown = list(labels)[:_SHOWN_LABELS]
    if len(shown) == len(labels):
        return f"one of {', '.join(shown)}"
    return f"one of {len(labels)} labels: {', '.join(shown)}, ..."
