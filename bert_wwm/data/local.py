"""Blocks to shards on this machine: what each worker does, and how their results are put down."""

import itertools
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from bert_wwm.core.progress import Progress
from bert_wwm.core.shards import Shards
from bert_wwm.core.workers import map_blocks
from bert_wwm.data.counts import Counts, Tally


class BlockOutput(NamedTuple):
    """What became of a block."""

    payloads: list[bytes]  # the bytes to append to each shard
    records: list[int]  # the number of records (sentences, where the output is text) in each
    counts: Any  # what was counted, a Tally


Work = Callable[[Any], BlockOutput]


class Written(NamedTuple):
    """What is written so far."""

    blocks: int  # number of blocks
    bytes: int  # of their text
    records: list[int]  # number of records of each shard
    counts: Any  # what was counted, a Tally

    def to_json(self) -> dict[str, object]:
        """Returns a dictionary that ``load_written`` reads."""
        return {**self._asdict(), "counts": self.counts.to_json()}

    def add(self, other: "Written") -> "Written":
        """Returns both together."""
        records = [mine + theirs for mine, theirs in zip(self.records, other.records)]
        counts = self.counts + other.counts
        return Written(self.blocks + other.blocks, self.bytes + other.bytes, records, counts)


def load_written(shards: Shards, num_shards: int, kind: type[Tally] = Counts) -> Written:
    """Returns what an interrupted run has written. Its counts are of that kind."""
    if shards.state is None:
        return Written(0, 0, [0] * num_shards, kind())
    # By their order: of text, earlier versions called the records sentences.
    blocks, size, records, counts = shards.state.values()
    return Written(blocks, size, records, kind.from_json(counts))


def write_blocks(
    work: Callable[[Any], Any],
    blocks: Iterable[Any],
    shards: Shards,
    before: Written,
    num_workers: int,
    progress: Progress,
    settle: Callable[[Any], BlockOutput] = lambda output: output,
) -> Written:
    """Appends what becomes of blocks to the shards, in the order of the blocks.

    Args:
        work: what a worker does with a block; can be pickled.
        blocks: all blocks; those that are written already are skipped.
        settle: turns what a worker returns into the output, in this process and in order.
    """
    written = before
    begun = time.monotonic()
    rest = itertools.islice(blocks, before.blocks, None)
    for block, result in map_blocks(work, rest, num_workers):
        output = settle(result)
        written = written.add(Written(1, block.size, output.records, output.counts))
        shards.append(output.payloads, written.to_json())
        speed = (written.bytes - before.bytes) / 1e6 / (time.monotonic() - begun)
        note = written.counts.note(sum(written.records))
        progress.update(written.bytes, f"{note}, {speed:.2f} MB/s")
    return written


def deal_out(items: list[bytes], num_shards: int, first: int) -> list[list[bytes]]:
    """Deals items out to shards in turn, beginning with the shard ``first``."""
    return [items[(shard - first) % num_shards :: num_shards] for shard in range(num_shards)]
