"""Raw documents to clean ones, each sentence on a line, each document once."""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bert_wwm.core.progress import Progress
from bert_wwm.core.shards import Shards
from bert_wwm.core.workers import map_blocks
from bert_wwm.corpus import blocks, raw_blocks
from bert_wwm.corpus.blocks import Block
from bert_wwm.corpus.cleaning import clean, measure_text_share
from bert_wwm.corpus.raw_blocks import Layout
from bert_wwm.corpus.raw_documents import read_documents
from bert_wwm.corpus.sentences import split_sentences
from bert_wwm.data.duplicates import SeenHashes, hash_of
from bert_wwm.data.local import spread

FORMAT = "prepared text 2"  # changes with what cleaning and splitting do

_BEHIND_DOCUMENT = b"\n\n"  # the end of its last line, and a blank one


@dataclasses.dataclass
class PreparedCounts:
    """What became of the documents.

    Attributes:
        documents_read: documents in the input; each is kept or left out for one of the reasons.
        documents_kept: documents written.
        documents_empty: nothing was left of them.
        documents_short: less was left than wanted.
        documents_unnatural: they are no text: too few of their characters are letters.
        documents_duplicate: what was left of them is what was left of an earlier one.
        documents_split: of those read, rests of documents that were too long and taken apart.
        sentences: sentences written.
        tags: tags, comments, scripts and style sheets removed from what was read.
        invisible: invisible characters removed from it.
    """

    documents_read: int = 0
    documents_kept: int = 0
    documents_empty: int = 0
    documents_short: int = 0
    documents_unnatural: int = 0
    documents_duplicate: int = 0
    documents_split: int = 0
    sentences: int = 0
    tags: int = 0
    invisible: int = 0

    def add(self, other: "PreparedCounts") -> None:
        """Adds what another part of the run has counted."""
        for name, count in dataclasses.asdict(other).items():
            setattr(self, name, getattr(self, name) + count)

    def summary(self) -> str:
        """Returns a few lines for the terminal."""
        rows = [
            ("documents read", self.documents_read),
            ("  kept", self.documents_kept),
            ("  duplicate", self.documents_duplicate),
            ("  empty", self.documents_empty),
            ("  too short", self.documents_short),
            ("  no natural text", self.documents_unnatural),
            ("sentences", self.sentences),
            ("removed tags", self.tags),
            ("removed invisible", self.invisible),
        ]
        return "\n".join(f"  {name:<18} {count:>14,}" for name, count in rows)


class RawSource:
    """Gives blocks of raw documents in the parent process, and documents in the workers.

    Args:
        layout: where documents are in the files.
    """

    def __init__(self, layout: Layout):
        self._layout = layout

    def runs(self, paths: Sequence[str]) -> list[list[str]]:
        """Groups files so that each group can be read by itself."""
        return blocks.group_files(paths)

    def read(self, run: int, paths: Sequence[str]) -> Iterator[Block]:
        """Yields the blocks of a group of files, of that number."""
        return raw_blocks.read_blocks(run, paths, self._layout)

    def blocks(self) -> dict[str, int]:
        """Returns what decides where blocks begin and end."""
        return {
            "bytes": blocks.BLOCK_BYTES,
            "document bytes": blocks.DOCUMENT_BYTES,
            "longest document bytes": raw_blocks.LONGEST_DOCUMENT_BYTES,
        }


class PreparedBlock(NamedTuple):
    """What became of a block.

    Attributes:
        documents: those that are kept if no earlier one is the same: sentences parted by line ends,
            in UTF-8.
        hashes: theirs.
        counts: what was counted; documents kept, duplicates and sentences are not yet known.
    """

    documents: list[bytes]
    hashes: list[bytes]
    counts: PreparedCounts


