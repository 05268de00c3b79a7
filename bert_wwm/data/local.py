"""Blocks to shards on this machine: what each worker does, and how their results are put down."""

import itertools
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from bert_wwm.core.progress import Progress
from bert_wwm.core.shards import Shards
from bert_wwm.core.workers import map_blocks
from bert_wwm.corpus.blocks import Block
from bert_wwm.data.counts import Counts


class BlockOutput(NamedTuple):
    """What became of a block.

    Attributes:
        payloads: the bytes to append to each shard.
        records: the number of records (sentences, where the output is text) in each.
        counts: what was counted.
    """

    payloads: list[bytes]
    records: list[int]
    counts: Counts


Work = Callable[[Block], BlockOutput]


class Written(NamedTuple):
    """What is written so far.

    Attributes:
        blocks: number of blocks.
        bytes: of their text.
        records: number of records of each shard.
        counts: what was counted.
    """

    blocks: int
    bytes: int
    records: list[int]
    counts: Counts

    def to_json(self) -> dict[str, object]:
        """Returns a dictionary that ``written`` reads."""
        return {**self._asdict(), "counts": self.counts.to_json()}


def written(shards: Shards, num_shards: int) -> Written:
    """Returns what an interrupted run has written."""
    if shards.state is None:
        return Written(0, 0, [0] * num_shards, Counts())
    return Written(**{**shards.state, "counts": Counts.from_json(shards.state["counts"])})


def write_blocks(
    work: Work,
    blocks: Iterable[Block],
    shards: Shards,
    before: Written,
    num_workers: int,
    progress: Progress,
) -> Written:
    """Appends what becomes of blocks to the shards, in the order of the blocks.

    Args:
        work: what a worker does with a block; can be pickled.
        blocks: all blocks; those that are written already are passed over.
        shards: where to.
        before: what is written already.
        num_workers: processes.
        progress: is told the bytes of text that are done.

    Returns:
        What is written then.
    """
    done, size, records, _ = before
    counts = Counts()
    counts.add(before.counts)
    begun = time.monotonic()
    for block, output in map_blocks(work, itertools.islice(blocks, done, None), num_workers):
        done += 1
        size += block.size
        records = [old + new for old, new in zip(records, output.records)]
        counts.add(output.counts)
        shards.append(output.payloads, Written(done, size, records, counts).to_json())
        speed = (size - before.bytes) / 1e6 / (time.monotonic() - begun)
        what = "instances" if counts.instances else "sentences"
        progress.update(
            size, f"{counts.documents:,} documents, {sum(records):,} {what}, {speed:.2f} MB/s"
        )
    return Written(done, size, records, counts)


def spread(items: list[bytes], num_shards: int, first: int) -> list[list[bytes]]:
    """Deals items out to shards in turn, beginning with the shard ``first``."""
    return [items[(shard - first) % num_shards :: num_shards] for shard in range(num_shards)]
