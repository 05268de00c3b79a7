"""Blocks to the lines of a segmented corpus."""

from bert_wwm.core import files
from bert_wwm.corpus import segmented
from bert_wwm.corpus.blocks import Block
from bert_wwm.data.counts import Counts
from bert_wwm.data.local import BlockOutput
from bert_wwm.data.sources import TextSource


def segment_block(source: TextSource, num_shards: int, block: Block) -> BlockOutput:
    """Finds the words of a block, and writes them out for one of the shards."""
    found = source.segment(block)
    counts = Counts(
        documents=len(found.places),
        documents_split=found.split_documents,
        sentences=len(found.sentences),
        sentences_fallen_back=found.words.count(None),
    )
    payloads = [b""] * num_shards
    sentences = [0] * num_shards
    shard = sum(block.place) % num_shards
    payloads[shard] = files.compress(segmented.format_block(block.place, found))
    sentences[shard] = len(found.sentences)
    return BlockOutput(payloads, sentences, counts)