class PrepareWork:
    """What a worker does with a block: cleans its documents and finds their sentences.

    Args:
        layout: where documents are in the files.
        min_chars: least number of visible characters of a document.
        min_text_share: least share of letters in them; see ``measure_text_share``.
    """

    def __init__(self, layout: Layout, min_chars: int, min_text_share: float):
        self._layout = layout
        self._min_chars = min_chars
        self._min_text_share = min_text_share

    def __call__(self, block: Block) -> PreparedBlock:
        counts = PreparedCounts()
        documents: list[bytes] = []
        for document in read_documents(block, self._layout):
            cleaned = clean(document.text)
            counts.documents_read += 1
            counts.documents_split += document.is_rest
            counts.tags += cleaned.tags
            counts.invisible += cleaned.invisible
            text = "\n".join(cleaned.lines)
            if not text:
                counts.documents_empty += 1
            elif self._is_short(text):
                counts.documents_short += 1
            elif self._min_text_share > 0 and measure_text_share(text) < self._min_text_share:
                counts.documents_unnatural += 1
            else:
                sentences = itertools.chain.from_iterable(map(split_sentences, cleaned.lines))
                documents.append("\n".join(sentences).encode("utf-8"))
        return PreparedBlock(documents, list(map(hash_of, documents)), counts)

    def _is_short(self, text: str) -> bool:
        return len(text) - text.count(" ") - text.count("\n") < self._min_chars


class Prepared(NamedTuple):
    """What is written so far.

    Attributes:
        blocks: number of blocks.
        bytes: of the files they are of.
        sentences: number of sentences of each shard.
        counts: what was counted.
    """

    blocks: int
    bytes: int
    sentences: list[int]
    counts: PreparedCounts

    def to_json(self) -> dict[str, object]:
        """Returns a dictionary that ``prepared`` reads."""
        return {**self._asdict(), "counts": dataclasses.asdict(self.counts)}


def prepared(shards: Shards, num_shards: int) -> Prepared:
    """Returns what an interrupted run has written."""
    if shards.state is None:
        return Prepared(0, 0, [0] * num_shards, PreparedCounts())
    return Prepared(**{**shards.state, "counts": PreparedCounts(**shards.state["counts"])})


def write_documents(
    work: PrepareWork,
    raw: Iterator[Block],
    shards: Shards,
    before: Prepared,
    num_workers: int,
    progress: Progress,
) -> Prepared:
    """Appends what is kept of the documents to the shards, in turn; of equal ones the first.

    What an interrupted run has written is read again to know its documents, rather than to keep
    their hashes on the disk too.

    Args:
        work: what a worker does with a block; can be pickled.
        raw: all blocks; those that are written already are passed over.
        shards: where to.
        before: what is written already.
        num_workers: processes.
        progress: is told the bytes of the input that are done.

    Returns:
        What is written then.
    """
    done, size, sentences, _ = before
    counts = dataclasses.replace(before.counts)
    seen = SeenHashes()
    for shard in range(len(sentences)):
        for hashes in _hashes_of_written(shards.written(shard)):
            seen.add(hashes)
    begun = time.monotonic()
    for block, result in map_blocks(work, itertools.islice(raw, done, None), num_workers):
        is_new = seen.add(result.hashes)
        kept = [
            document + _BEHIND_DOCUMENT for document in itertools.compress(result.documents, is_new)
        ]
        dealt = spread(kept, len(sentences), counts.documents_kept % len(sentences))
        payloads = [b"".join(documents) for documents in dealt]
        more = [
            payload.count(b"\n") - len(documents) for payload, documents in zip(payloads, dealt)
        ]
        counts.add(result.counts)
        counts.documents_kept += len(kept)
        counts.documents_duplicate += len(is_new) - len(kept)
        counts.sentences += sum(more)
        done += 1
        size += block.size
        sentences = [old + new for old, new in zip(sentences, more)]
        shards.append(payloads, Prepared(done, size, sentences, counts).to_json())
        speed = (size - before.bytes) / 1e6 / (time.monotonic() - begun)
        progress.update(
            size,
            f"{counts.documents_kept:,} documents, {counts.documents_duplicate:,} duplicates, "
            f"{speed:.1f} MB/s",
        )
    return Prepared(done, size, sentences, counts)


def _hashes_of_written(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    rest = b""
    for chunk in chunks:
        *documents, rest = (rest + chunk).split(_BEHIND_DOCUMENT)
        yield list(map(hash_of, documents))
