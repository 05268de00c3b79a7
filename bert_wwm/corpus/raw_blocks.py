"""Raw text, of whatever format, as a stream of blocks of whole documents.

Unlike in blocks.py a document is split only if it is longer than LONGEST_DOCUMENT_BYTES: a comment
or a script within it may continue over many lines. Lines end by a carriage return too. Only tables
have to be parsed to find their line ends, so they are parsed here.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.corpus.blocks import (
    BLOCK_BYTES,
    DOCUMENT_BYTES,
    Block,
    FindEnd,
    Stretch,
    cut,
)

LONGEST_DOCUMENT_BYTES = 1 << 22
TEXT, JSON_LINES, CSV, WIKIEXTRACTOR = FORMATS = ("text", "jsonl", "csv", "wikiextractor")
BLANK_LINE, LINE, FILE = DOCUMENTS = ("blank_line", "line", "file")
# Separates the cells of a table in a stretch: no text may hold it.
SEPARATOR = "\0"

_READ_BYTES = 1 << 20
_LONGEST_CELL = 1 << 26  # characters; Python's own limit is 128 K
_LINE_END, _CARRIAGE_RETURN = b"\n", b"\r"
_BLANK_LINE = re.compile(rb"\n[ \t]*\n")
_WIKI_BEGIN = re.compile(rb"\s*<doc\s[^>\n]*>")
_WIKI_END = b"\n</doc>"
_OBJECT_BEGIN = re.compile(rb"\s*\{")
_JSON_BEGIN = re.compile(rb'\s*\{\s*"[^"\n]*"\s*:')


class Layout(NamedTuple):
    """Where documents are in files."""

    formats: dict[str, str]  # of each file, one of FORMATS
    # JSON lines, tables: the field or column with the text; a.b is the field b of the field a.
    text_field: str = "text"
    documents: str = BLANK_LINE  # what a document is in plain text, one of DOCUMENTS
    # Tables: separates cells; by default a tab where the name ends in .tsv or .tsv.gz, or a comma.
    delimiter: str = ""


def find_format(path: str) -> str:
    """Returns the format of a file: CSV by its name, all others by their beginning."""
    name = path.lower().removesuffix(".gz")
    if name.endswith((".csv", ".tsv")):
        return CSV
    begin = next(files.read_chunks(path, _READ_BYTES), b"").removeprefix(files.BYTE_ORDER_MARK)
    if _WIKI_BEGIN.match(begin):
        return WIKIEXTRACTOR
    if name.endswith((".jsonl", ".json", ".ndjson")) or _JSON_BEGIN.match(begin):
        return JSON_LINES
    return TEXT


def read_blocks(run: int, paths: Sequence[str], layout: Layout) -> Iterator[Block]:
    """Yields the blocks of a run of files; those of tables hold the cells of the column."""
    stretches: list[Stretch] = []
    size = count = 0
    for path in paths:
        for stretch in _read_stretches(path, layout):
            stretches.append(stretch)
            size += stretch.size
            if size >= BLOCK_BYTES:
                yield Block((run, count), stretches)
                count += 1
                stretches, size = [], 0
    if stretches:
        yield Block((run, count), stretches)


def _read_stretches(path: str, layout: Layout) -> Iterator[Stretch]:
    kind = layout.formats[path]
    if kind == CSV:
        return _read_table(path, layout)
    find_end: FindEnd
    if kind == WIKIEXTRACTOR:
        find_end = _find_article
    elif kind == JSON_LINES or layout.documents == LINE:
        find_end = _find_line
    else:
        find_end = _find_paragraphs if layout.documents == BLANK_LINE else _find_length
    unit, expected = "a line or an article", "documents of a size to be read"
    return cut(path, _read_chunks(path), find_end, unit, expected)


def _find_line(text: bytes) -> tuple[int, bool]:
    return text.find(_LINE_END, DOCUMENT_BYTES) + 1, True


def _find_article(text: bytes) -> tuple[int, bool]:
    """Finds ends of JSON lines too, which WikiExtractor writes with --json."""
    if _OBJECT_BEGIN.match(text):
        return _find_line(text)
    place = text.find(_WIKI_END, DOCUMENT_BYTES)
    return (text.find(_LINE_END, place + 1) + 1 if place >= 0 else 0), True


def _find_paragraphs(text: bytes) -> tuple[int, bool]:
    blank = _BLANK_LINE.search(text, DOCUMENT_BYTES, LONGEST_DOCUMENT_BYTES)
    return (blank.end(), True) if blank else _find_length(text)


def _find_length(text: bytes) -> tuple[int, bool]:
    too_long = len(text) > LONGEST_DOCUMENT_BYTES
    return (text.find(_LINE_END, LONGEST_DOCUMENT_BYTES) + 1 if too_long else 0), False


def _read_chunks(path: str) -> Iterator[tuple[bytes, int]]:
    """Yields a file with line feeds alone and no byte order mark, and the bytes that were read."""
    held = b""  # a carriage return, until the next byte shows whether it is a line end by itself
    for number, chunk in enumerate(files.read_chunks(path, _READ_BYTES)):
        size = len(chunk)
        if number == 0:
            chunk = chunk.removeprefix(files.BYTE_ORDER_MARK)
        chunk = held + chunk
        held = _CARRIAGE_RETURN if chunk.endswith(_CARRIAGE_RETURN) else b""
        chunk = chunk.removesuffix(_CARRIAGE_RETURN)
        if _CARRIAGE_RETURN in chunk:
            chunk = chunk.replace(b"\r\n", _LINE_END).replace(_CARRIAGE_RETURN, _LINE_END)
        yield chunk, size
    if held:
        yield _LINE_END, 0


def _read_table(path: str, layout: Layout) -> Iterator[Stretch]:
    """Yields the cells of the column with the text, those of DOCUMENT_BYTES of the file at a time.

    In CSV a cell may be quoted, and then continue over several lines; where tabs separate the cells
    a quotation mark is text. The first row names the columns. Lines without any cell are skipped.
    """
    delimiter = layout.delimiter
    if not delimiter:
        delimiter = "\t" if path.lower().endswith((".tsv", ".tsv.gz")) else ","
    size = taken = 0  # bytes since the last stretch: read, and up to the last cell

    def read_lines() -> Iterator[str]:
        nonlocal size
        for number, line in enumerate(files.read_lines(path), 1):
            if "\0" in line:
                raise DataError(f"{path}:{number}: holds a NUL byte; expected text")
            size += len(line.encode("utf-8")) + 1
            yield line + "\n"

    def make_stretch() -> Stretch:
        text = SEPARATOR.join(cells).encode("utf-8")
        return Stretch(path, first, text, left_out=taken - len(text))

    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(
        read_lines(),
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL,
        strict=True,
    )
    columns: list[str] = []
    cells: list[str] = []
    column = 0
    first = begin = 1  # lines: of the stretch, of the row
    try:
        for row in rows:
            if row and not columns:
                columns = [name.strip() for name in row]
                column = _find_column(columns, layout.text_field, f"{path}:{begin}")
            elif row:
                if len(row) <= column:
                    raise DataError(
                        f"{path}:{begin}: a row of {len(row)} cells, which ends before the column "
                        f"{layout.text_field!r}; expected {len(columns)} cells"
                    )
                if not cells:
                    first = begin
                cells.append(row[column])
                taken = size
                if size >= DOCUMENT_BYTES:
                    yield make_stretch()
                    cells, size = [], 0
            begin = rows.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}:{begin}: the row that begins here is no row of a table ({error})"
        ) from None
    if cells:
        yield make_stretch()


def _find_column(columns: list[str], name: str, place: str) -> int:
    if name not in columns:
        raise DataError(
            f"{place}: there is no column {name!r}; expected --text_field to be "
            f"one of {', '.join(columns)}"
        )
    return columns.index(name)
