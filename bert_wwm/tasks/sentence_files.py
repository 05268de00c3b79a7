"""Collects the examples of a file to classify, checks their labels, and counts what looks wrong.

The readers themselves: sentence_tables.py (tab- and comma-separated), sentence_json.py (JSON
lines) and sentence_news.py (THUCNews).
"""

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
    """The labels of a task's files.

    Attributes:
        known: all there are, in the order of their ids; None: those of the training data.
        renamed: other spellings of labels.
        undecided: those of examples whose annotators disagree, with the reason in words.
    """

    known: tuple[str, ...] | None = None
    renamed: Mapping[str, str] = {}
    undecided: Mapping[str, str] = {}


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
        """Adds an example.

        Args:
            place: the number of its line, or another name of its place in its file.
            text_a, text_b: its texts.
            label: as in the file, with or without white space at its ends; None or empty: none.
            example_id: the file's own id for it.

        Raises:
            DataError: its label is not among the known ones.
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
        """Returns the examples, and notes what was counted.

        Raises:
            DataError: there are none.
        """
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


def unknown_label(path: str, place: str, label: str, known: Collection[str]) -> DataError:
    """Returns the error of a label that isn't among the known ones."""
    return DataError(f"{path}:{place}: label {label!r}; expected {listed(known)}")


def listed(labels: Collection[str]) -> str:
    """Returns labels in words, the first of them where there are many."""
    shown = list(labels)[:_SHOWN_LABELS]
    if len(shown) == len(labels):
        return f"one of {', '.join(shown)}"
    return f"one of {len(labels)} labels: {', '.join(shown)}, ..."
