"""A corpus as a stream of blocks of whole documents: the units of work, randomness and resumption.

Where blocks begin and end depends on the input files alone. Small files are first grouped into
runs, so that a corpus of one document a file has blocks of many documents too; within a run a block
takes stretches of the files, which end at blank lines, until it has BLOCK_BYTES. Cutting looks at
bytes only, at the speed of the disk; the workers decode them. In a file without any line feed,
lines end at a carriage return, as on the classic Mac; in all others that is text.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import DataError

BLOCK_BYTES = 1 << 19
# A longer document is split, so that a block has several even of a text without blank lines.
DOCUMENT_BYTES = BLOCK_BYTES // 4

_READ_BYTES = 1 << 20
_LINE_END, _CARRIAGE_RETURN = b"\n", b"\r"
# A line has to be in memory as a whole.
_LONGEST_LINE = 1 << 26
_BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")
_ENDS_BLANK = re.compile(rb"\n[ \t\r]*\n\Z")

Place = tuple[int, int]  # of a block: its run, and its number there
# Finds where a stretch of a text ends, 0 if more text is needed, and whether a document ends there.
FindEnd = Callable[[bytes], tuple[int, bool]]


class Stretch(NamedTuple):
    """Whole lines of a file, unchanged, but always with line feeds."""

    path: str
    line: int  # the number of the first line, from 1
    text: bytes
    is_rest: bool = False  # it continues a document that was too long
    left_out: int = 0  # bytes of the file that were read for it but are not in the text

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.text) + self.left_out

    def decode(self) -> str:
        """Returns the text. Raises DataError where it is not UTF-8."""
        return files.decode(self.text, self.path, self.line)


class Block(NamedTuple):
    """Documents that are worked on together."""

    place: Place
    stretches: list[Stretch]

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(stretch.size for stretch in self.stretches)


def group_files(paths: Sequence[str]) -> list[list[str]]:
    """Groups files, in their order, until a run has the size of a block.

    A rest that is smaller joins the run before it. Sizes are as stored, compressed or not.
    """
    result: list[list[str]] = []
    run: list[str] = []
    size = 0
    for path in paths:
        run.append(path)
        size += files.size(path)
        if size >= BLOCK_BYTES:
            result.append(run)
            run, size = [], 0
    if run and result:
        result[-1].extend(run)
    elif run:
        result.append(run)
    return result


def read_blocks(number: int, paths: Sequence[str]) -> Iterator[Block]:
    """Yields the blocks of one run; a rest of less than half a block joins the one before it."""
    closed: list[Stretch] = []
    block: list[Stretch] = []
    size = count = 0
    for path in paths:
        for stretch in read_stretches(path):
            block.append(stretch)
            size += len(stretch.text)
            if size >= BLOCK_BYTES:
                if closed:
                    yield Block((number, count), closed)
                    count += 1
                closed, block, size = block, [], 0
    if closed and size < BLOCK_BYTES // 2:
        closed += block
        block = []
    for stretches in (closed, block):
        if stretches:
            yield Block((number, count), stretches)
            count += 1


def read_stretches(path: str) -> Iterator[Stretch]:
    """Yields a file in stretches of about DOCUMENT_BYTES that end at a blank line.

    Without one in the next DOCUMENT_BYTES, a stretch ends at the end of a line.
    """
    return cut(path, _read_chunks(path), _find_end, "a line", "one sentence a line")


def _read_chunks(path: str) -> Iterator[tuple[bytes, int]]:
    has_returns = False
    for number, chunk in enumerate(files.read_chunks(path, _READ_BYTES)):
        if number == 0:
            has_returns = _LINE_END not in chunk and files.ends_lines_by_returns(path)
            chunk = chunk.removeprefix(files.BYTE_ORDER_MARK)
        if has_returns:
            chunk = chunk.replace(_CARRIAGE_RETURN, _LINE_END)
        yield chunk, len(chunk)


def _find_end(text: bytes) -> tuple[int, bool]:
    limit = 2 * DOCUMENT_BYTES
    blank = _BLANK_LINE.search(text, DOCUMENT_BYTES, limit)
    if blank:
        return blank.end(), True
    end = text.find(_LINE_END, limit) + 1 if len(text) > limit else 0
    return end, bool(_ENDS_BLANK.search(text, 0, end))


def cut(
    path: str, chunks: Iterable[tuple[bytes, int]], find_end: FindEnd, unit: str, expected: str
) -> Iterator[Stretch]:
    """Yields a file in stretches.

    Each chunk of its text, with line feeds alone, comes with the bytes of the file that were read.
    A unit must be in memory as a whole, such as a line: raises DataError if it is too long.
    """
    text = b""
    line = 1
    left_out = 0
    is_rest = False
    for chunk, size in chunks:
        text += chunk
        left_out += size - len(chunk)
        end, is_whole = find_end(text)
        while end:
            stretch, text = text[:end], text[end:]
            yield Stretch(path, line, stretch, is_rest, left_out)
            left_out = 0
            line += stretch.count(_LINE_END)
            is_rest = not is_whole
            end, is_whole = find_end(text)
        if len(text) > _LONGEST_LINE:
            raise DataError(
                f"{path}:{line + text.count(_LINE_END)}: {unit} of more than "
                f"{_LONGEST_LINE >> 20} MB; expected {expected}"
            )
    if text:
        yield Stretch(path, line, text, is_rest, left_out)
