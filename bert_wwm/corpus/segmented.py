"""Segmented corpora: text whose words, and on request their tags, were found once and stored.

A file is UTF-8 text, compressed by gzip, of JSON lines:

- first ``{"format": "segmented corpus 1", "segmenter": {...}, "tags": ["pos", "ner"]}``;
- ``{"block": [0, 3]}`` begins a block of the corpus, the fourth of its first run of files;
- ``{"words": ["使用", " ", "BERT"], "pos": ["v", null, "ws"]}`` is a sentence. The joined words are
  the sentence; each tag belongs to the word at its place, null where that is white space. A
  sentence that the segmenter's output didn't match is ``{"text": "使用 BERT"}``;
- a blank line ends a document.

The blocks are those that the text itself is cut into, so records made from a segmented corpus are
those made from its text.
"""

import bisect
import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import parse_line
from bert_wwm.corpus.blocks import Block, Stretch
from bert_wwm.segmentation.segmenters import Span

FORMAT = "segmented corpus 1"

_HEADER = b'{"format": "segmented corpus'
_BLOCK = '{"block": '


@dataclasses.dataclass(frozen=True)
class SegmentedBlock:
    """The sentences of a block and their words."""

    sentences: list[str]
    words: list[list[Span] | None]  # of each sentence: spans that tile it, None if none match it
    tags: dict[str, list[list[str | None] | None]]  # of each task and sentence, one for each word
    documents: list[int]  # offsets in sentences, one more than there are documents
    places: list[tuple[str, int]]  # file and line of each document's beginning
    split_documents: int = 0  # documents that continue one that was too long

    def find_place(self, sentence: int) -> str:
        """Returns ``path:line`` of a sentence's document."""
        path, line = self.places[bisect.bisect(self.documents, sentence) - 1]
        return f"{path}:{line}"


def is_segmented(path: str) -> bool:
    """True for a file in the format of this module."""
    return next(files.read_chunks(path, len(_HEADER)), b"") == _HEADER


def read_header(path: str) -> dict[str, Any]:
    """Returns the first line of a segmented corpus. Raises DataError where it can't be read."""
    line = next(files.read_lines(path), "")
    try:
        header = parse_line(line, path)
        is_list = isinstance(header["tags"], list)
        if header["format"] == FORMAT and is_list and "segmenter" in header:
            return header
    except (DataError, TypeError, KeyError):
        pass
    raise DataError(f"{path}:1: no segmented corpus; expected the format {FORMAT!r}")


def format_header(segmenter: dict[str, object], tasks: Sequence[str]) -> bytes:
    """Returns a file's first line."""
    header = {"format": FORMAT, "segmenter": segmenter, "tags": list(tasks)}
    return json.dumps(header, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def format_block(place: tuple[int, int], block: SegmentedBlock) -> bytes:
    """Returns the lines of a block."""
    lines = [json.dumps({"block": place})]
    begins = set(block.documents)
    for number, (sentence, spans) in enumerate(zip(block.sentences, block.words)):
        if number and number in begins:
            lines.append("")
        if spans is None:
            row: dict[str, object] = {"text": sentence}
        else:
            row = {"words": [sentence[start:end] for start, end in spans]}
            row.update((task, tags[number]) for task, tags in block.tags.items())
        lines.append(json.dumps(row, ensure_ascii=False))
    return "\n".join([*lines, "", ""]).encode("utf-8")


def read_blocks(path: str) -> Iterator[Block]:
    """Yields the blocks of a file, unparsed."""
    read_header(path)
    lines: list[str] = []  # of a block, and the number of its first
    first = 0
    for number, line in enumerate(files.read_lines(path), 1):
        if line.startswith(_BLOCK):
            if lines:
                yield _make_block(path, first, lines)
            first, lines = number, []
        elif number == 2:
            raise DataError(f"{path}:2: begins no block; expected {_BLOCK}...")
        if number > 1:
            lines.append(line)
    if lines:
        yield _make_block(path, first, lines)


def _make_block(path: str, line: int, lines: list[str]) -> Block:
    try:
        run, number = parse_line(lines[0], path)["block"]
        if not all(type(n) is int and n >= 0 for n in (run, number)):
            raise ValueError
    except (DataError, KeyError, TypeError, ValueError):
        raise DataError(f"{path}:{line}: {lines[0][:40]!r} begins no block") from None
    text = "".join(f"{row}\n" for row in lines[1:]).encode("utf-8")
    return Block((run, number), [Stretch(path, line + 1, text)])


def parse_block(block: Block, tasks: Sequence[str]) -> SegmentedBlock:
    """Returns the sentences of a block of ``read_blocks``, with the tags of some tasks.

    Raises DataError where a line is not one of a segmented corpus, or lacks a tag.
    """
    result = SegmentedBlock([], [], {task: [] for task in tasks}, [0], [])
    for stretch in block.stretches:
        for number, line in enumerate(stretch.text.split(b"\n"), stretch.line):
            if line:
                if result.documents[-1] == len(result.sentences):
                    result.places.append((stretch.path, number))
                try:
                    row = parse_line(line, f"{stretch.path}:{number}", "a sentence with its words")
                    _add_sentence(row, tasks, result)
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    raise DataError(
                        f"{stretch.path}:{number}: no sentence of a segmented corpus "
                        f"({type(error).__name__}: {error})"
                    ) from None
            elif result.documents[-1] < len(result.sentences):
                result.documents.append(len(result.sentences))
    return result


def _add_sentence(row: dict, tasks: Sequence[str], result: SegmentedBlock) -> None:
    if "text" in row:
        words, spans, sentence = None, None, row["text"]
    else:
        words = row["words"]
        ends = list(itertools.accumulate(map(len, words)))
        spans, sentence = list(zip([0, *ends], ends)), "".join(words)
        if "" in words:
            raise ValueError("a word is empty")
    sentence.encode("utf-8")  # raises where half a pair of surrogates stands alone
    if "\n" in sentence:
        raise ValueError("a line ends within the sentence")
    for task in tasks:
        if words is not None and len(row[task]) != len(words):
            raise ValueError(f"{len(row[task])} tags of {task} for {len(words)} words")
        result.tags[task].append(None if words is None else row[task])
    result.sentences.append(sentence)
    result.words.append(spans)
