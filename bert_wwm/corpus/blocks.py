"""A corpus as a stream of blocks of whole documents: the units of work, randomness and resumption.

Where blocks begin and end depends on the input files alone. Small files are first put together to
runs, so that a corpus of one document a file has blocks of many documents too; within a run a block
takes stretches of the files, which end at blank lines, until it has BLOCK_BYTES. Cutting looks at
bytes only, at the speed of the disk; decoding is left to the workers.

Lines end at a line feed. Only in a file without any do they end at a carriage return, as on the
classic Mac; in all others a carriage return within a line is text.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import DataError

BLOCK_BYTES = 1 << 19
# A longer document is taken apart, so that a block has several even of a text without blank lines.
DOCUMENT_BYTES = BLOCK_BYTES // 4

_READ_BYTES = 1 << 20
_LINE_END, _CARRIAGE_RETURN = b"\n", b"\r"
# A line has to be in memory as a whole.
_LONGEST_LINE = 1 << 26
_BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")
_ENDS_BLANK = re.compile(rb"\n[ \t\r]*\n\Z")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Place = tuple[int, int]  # of a block: its run, and its number there


class Stretch(NamedTuple):
    """Whole lines of a file, as they are there, but always with line feeds.

    Attributes:
        path: the file.
        line: number of the first line, counted from 1.
        text: the bytes.
        is_rest: it goes on with a document that was too long.
    """

    path: str
    line: int
    text: bytes
    is_rest: bool = False


class Block(NamedTuple):
    """Documents that are worked on together.

    Attributes:
        place: the block's run, and its number within the run.
        stretches: its text, in order.
    """

    place: Place
    stretches: list[Stretch]

    @property
    def size(self) -> int:
        """Bytes of text."""
        return sum(len(stretch.text) for stretch in self.stretches)


def runs(paths: Sequence[str]) -> list[list[str]]:
    """Puts files together, in their order, until a run has the size of a block.

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


def blocks_of_run(number: int, paths: Sequence[str]) -> Iterator[Block]:
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

    Where there is none within the next DOCUMENT_BYTES, a stretch ends at the end of a line.
    """
    text = b""
    line = 1
    is_rest = False
    has_returns = False
    for number, chunk in enumerate(files.read_chunks(path, _READ_BYTES)):
        if number == 0 and _LINE_END not in chunk:
            has_returns = files.ends_lines_by_returns(path)
        if has_returns:
            chunk = chunk.replace(_CARRIAGE_RETURN, _LINE_END)
        if number == 0 and chunk.startswith(_BYTE_ORDER_MARK):
            chunk = chunk[len(_BYTE_ORDER_MARK) :]
        text += chunk
        end = _cut(text)
        while end:
            stretch, text = text[:end], text[end:]
            yield Stretch(path, line, stretch, is_rest)
            line += stretch.count(b"\n")
            is_rest = not _ENDS_BLANK.search(stretch)
            end = _cut(text)
        if len(text) > _LONGEST_LINE:
            raise DataError(
                f"{path}:{line + text.count(_LINE_END)}: a line of more than "
                f"{_LONGEST_LINE >> 20} MB; expected one sentence a line"
            )
    if text:
        yield Stretch(path, line, text, is_rest)


def _cut(text: bytes) -> int:
    """Returns where a stretch ends; 0 if that can't be told yet."""
    limit = 2 * DOCUMENT_BYTES
    blank = _BLANK_LINE.search(text, DOCUMENT_BYTES, limit)
    if blank:
        return blank.end()
    return text.find(b"\n", limit) + 1 if len(text) > limit else 0
