"""Blocks to records: the pure work that every runner gives to its workers."""

from collections.abc import Callable

from bert_wwm.core.seeding import integer, permutation, rng_for
from bert_wwm.corpus.blocks import Block
from bert_wwm.data.counts import Counts
from bert_wwm.data.examples import ExampleMaker, Features
from bert_wwm.data.local import BlockOutput, spread
from bert_wwm.data.sources import Source
from bert_wwm.data.tokenized import tokenize_block
from bert_wwm.text.bulk import BulkTokenizer
from bert_wwm.text.tokenizer import Tokenizer


class RecordMaker:
    """Turns blocks into records; can be pickled.

    Args:
        source: gives the sentences of a block and their words.
        tokenizer: sentences to pieces.
        examples: documents to examples.
        dupe_factor: number of passes over each block, each with other masks.
        encode: features to the bytes of records.
    """

    def __init__(
        self,
        source: Source,
        tokenizer: Tokenizer,
        examples: ExampleMaker,
        dupe_factor: int,
        encode: Callable[[Features], list[bytes]],
    ):
        self._source = source
        self._tokenizer = BulkTokenizer(tokenizer)
        self._examples = examples
        self._dupe_factor = dupe_factor
        self._encode = encode

    def records(self, block: Block) -> tuple[list[bytes], Counts]:
        """Returns the records of a block in random order, and what was counted."""
        counts = Counts()
        settings = self._examples.settings
        tokenized = tokenize_block(
            self._source.segment(block), self._tokenizer, settings.max_pieces, counts
        )
        records: list[bytes] = []
        for duplicate in range(self._dupe_factor):
            features = self._examples.features(tokenized, block.place, duplicate, counts)
            records += self._encode(features)
        order = permutation(rng_for(settings.seed, *block.place), len(records))
        return [records[index] for index in order], counts


class ShardWork:
    """What a worker does with a block: records, framed and dealt out to shards; can be pickled.

    Args:
        maker: blocks to records.
        num_shards: number of shards.
        frame: a record as it stands in a file.
        compress: what becomes of the bytes that a shard gets of a block.
    """

    def __init__(
        self,
        maker: RecordMaker,
        num_shards: int,
        frame: Callable[[bytes], bytes],
        compress: Callable[[bytes], bytes],
    ):
        self._maker = maker
        self._num_shards = num_shards
        self._frame = frame
        self._compress = compress

    def __call__(self, block: Block) -> BlockOutput:
        records, counts = self._maker.records(block)
        # Another shard begins with each block, lest the first ones get more than the others.
        first = integer(rng_for(*block.place), self._num_shards)
        dealt = spread([self._frame(record) for record in records], self._num_shards, first)
        payloads = [self._compress(b"".join(part)) if part else b"" for part in dealt]
        return BlockOutput(payloads, [len(part) for part in dealt], counts)
