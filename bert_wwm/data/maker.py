"""Blocks to records: the pure work that every runner gives to its workers."""

import dataclasses
from collections.abc import Callable

from bert_wwm.core.seeding import integer, permutation, rng_for
from bert_wwm.corpus.blocks import Block
from bert_wwm.data.counts import Counts
from bert_wwm.data.examples import ExampleMaker, Features
from bert_wwm.data.local import BlockOutput, deal_out
from bert_wwm.data.packing import pack
from bert_wwm.data.sources import WordSource
from bert_wwm.data.tokenized import tokenize_block
from bert_wwm.text.bulk import BulkTokenizer


@dataclasses.dataclass(frozen=True)
class RecordMaker:
    """Turns blocks into records; can be pickled."""

    source: WordSource  # gives the sentences of a block and their words
    tokenizer: BulkTokenizer
    examples: ExampleMaker
    dupe_factor: int  # number of passes over each block, each with other masks
    encode: Callable[[Features], list[bytes]]  # features to the bytes of records
    pack: bool = False  # whether a record is a row of several instances

    def records(self, block: Block) -> tuple[list[bytes], Counts]:
        """Returns the records of a block in random order, and what was counted."""
        counts = Counts()
        settings = self.examples.settings
        tokenized = tokenize_block(
            self.source.segment(block), self.tokenizer, settings.max_pieces, counts
        )
        records: list[bytes] = []
        for duplicate in range(self.dupe_factor):
            features = self.examples.features(tokenized, block.place, duplicate, counts)
            if self.pack:
                features = pack(features, self.examples.pad)
                counts.rows += len(features["input_ids"])
            records += self.encode(features)
        order = permutation(rng_for(settings.seed, *block.place), len(records))
        return [records[index] for index in order], counts


def deal_records(
    maker: RecordMaker,
    num_shards: int,
    frame: Callable[[bytes], bytes],
    compress: Callable[[bytes], bytes],
    block: Block,
) -> BlockOutput:
    """Makes the records of a block, as they are framed in a file, and deals them out to shards."""
    records, counts = maker.records(block)
    # Another shard begins with each block, lest the first ones get more than the others.
    first = integer(rng_for(*block.place), num_shards)
    dealt = deal_out(list(map(frame, records)), num_shards, first)
    payloads = [compress(b"".join(part)) if part else b"" for part in dealt]
    return BlockOutput(payloads, [len(part) for part in dealt], counts)
