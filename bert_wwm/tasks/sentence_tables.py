"""Reads texts to classify from tables: a line an example, columns separated by tabs or commas."""

import csv
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.sentence_files import Collector, Labels, note_empty_lines
from bert_wwm.tasks.task import Note

Line = tuple[int, list[str]]  # its number and its columns

# What headers call the columns, in lower case: XNLI, XNLI-MT, GLUE, and what is usual elsewhere.
TEXT_NAMES = ("text_a", "sentence", "text")
PAIR_NAMES = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("premise", "hypo"),
    ("premise", "hypothesis"),
    ("#1 string", "#2 string"),
)
_LABEL_NAMES = ("label", "gold_label", "quality")
_LANGUAGE_NAME = "language"


class Columns(NamedTuple):
    """The columns of an example's texts, label, and language, counted from 0."""

    text_a: int
    text_b: int | None = None
    label: int | None = None
    language: int | None = None


@dataclasses.dataclass(frozen=True)
class TableReader:
    """Reads a task's tables.

    The first line is a header if it names the columns of the texts, and none of its columns is
    a label of the task. Without one, the number of columns decides what each holds.
    """

    is_pair: bool  # an example is two texts
    labels: Labels
    columns: Mapping[int, Columns] = dataclasses.field(default_factory=dict)  # by their number
    language: str | None = None  # the one to keep
    label_names: tuple[str, ...] = _LABEL_NAMES  # of the column of labels, in headers

    def __call__(self, path: str, note: Note) -> list[Sentence]:
        """Reads a file."""
        collector = Collector(path, self.labels)
        return _read(path, note, collector, self._find_columns, self.language)

    def _find_columns(self, path: str, first: Line, note: Note) -> tuple[Columns, bool]:
        number, cells = first
        columns = find_in_header(cells, self.is_pair, self.label_names)
        if columns and not any(cell.strip() in (self.labels.known or ()) for cell in cells):
            return columns, True
        if len(cells) in self.columns:
            return self.columns[len(cells)], False
        names = PAIR_NAMES[0] if self.is_pair else TEXT_NAMES[:1]
        expected = [f"a header with {', '.join(names)} and label"]
        expected += [f"{width} columns" for width in self.columns]
        raise DataError(
            f"{path}:{number}: has {count_in_words(len(cells))} and is no header; expected "
            + " or ".join(expected)
        )


@dataclasses.dataclass(frozen=True)
class UserTableReader:
    """Reads a user's own tables: tab-separated, or, if the name ends in ``.csv``, CSV.

    The columns of one or two texts and of the label are names in the header, or, of files without
    one, numbers from 0. A file without the column of the label has no labels.
    """

    text_columns: tuple[str, ...]
    label_column: str

    def __post_init__(self):
        if len(self.text_columns) not in (1, 2):
            raise ConfigError(
                f"columns of text: {', '.join(self.text_columns) or 'none'}; expected one or two"
            )
        named = (*self.text_columns, self.label_column)
        if len(set(named)) < len(named):
            raise ConfigError(f"columns {', '.join(named)}; expected different ones")
        if len(set(map(_is_number, named))) > 1:
            raise ConfigError(
                f"columns {', '.join(named)}; expected names, or, for files without a header, "
                "numbers from 0"
            )

    def __call__(self, path: str, note: Note) -> list[Sentence]:
        """Reads a file."""
        has_header = not _is_number(self.label_column)
        collector = Collector(path, Labels(), self.label_column if has_header else "")
        return _read(path, note, collector, self._find_columns)

    def _find_columns(self, path: str, first: Line, note: Note) -> tuple[Columns, bool]:
        number, cells = first
        has_header = not _is_number(self.label_column)
        places: dict[str, int] = {}
        for place, name in enumerate(cells if has_header else map(str, range(len(cells)))):
            if places.setdefault(name, place) != place:
                raise DataError(
                    f"{path}:{number}: column {name!r} stands there twice; expected once"
                )
        for name in self.text_columns:
            if name not in places:
                raise DataError(
                    f"{path}:{number}: has no column {name}; expected it among {', '.join(places)}"
                )
        if self.label_column not in places:
            note(f"{path}: has no column {self.label_column}: its examples have no labels")
        text_a, *others = (places[name] for name in self.text_columns)
        text_b = others[0] if others else None
        return Columns(text_a, text_b, places.get(self.label_column)), has_header


def _read(
    path: str,
    note: Note,
    collector: Collector,
    find_columns: Callable[[str, Line, Note], tuple[Columns, bool]],
    language: str | None = None,
) -> list[Sentence]:
    """Reads a table. ``find_columns`` judges by the first line, and whether that is a header."""
    lines = table_lines(path, note)
    first = next(lines, None)
    if first is None:
        return collector.finish(note)
    columns, has_header = find_columns(path, first, note)
    of_language = columns.language if language else None
    others = 0
    for number, cells in same_width(path, first, lines, has_header):
        if of_language is not None and cells[of_language].strip() != language:
            others += 1
            continue
        text_b = None if columns.text_b is None else cells[columns.text_b]
        label = None if columns.label is None else cells[columns.label]
        collector.add(str(number), cells[columns.text_a], text_b, label)
    if others:
        note(f"{path}: {others:,} examples are in other languages than {language} and are left out")
    return collector.finish(note)


def find_in_header(
    cells: Sequence[str], is_pair: bool, label_names: Sequence[str]
) -> Columns | None:
    """Returns the columns that a header names; None if it doesn't name those of the texts."""
    names = {cell.strip().lower(): place for place, cell in reversed([*enumerate(cells)])}
    for texts in PAIR_NAMES if is_pair else [(name,) for name in TEXT_NAMES]:
        if set(texts) <= names.keys():
            text_a, *others = (names[name] for name in texts)
            labels = [names[name] for name in label_names if name in names]
            return Columns(
                text_a,
                others[0] if others else None,
                labels[0] if labels else None,
                names.get(_LANGUAGE_NAME),
            )
    return None


def table_lines(path: str, note: Note) -> Iterator[Line]:
    """Yields the lines of a table, without empty ones.

    In tab-separated files a quotation mark is text; a name that ends in ``.csv`` or ``.csv.gz``
    means CSV, where it encloses columns that hold commas or line ends.
    """
    if path.endswith((".csv", ".csv.gz")):
        lines = _csv_lines(path)
    else:
        lines = enumerate((line.split("\t") for line in files.read_lines(path)), 1)
    empty = 0
    for number, cells in lines:
        if cells in ([], [""]):
            empty += 1
        else:
            yield number, cells
    note_empty_lines(path, empty, note)


def _csv_lines(path: str) -> Iterator[Line]:
    rows = csv.reader((f"{line}\n" for line in files.read_lines(path)), strict=True)
    number = 1
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as error:
            raise DataError(f"{path}:{number}: {error}; expected CSV") from None
        if cells is None:
            return
        yield number, cells
        number = rows.line_num + 1


def same_width(path: str, first: Line, lines: Iterator[Line], has_header: bool) -> Iterator[Line]:
    """Yields the lines that hold examples; checks that all are as wide as the first."""
    width = len(first[1])
    if not has_header:
        yield first
    for number, cells in lines:
        if len(cells) != width:
            raise DataError(
                f"{path}:{number}: has {count_in_words(len(cells))}; expected {width}, as on line "
                f"{first[0]}"
            )
        yield number, cells


def _is_number(column: str) -> bool:
    return column.isascii() and column.isdecimal()


def count_in_words(count: int) -> str:
    """Returns ``1 column``, ``2 columns`` and so on."""
    return f"{count} column{'' if count == 1 else 's'}"
