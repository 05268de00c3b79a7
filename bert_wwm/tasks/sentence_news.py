"""Reads THUCNews, which exists in several forms.

- A line a text, ``label<TAB>text`` (gaussic's ``cnews.train.txt``, HFL's choice) or
  ``text<TAB>label``. The label's column is the one with few and short values; a header
  ``label<TAB>text_a`` names it.
- Labels that are numbers, with their names in ``class.txt`` next to the file, the first that of 0.
- A folder with a folder for each label, which holds a ``.txt`` file for each text.
"""

import os
from collections.abc import Sequence

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.sentence_files import Collector, Labels
from bert_wwm.tasks.sentence_tables import (
    Columns,
    count_in_words,
    find_in_header,
    same_width,
    table_lines,
)
from bert_wwm.tasks.task import Note

_CLASSES = "class.txt"
_LONGEST_LABEL = 20  # characters
# A column of labels has at most one value for so many of the other's; else either could be it.
_TEXTS_PER_LABEL = 2


def read_news(path: str, note: Note) -> list[Sentence]:
    """Reads a file or a folder of THUCNews; files of one column are texts without labels."""
    if os.path.isdir(path):
        return _read_folder(path, note)
    lines = list(table_lines(path, note))
    collector = Collector(path, Labels())
    if not lines:
        return collector.finish(note)
    number, cells = lines[0]
    if len(cells) > 2:
        raise DataError(
            f"{path}:{number}: has {count_in_words(len(cells))}; expected two, a label and a text"
        )
    names = _class_names(path)
    columns = find_in_header(cells, False, ("label",))
    has_header = columns is not None and (len(cells) == 1 or columns.label is not None)
    if columns is None or not has_header:
        columns = _columns_of_values(path, [cells for _, cells in lines], names)
    for number, cells in same_width(path, lines[0], iter(lines[1:]), has_header):
        label = None if columns.label is None else cells[columns.label].strip()
        if names is not None and label is not None:
            label = _class_name(path, number, label, names)
        collector.add(str(number), cells[columns.text_a], None, label)
    return collector.finish(note)


def _columns_of_values(
    path: str, rows: Sequence[Sequence[str]], names: Sequence[str] | None
) -> Columns:
    """Returns which column holds the labels, judged by all of its values."""
    if len(rows[0]) == 1:
        return Columns(0)
    found = [{cells[column].strip() for cells in rows if len(cells) == 2} for column in range(2)]
    if names is not None:
        numbers = {str(number) for number in range(len(names))}
        named = [column for column in range(2) if found[column] <= numbers.union(names)]
        if len(named) == 1:
            return Columns(1 - named[0], None, named[0])
    short = [
        column
        for column in range(2)
        if all(0 < len(value) <= _LONGEST_LABEL for value in found[column])
    ]
    few = [
        column
        for column in short
        if len(short) == 1 or len(found[column]) * _TEXTS_PER_LABEL <= len(found[1 - column])
    ]
    if len(few) != 1:
        which = "either" if short else "neither"
        raise DataError(
            f"{path}: {which} of its columns looks like labels; expected short ones and few of "
            "them, or a header: label<TAB>text_a"
        )
    return Columns(1 - few[0], None, few[0])


def _class_names(path: str) -> list[str] | None:
    """The labels in ``class.txt``, by their numbers; None without that file."""
    beside = os.path.join(os.path.dirname(path), _CLASSES)
    if not files.exists(beside):
        return None
    return [line.strip() for line in files.read_lines(beside) if line.strip()]


def _class_name(path: str, number: int, label: str, names: Sequence[str]) -> str:
    if label in names:
        return label
    if label.isascii() and label.isdecimal() and int(label) < len(names):
        return names[int(label)]
    raise DataError(
        f"{path}:{number}: label {label!r}; expected a number from 0 to {len(names) - 1}, as "
        f"{_CLASSES} has {len(names)} labels"
    )


def _read_folder(path: str, note: Note) -> list[Sentence]:
    collector = Collector(path, Labels())
    for label in sorted(os.listdir(path)):
        folder = os.path.join(path, label)
        if not os.path.isdir(folder):
            continue
        for name in sorted(os.listdir(folder)):
            if name.endswith((".txt", ".txt.gz")):
                text = " ".join(files.read_lines(os.path.join(folder, name)))
                collector.add(f"{label}/{name}", text, None, label)
    return collector.finish(note)
