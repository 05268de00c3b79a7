"""The documents of raw text: plain, in JSON lines, in a column of a table, from WikiExtractor."""

import html
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import parse_line
from bert_wwm.corpus.blocks import Block, Stretch
from bert_wwm.corpus.raw_blocks import (
    BLANK_LINE,
    CSV,
    JSON_LINES,
    LINE,
    SEPARATOR,
    TEXT,
    WIKIEXTRACTOR,
    Layout,
)

_BETWEEN_DOCUMENTS = re.compile(r"\n\s*\n")
_WIKI_BEGIN = re.compile(r"(<doc\s[^\n]*>) *\n")
_WIKI_END = re.compile(r"^</doc> *$", re.MULTILINE)
_WIKI_TITLE = re.compile(r'\btitle="([^"\n]*)"')
_VISIBLE = re.compile(r"\S")
_SHOWN_FIELDS = 20


class RawDocument(NamedTuple):
    """A document as it was found; its text may be empty."""

    text: str
    is_rest: bool = False  # it continues a document that was too long


def read_documents(block: Block, layout: Layout) -> Iterator[RawDocument]:
    """Yields the documents of a block of ``raw_blocks.read_blocks``.

    Plain text that is white space only is not a document; a record whose text is empty or null is
    an empty one. WikiExtractor's titles are left out in both of its formats: it writes them into
    the attribute ``title`` or the field of that name, and some versions into the first line again.
    """
    for stretch in block.stretches:
        kind = layout.formats[stretch.path]
        place = stretch.text.find(b"\0")
        if place >= 0 and kind != CSV:
            line = stretch.line + stretch.text.count(b"\n", 0, place)
            raise DataError(f"{stretch.path}:{line}: holds a NUL byte; expected text")
        yield from _READERS[kind](stretch, stretch.decode(), layout)


def _read_text(stretch: Stretch, text: str, layout: Layout) -> Iterator[RawDocument]:
    if layout.documents == BLANK_LINE:
        parts = _BETWEEN_DOCUMENTS.split(text)
    else:
        parts = text.split("\n") if layout.documents == LINE else [text]
    is_rest = stretch.is_rest
    for part in parts:
        if part.strip():
            yield RawDocument(part, is_rest)
        is_rest = False


def _read_cells(stretch: Stretch, text: str, layout: Layout) -> Iterator[RawDocument]:
    yield from map(RawDocument, text.split(SEPARATOR))


def _read_json_lines(stretch: Stretch, text: str, layout: Layout) -> Iterator[RawDocument]:
    for number, line in enumerate(text.split("\n"), stretch.line):
        if line.strip():
            yield RawDocument(_read_field(line, layout.text_field, f"{stretch.path}:{number}"))


def _read_field(line: str, field: str, place: str) -> str:
    record = parse_line(line, place, "one object a line")
    if not isinstance(record, dict):
        raise DataError(
            f"{place}: is a JSON {type(record).__name__}; expected an object with the field "
            f"{field!r}"
        )
    value = _find_value(record, field, place)
    if value is not None and not isinstance(value, str):
        raise DataError(
            f"{place}: the field {field!r} is a JSON {type(value).__name__}; expected a string"
        )
    return value or ""


def _find_value(record: dict, field: str, place: str) -> object:
    """Returns the value of ``a.b``: of the field of that very name, or of ``b`` within ``a``."""
    if field in record:
        return record[field]
    value: object = record
    for name in field.split("."):
        if not isinstance(value, dict) or name not in value:
            there = ", ".join(list(record)[:_SHOWN_FIELDS]) or "none"
            raise DataError(
                f"{place}: there is no field {field!r}; expected --text_field to be one of {there}"
            )
        value = value[name]
    return value


def _read_articles(stretch: Stretch, text: str, layout: Layout) -> Iterator[RawDocument]:
    if text.lstrip()[:1] == "{":
        yield from _read_json_lines(stretch, text, layout)
        return
    place = 0
    while visible := _VISIBLE.search(text, place):
        place = visible.start()
        begin = _WIKI_BEGIN.match(text, place)
        end = _WIKI_END.search(text, begin.end()) if begin else None
        if not begin or not end:
            line = stretch.line + text.count("\n", 0, place)
            what = "is never closed by </doc>" if begin else "is outside of any article"
            raise DataError(
                f"{stretch.path}:{line}: the text that begins here {what}; expected what "
                "WikiExtractor writes: <doc id=... url=... title=...> and </doc> on lines of their "
                "own"
            )
        yield RawDocument(_remove_title(begin[1], text[begin.end() : end.start()]))
        place = end.end()


def _remove_title(header: str, text: str) -> str:
    title = _WIKI_TITLE.search(header)
    first, _, rest = text.lstrip().partition("\n")
    is_title = title and html.unescape(first).strip() == html.unescape(title[1]).strip()
    return rest if is_title else text


_Reader = Callable[[Stretch, str, Layout], Iterator[RawDocument]]
_READERS: dict[str, _Reader] = {
    TEXT: _read_text,
    CSV: _read_cells,
    JSON_LINES: _read_json_lines,
    WIKIEXTRACTOR: _read_articles,
}
