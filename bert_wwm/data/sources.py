"""Where blocks come from, and how their sentences get their words: from text, or segmented text."""

import abc
import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.corpus import blocks, segmented
from bert_wwm.corpus.blocks import Block
from bert_wwm.corpus.documents import parse_documents
from bert_wwm.corpus.segmented import SegmentedBlock
from bert_wwm.segmentation.segmenters import Segmenter

_BATCH_SENTENCES = 1024  # segmenters work on batches


class Source(abc.ABC):
    """Gives the blocks of a corpus in the parent process; can be pickled."""

    def runs(self, paths: Sequence[str]) -> list[list[str]]:
        """Groups files so that each group can be read by itself."""
        return blocks.group_files(paths)

    @abc.abstractmethod
    def read(self, run: int, paths: Sequence[str]) -> Iterator[Block]:
        """Yields the blocks of a group of files, of that number."""

    def blocks(self) -> dict[str, int]:
        """Returns what decides where blocks begin and end."""
        return {"bytes": blocks.BLOCK_BYTES, "document bytes": blocks.DOCUMENT_BYTES}


class WordSource(Source):
    """Gives the words of its blocks too, in the workers."""

    @abc.abstractmethod
    def segment(self, block: Block) -> SegmentedBlock:
        """Returns the sentences of a block, their words and tags."""

    @abc.abstractmethod
    def describe(self, paths: Sequence[str]) -> dict[str, object]:
        """Returns what cut the words, ready for JSON. Raises where that can't be had."""


def read_all(source: Source, paths: Sequence[str]) -> Iterator[Block]:
    """Yields all blocks of a corpus in order."""
    for number, run in enumerate(source.runs(paths)):
        yield from source.read(number, run)


@dataclasses.dataclass(frozen=True)
class TextSource(WordSource):
    """Text, one sentence a line."""

    segmenter: Segmenter  # finds the words
    tasks: tuple[str, ...] = ()  # the tags that are wanted of it

    def read(self, run: int, paths: Sequence[str]) -> Iterator[Block]:
        return blocks.read_blocks(run, paths)

    def segment(self, block: Block) -> SegmentedBlock:
        documents = [
            document for stretch in block.stretches for document in parse_documents(stretch)
        ]
        sentences = [sentence for document in documents for sentence in document.sentences]
        result = SegmentedBlock(
            sentences,
            [],
            {task: [] for task in self.tasks},
            [0, *itertools.accumulate(len(document.sentences) for document in documents)],
            [(document.path, document.line) for document in documents],
            sum(document.is_rest for document in documents),
        )
        for start in range(0, len(sentences), _BATCH_SENTENCES):
            batch = sentences[start : start + _BATCH_SENTENCES]
            for annotated in self.segmenter.annotate(batch, self.tasks):
                result.words.append(annotated and annotated.spans)
                for task in self.tasks:
                    result.tags[task].append(annotated and annotated.tags[task])
        return result

    def describe(self, paths: Sequence[str]) -> dict[str, object]:
        for path in paths:
            if segmented.is_segmented(path):
                raise DataError(
                    f"{path}: is a segmented corpus; expected text, or --segmenter=presegmented "
                    "and nothing but segmented files"
                )
        return self.segmenter.describe(self.tasks)


@dataclasses.dataclass(frozen=True)
class SegmentedSource(WordSource):
    """What scripts/segment_corpus.py wrote."""

    tasks: tuple[str, ...] = ()  # the tags that are wanted of it

    def runs(self, paths: Sequence[str]) -> list[list[str]]:
        return [[path] for path in paths]

    def read(self, run: int, paths: Sequence[str]) -> Iterator[Block]:
        del run  # the blocks bring their own
        for path in paths:
            yield from segmented.read_blocks(path)

    def segment(self, block: Block) -> SegmentedBlock:
        return segmented.parse_block(block, self.tasks)

    def describe(self, paths: Sequence[str]) -> dict[str, object]:
        """Returns what the corpus was segmented with."""
        headers = [segmented.read_header(path) for path in paths]
        for path, header in zip(paths, headers):
            if header != headers[0]:
                raise ConfigError(f"{path}: was segmented otherwise than {paths[0]}")
            lacking = [task for task in self.tasks if task not in header["tags"]]
            if lacking:
                raise ConfigError(
                    f"{path}: has no tags of {', '.join(lacking)}; expected a corpus that was "
                    f"segmented with --annotate={','.join(self.tasks)}"
                )
        return {"name": "presegmented", "by": headers[0]["segmenter"]}

    def blocks(self) -> dict[str, int]:
        return {}  # they are in the files
