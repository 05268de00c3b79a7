"""Blocks to the lines of a segmented corpus."""

import dataclasses

from bert_wwm.core import files
from bert_wwm.corpus import segmented
from bert_wwm.corpus.blocks import Block
from bert_wwm.data.counts import Counts
from bert_wwm.data.local import BlockOutput
from bert_wwm.data.sources import TextSource


@dataclasses.dataclass(frozen=True)
class SegmentWork:
    """What a worker does with a block: finds its words, and writes them out; can be pickled."""

    source: TextSource  # gives the sentences of a block, their words and tags
    num_shards: int  # number of shards; each block goes to one

    def __call__(self, block: Block) -> BlockOutput:
        found = self.source.segment(block)
        counts = Counts(
            documents=len(found.places),
            documents_split=found.split_documents,
            sentences=len(found.sentences),
            sentences_fallen_back=found.words.count(None),
        )
        payloads = [b""] * self.num_shards
        sentences = [0] * self.num_shards
        shard = sum(block.place) % self.num_shards
        payloads[shard] = files.compress(segmented.format_block(block.place, found))
        sentences[shard] = len(found.sentences)
        return BlockOutput(payloads, sentences, counts)
