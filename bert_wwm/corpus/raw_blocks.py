"""Raw text, of whatever format, as a stream of blocks of whole documents.

As in blocks.py, cutting looks at bytes only and leaves all else to the workers; but here a document
is taken apart only where it is longer than LONGEST_DOCUMENT_BYTES: a comment or a script within it
may go over many lines. Lines end as Python's universal newlines do, by a carriage return too. CSV
alone has to be parsed to find its line ends, so it is parsed here.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.corpus.blocks import BLOCK_BYTES, DOCUMENT_BYTES, Place, Stretch
from bert_wwm.corpus.raw_tables import read_cells

LONGEST_DOCUMENT_BYTES = 1 << 22
TEXT, JSON_LINES, CSV, WIKIEXTRACTOR = FORMATS = ("text", "jsonl", "csv", "wikiextractor")
BLANK_LINE, LINE, FILE = DOCUMENTS = ("blank_line", "line", "file")
# Parts the cells of a table in a stretch: no text may hold it.
SEPARATOR = "\0"

_READ_BYTES = 1 << 20
_LONGEST_RECORD = 1 << 26  # a line or an article has to be in memory as a whole
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END, _CARRIAGE_RETURN = b"\n", b"\r"
_BLANK_LINE = re.compile(rb"\n[ \t]*\n")
_WIKI_BEGIN = re.compile(rb"\s*<doc\s[^>\n]*>")
_WIKI_END = b"\n</doc>"
_OBJECT_BEGIN = re.compile(rb"\s*\{")
_JSON_BEGIN = re.compile(rb'\s*\{\s*"[^"\n]*"\s*:')


class RawBlock(NamedTuple):
    """Documents that are worked on together.

    Attributes:
        place: the block's run, and its number within the run.
        stretches: whole documents as they stand in the files; of tables, the cells.
        size: bytes of the files that it is of.
    """

    place: Place
    stretches: list[Stretch]
    size: int


class Layout(NamedTuple):
    """Where documents are in files.

    Attributes:
        formats: the format of each file, one of FORMATS.
        text_field: the field of JSON lines, or the column of tables, that holds the text; ``a.b``
            is the field ``b`` of the field ``a``.
        documents: what a document is in plain text, one of DOCUMENTS.
        delimiter: what parts the cells of tables; empty: a tab where the name ends in ``.tsv``,
            otherwise a comma.
    """

    formats: dict[str, str]
    text_field: str = "text"
    documents: str = BLANK_LINE
    delimiter: str = ""


def find_format(path: str) -> str:
    """Returns the format of a file: CSV by its name, all others by how it begins."""
    name = path.lower()
    name = name[: -len(".gz")] if name.endswith(".gz") else name
    if name.endswith((".csv", ".tsv")):
        return CSV
    begin = next(files.read_chunks(path, _READ_BYTES), b"")
    if begin.startswith(_BYTE_ORDER_MARK):
        begin = begin[len(_BYTE_ORDER_MARK) :]
    if _WIKI_BEGIN.match(begin):
        return WIKIEXTRACTOR
    if name.endswith((".jsonl", ".json", ".ndjson")) or _JSON_BEGIN.match(begin):
        return JSON_LINES
    return TEXT


def read_blocks(run: int, paths: Sequence[str], layout: Layout) -> Iterator[RawBlock]:
    """Yields the blocks of a run of files (see ``blocks.runs``).

    Raises:
        DataError: a file is missing or a broken ``.gz``, a table lacks the column, a record is too
            long.
    """
    stretches: list[Stretch] = []
    size = count = 0
    for path in paths:
        for stretch, stretch_size in _stretches(path, layout):
            stretches.append(stretch)
            size += stretch_size
            if size >= BLOCK_BYTES:
                yield RawBlock((run, count), stretches, size)
                count += 1
                stretches, size = [], 0
    if stretches:
        yield RawBlock((run, count), stretches, size)


def _stretches(path: str, layout: Layout) -> Iterator[tuple[Stretch, int]]:
    """Yields parts of a file, and the bytes of the file that they are of."""
    if layout.formats[path] == CSV:
        yield from _table(path, layout)
    else:
        yield from _read(path, _end_of(layout.formats[path], layout.documents))


# Where a part of a text ends, 0 if that can't be told yet, and whether the document ends there.
_End = Callable[[bytes], tuple[int, bool]]


def _end_of(kind: str, documents: str) -> _End:
    if kind == WIKIEXTRACTOR:
        return _end_of_article
    if kind == JSON_LINES or documents == LINE:
        return _end_of_line
    return _end_of_paragraphs if documents == BLANK_LINE else _end_within


def _end_of_line(text: bytes) -> tuple[int, bool]:
    return text.find(_LINE_END, DOCUMENT_BYTES) + 1, True


def _end_of_article(text: bytes) -> tuple[int, bool]:
    """Of JSON lines too, which WikiExtractor writes with --json."""
    if _OBJECT_BEGIN.match(text):
        return _end_of_line(text)
    place = text.find(_WIKI_END, DOCUMENT_BYTES)
    return (text.find(_LINE_END, place + 1) + 1 if place >= 0 else 0), True


def _end_of_paragraphs(text: bytes) -> tuple[int, bool]:
    blank = _BLANK_LINE.search(text, DOCUMENT_BYTES, LONGEST_DOCUMENT_BYTES)
    return (blank.end(), True) if blank else _end_within(text)


def _end_within(text: bytes) -> tuple[int, bool]:
    too_long = len(text) > LONGEST_DOCUMENT_BYTES
    return (text.find(_LINE_END, LONGEST_DOCUMENT_BYTES) + 1 if too_long else 0), False


def _read(path: str, find_end: _End) -> Iterator[tuple[Stretch, int]]:
    """Yields parts of a file, and the bytes of the file that they are of."""
    text = b""
    line = 1
    left_out = 0
    is_rest = False
    for chunk, size in _chunks(path):
        text += chunk
        left_out += size - len(chunk)
        end, is_whole = find_end(text)
        while end:
            stretch, text = text[:end], text[end:]
            yield Stretch(path, line, stretch, is_rest), len(stretch) + left_out
            left_out = 0
            line += stretch.count(_LINE_END)
            is_rest = not is_whole
            end, is_whole = find_end(text)
        if len(text) > _LONGEST_RECORD:
            raise DataError(
                f"{path}:{line}: a line or an article of more than {_LONGEST_RECORD >> 20} MB; "
                "expected documents of a size to be read"
            )
    if text:
        yield Stretch(path, line, text, is_rest), len(text) + left_out


def _chunks(path: str) -> Iterator[tuple[bytes, int]]:
    """Yields a file with line feeds alone and no byte order mark, and the bytes that were read."""
    held = b""  # whether it ends a line by itself, the next byte says
    for number, chunk in enumerate(files.read_chunks(path, _READ_BYTES)):
        size = len(chunk)
        if number == 0 and chunk.startswith(_BYTE_ORDER_MARK):
            chunk = chunk[len(_BYTE_ORDER_MARK) :]
        chunk = held + chunk
        held = _CARRIAGE_RETURN if chunk.endswith(_CARRIAGE_RETURN) else b""
        chunk = chunk[: len(chunk) - len(held)]
        if _CARRIAGE_RETURN in chunk:
            chunk = chunk.replace(b"\r\n", _LINE_END).replace(_CARRIAGE_RETURN, _LINE_END)
        yield chunk, size
    if held:
        yield _LINE_END, 0


def _table(path: str, layout: Layout) -> Iterator[tuple[Stretch, int]]:
    """Yields the cells of the column with the text, so many at a time as come of DOCUMENT_BYTES."""
    cells: list[str] = []
    begin = 1
    done = 0
    for line, read, cell in read_cells(path, layout.text_field, layout.delimiter):
        if not cells:
            begin = line
        cells.append(cell)
        if read - done >= DOCUMENT_BYTES:
            yield Stretch(path, begin, SEPARATOR.join(cells).encode("utf-8")), read - done
            cells, done = [], read
    if cells:
        size = max(0, read - done)
        yield Stretch(path, begin, SEPARATOR.join(cells).encode("utf-8")), size
