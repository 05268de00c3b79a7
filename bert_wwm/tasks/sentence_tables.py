"""Reads texts to classify from tables: a line an example, columns separated by tabs or commas."""

import csv
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.sentence_files import Collector, Labels
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
    """Reads a task's tables, with or without a header.

    The first line is a header if it names the columns of the texts, and none of its columns is
    a label of the task. Without one, the number of columns decides what each holds.

    Attributes:
        is_pair: whether an example is two texts.
        columns: the columns of files without a header, by their number.
        language: of files that name languages, the one to keep.
        label_names: headers' names for the column of labels.
    """

    is_pair: bool
    labels: Labels
    columns: Mapping[int, Columns] = dataclasses.field(default_factory=dict)
    language: str | None = None
    label_names: tuple[str, ...] = _LABEL_NAMES

    def __call__(self, path: str, note: Note) -> list[Sentence]:
        """Reads a file."""
        lines = table_lines(path, note)
        first = _first(path, lines)
        columns = self._columns_of_header(first[1])
        has_header = columns is not None
        if columns is None:
            columns = self._columns_of_width(path, first)
        collector = Collector(path, self.labels)
        others = 0
        for number, cells in same_width(path, first, lines, has_header):
            if columns.language is not None and cells[columns.language].strip() != self.language:
                others += 1
                continue
            _add(collector, number, cells, columns)
        if others:
            note(
                f"{path}: {others:,} examples are in other languages than {self.language} and "
                "are left out"
            )
        return collector.finish(note)

    def _columns_of_header(self, cells: Sequence[str]) -> Columns | None:
        names = [cell.strip().lower() for cell in cells]
        known: Sequence[tuple[str, ...]] = PAIR_NAMES
        if not self.is_pair:
            known = [(name,) for name in TEXT_NAMES]
        texts = next((texts for texts in known if set(texts) <= set(names)), None)
        if texts is None or any(cell.strip() in (self.labels.known or ()) for cell in cells):
            return None
        label = next((name for name in self.label_names if name in names), None)
        return Columns(
            names.index(texts[0]),
            names.index(texts[1]) if self.is_pair else None,
            None if label is None else names.index(label),
            names.index(_LANGUAGE_NAME) if self.language and _LANGUAGE_NAME in names else None,
        )

    def _columns_of_width(self, path: str, first: Line) -> Columns:
        number, cells = first
        if len(cells) not in self.columns:
            names = PAIR_NAMES[0] if self.is_pair else TEXT_NAMES[:1]
            expected = [f"a header with {', '.join(names)} and label"]
            expected += [f"{width} columns" for width in self.columns]
            raise DataError(
                f"{path}:{number}: has {counted_columns(len(cells))} and is no header; expected "
                + " or ".join(expected)
            )
        return self.columns[len(cells)]


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
        lines = table_lines(path, note)
        first = _first(path, lines)
        has_header = not _is_number(self.label_column)
        names = first[1] if has_header else [str(column) for column in range(len(first[1]))]
        columns = self._columns(path, first[0], _places(path, first[0], names))
        if columns.label is None:
            note(f"{path}: has no column {self.label_column}: its examples have no labels")
        collector = Collector(path, Labels(), self.label_column if has_header else "")
        for number, cells in same_width(path, first, lines, has_header):
            _add(collector, number, cells, columns)
        return collector.finish(note)

    def _columns(self, path: str, number: int, places: dict[str, int]) -> Columns:
        for name in self.text_columns:
            if name not in places:
                raise DataError(
                    f"{path}:{number}: has no column {name}; expected it among {', '.join(places)}"
                )
        text_a, *others = (places[name] for name in self.text_columns)
        return Columns(text_a, others[0] if others else None, places.get(self.label_column))


def table_lines(path: str, note: Note) -> Iterator[Line]:
    """Yields the lines of a table, without empty ones.

    In tab-separated files a quotation mark is text; a name that ends in ``.csv`` or ``.csv.gz``
    means CSV, where it encloses columns that hold commas or line ends.
    """
    is_csv = path.endswith((".csv", ".csv.gz"))
    empty = 0
    for number, cells in _csv_lines(path) if is_csv else _tab_lines(path):
        if cells in ([], [""]):
            empty += 1
        else:
            yield number, cells
    if empty:
        note(f"{path}: {empty:,} empty line{'s are' if empty > 1 else ' is'} left out")


def _first(path: str, lines: Iterator[Line]) -> Line:
    for line in lines:
        return line
    raise DataError(f"{path}: holds no example; expected one at least")


def _tab_lines(path: str) -> Iterator[Line]:
    for number, line in enumerate(files.read_lines(path), 1):
        yield number, line.split("\t")


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
    """Yields the lines that hold examples, all as wide as the first, which may be a header.

    Raises:
        DataError: a line has another number of columns than the first.
    """
    width = len(first[1])
    if not has_header:
        yield first
    for number, cells in lines:
        if len(cells) != width:
            raise DataError(
                f"{path}:{number}: has {counted_columns(len(cells))}; expected {width}, as on line "
                f"{first[0]}"
            )
        yield number, cells


def _add(collector: Collector, number: int, cells: Sequence[str], columns: Columns) -> None:
    collector.add(
        str(number),
        cells[columns.text_a],
        None if columns.text_b is None else cells[columns.text_b],
        None if columns.label is None else cells[columns.label],
    )


def _places(path: str, number: int, names: Sequence[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if places.setdefault(name, place) != place:
            raise DataError(f"{path}:{number}: column {name!r} stands there twice; expected once")
    return places


def _is_number(column: str) -> bool:
    return column.isascii() and column.isdecimal()


def counted_columns(count: int) -> str:
    """Returns ``1 column``, ``2 columns`` and so on."""
    return f"{count} column{'' if count == 1 else 's'}"
