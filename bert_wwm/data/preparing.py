"""Raw documents to clean ones, each sentence on a line, each document once."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bert_wwm.corpus import raw_blocks
from bert_wwm.corpus.blocks import Block
from bert_wwm.corpus.cleaning import clean, count_visible, measure_text_share
from bert_wwm.corpus.raw_blocks import Layout
from bert_wwm.corpus.raw_documents import read_documents
from bert_wwm.corpus.sentences import split_sentences
from bert_wwm.data.counts import Tally
from bert_wwm.data.duplicates import SeenHashes, hash_document
from bert_wwm.data.local import BlockOutput, deal_out
from bert_wwm.data.sources import Source

FORMAT = "prepared text 2"  # changes with what cleaning and splitting do

_AFTER_DOCUMENT = b"\n\n"  # the end of its last line, and a blank one


@dataclasses.dataclass
class PreparedCounts(Tally):
    """What became of the documents."""

    # Documents in the input; each is kept or left out for one of the reasons.
    documents_read: int = 0
    documents_kept: int = 0  # documents written
    documents_empty: int = 0  # nothing was left of them
    documents_short: int = 0  # less was left than wanted
    documents_unnatural: int = 0  # they are no text: too few of their characters are letters
    documents_duplicate: int = 0  # what was left of them is what was left of an earlier one
    documents_split: int = 0  # of those read, rests of documents that were too long and taken apart
    sentences: int = 0  # sentences written
    tags: int = 0  # tags, comments, scripts and style sheets removed from what was read
    invisible: int = 0  # invisible characters removed from it

    @property
    def documents(self) -> int:
        """Documents written."""
        return self.documents_kept

    @property
    def unit(self) -> str:
        """What the records are."""
        return "sentences"

    def note(self, records: int) -> str:
        """Returns what to show while the work is done."""
        return f"{self.documents_kept:,} documents, {self.documents_duplicate:,} duplicates"

    def summary(self) -> str:
        """Returns a few lines for the terminal."""
        rows = {
            "documents read": self.documents_read,
            "  kept": self.documents_kept,
            "  duplicate": self.documents_duplicate,
            "  empty": self.documents_empty,
            "  too short": self.documents_short,
            "  no natural text": self.documents_unnatural,
            "sentences": self.sentences,
            "removed tags": self.tags,
            "removed invisible": self.invisible,
        }
        return "\n".join(f"  {name:<18} {count:>14,}" for name, count in rows.items())


@dataclasses.dataclass(frozen=True)
class RawSource(Source):
    """Raw documents."""

    layout: Layout  # where documents are in the files

    def read(self, run: int, paths: Sequence[str]) -> Iterator[Block]:
        return raw_blocks.read_blocks(run, paths, self.layout)

    def blocks(self) -> dict[str, int]:
        return {**super().blocks(), "longest document bytes": raw_blocks.LONGEST_DOCUMENT_BYTES}


class PreparedBlock(NamedTuple):
    """What became of a block."""

    # Those that are kept if no earlier one is the same: sentences separated by line ends, in UTF-8.
    documents: list[bytes]
    hashes: list[bytes]  # theirs
    # What was counted; documents kept, duplicates and sentences are not yet known.
    counts: PreparedCounts


def prepare_block(
    layout: Layout, min_chars: int, min_text_share: float, block: Block
) -> PreparedBlock:
    """Cleans the documents of a block and finds their sentences; leaves bad documents out."""
    counts = PreparedCounts()
    documents: list[bytes] = []
    for document in read_documents(block, layout):
        cleaned = clean(document.text)
        counts.documents_read += 1
        counts.documents_split += document.is_rest
        counts.tags += cleaned.tags
        counts.invisible += cleaned.invisible
        text = "\n".join(cleaned.lines)
        if not text:
            counts.documents_empty += 1
        elif count_visible(text) < min_chars:
            counts.documents_short += 1
        elif min_text_share > 0 and measure_text_share(text) < min_text_share:
            counts.documents_unnatural += 1
        else:
            sentences = itertools.chain.from_iterable(map(split_sentences, cleaned.lines))
            documents.append("\n".join(sentences).encode("utf-8"))
    return PreparedBlock(documents, list(map(hash_document, documents)), counts)


class Keeper:
    """Keeps the first of equal documents, and deals them out to the shards in turn.

    What an interrupted run has written to each shard, in chunks, is read again to know the
    documents that it has kept, rather than to keep their hashes on the disk too.
    """

    def __init__(self, num_shards: int, kept: int = 0, written: Sequence[Iterator[bytes]] = ()):
        self._num_shards = num_shards
        self._kept = kept
        self._seen = SeenHashes()
        for chunks in written:
            rest = b""
            for chunk in chunks:
                *documents, rest = (rest + chunk).split(_AFTER_DOCUMENT)
                self._seen.add(map(hash_document, documents))

    def __call__(self, block: PreparedBlock) -> BlockOutput:
        is_new = self._seen.add(block.hashes)
        new = itertools.compress(block.documents, is_new)
        kept = [document + _AFTER_DOCUMENT for document in new]
        dealt = deal_out(kept, self._num_shards, self._kept % self._num_shards)
        self._kept += len(kept)
        payloads = [b"".join(documents) for documents in dealt]
        sentences = [
            payload.count(b"\n") - len(documents) for payload, documents in zip(payloads, dealt)
        ]
        counts = dataclasses.replace(
            block.counts,
            documents_kept=len(kept),
            documents_duplicate=len(is_new) - len(kept),
            sentences=sum(sentences),
        )
        return BlockOutput(payloads, sentences, counts)
