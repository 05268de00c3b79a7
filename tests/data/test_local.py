import copy
import io
import itertools
import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.core.progress import Progress
from bert_wwm.core.shards import Shards
from bert_wwm.core.workers import default_num_workers
from bert_wwm.corpus.blocks import Block, Stretch
from bert_wwm.data.counts import Counts
from bert_wwm.data.local import (
    BlockOutput,
    Written,
    deal_out,
    load_written,
    write_blocks,
)

NUM_SHARDS = 3


def numbers_of(block):
    """The number of the block to each shard; workers import this from here."""
    number = block.place[1]
    counts = Counts(documents=1, instances=number, unknown=Counter({"☃": 1}))
    payloads = [f"{number}:{shard} ".encode() * (shard + 1) for shard in range(NUM_SHARDS)]
    return BlockOutput(payloads, [1, 2, 3], counts)


def fail_at_the_fifth(block):
    if block.place[1] == 4:
        raise DataError("f:5: is broken")
    return numbers_of(block)


def blocks(count=7):
    for number in range(count):
        yield Block((0, number), [Stretch("f", 1, b"x" * number)])


class ToldProgress(Progress):
    def __init__(self):
        super().__init__("records", 21, stream=io.StringIO())
        self.told = []

    def update(self, done, note=""):
        self.told.append((done, note))


def write(folder, work=numbers_of, num_workers=1, progress=None):
    """Returns the shards, what was there before, and what is written then."""
    paths = [str(folder / f"{shard}") for shard in range(NUM_SHARDS)]
    with Shards(paths, {}) as shards:
        before = load_written(shards, NUM_SHARDS)
        after = write_blocks(
            work,
            blocks(),
            shards,
            copy.deepcopy(before),
            num_workers,
            progress or ToldProgress(),
        )
        shards.finish({}, [{"records": records} for records in after.records])
    contents = [open(path, "rb").read() for path in paths]
    return contents, before, after


def test_blocks_are_put_down_in_their_order_whatever_the_number_of_workers(tmp_path):
    contents, before, after = write(tmp_path / "1")
    assert contents == [
        b"".join(numbers_of(block).payloads[shard] for block in blocks())
        for shard in range(NUM_SHARDS)
    ]
    assert before == Written(0, 0, [0, 0, 0], Counts())
    counts = Counts(documents=7, instances=21, unknown=Counter({"☃": 7}))
    assert after == Written(7, 21, [7, 14, 21], counts)
    assert write(tmp_path / "2", num_workers=2) == (contents, before, after)


def test_a_run_that_failed_goes_on_behind_what_is_written(tmp_path):
    expected, _, all_written = write(tmp_path / "whole")
    for _ in range(2):
        with pytest.raises(DataError, match="f:5: is broken"):
            write(tmp_path / "left", fail_at_the_fifth)
    contents, before, after = write(tmp_path / "left")
    assert before.blocks == 4 and before.bytes == 6 and before.records == [4, 8, 12]
    assert before.counts == Counts(documents=4, instances=6, unknown=Counter({"☃": 4}))
    assert (contents, after) == (expected, all_written)


def test_progress_reaches_the_end(tmp_path):
    progress = ToldProgress()
    write(tmp_path, progress=progress)
    assert [done for done, _ in progress.told] == [0, 1, 3, 6, 10, 15, 21]
    assert progress.told[-1][1].startswith("7 documents, 42 instances, ")


@given(st.lists(st.binary(max_size=3), max_size=30), st.integers(1, 9), st.integers(0, 8))
def test_items_are_dealt_out_in_turn(items, num_shards, first):
    dealt = deal_out(items, num_shards, first)
    assert len(dealt) == num_shards
    turns = itertools.chain.from_iterable(
        itertools.zip_longest(*(dealt[(first + n) % num_shards] for n in range(num_shards)))
    )
    assert [item for item in turns if item is not None] == items
    sizes = [len(part) for part in dealt]
    assert max(sizes) - min(sizes) <= 1


def test_counts_are_read_as_they_were_written():
    counts = numbers_of(Block((0, 5), [])).counts
    counts.unknown.update({f"{number}": 1 for number in range(100)})
    assert Counts.from_json(counts.to_json()) == counts
    assert Counts.from_json(Counts().to_json()) == Counts()


@given(st.lists(st.tuples(st.integers(0, 9), st.text(max_size=1)), max_size=9))
def test_counts_of_parts_add_up(parts):
    total = Counts()
    for number, char in parts:
        total += Counts(pieces=number, unknown=Counter({char: number}))
    assert total.pieces == sum(number for number, _ in parts)
    assert {char: total.unknown[char] for _, char in parts} == {
        char: sum(n for n, other in parts if other == char) for _, char in parts
    }


def test_only_the_most_frequent_of_very_many_unknown_ones_are_kept():
    total = Counts(unknown=Counter({"often": 3}))
    for part in range(10):
        total += Counts(unknown=Counter({f"{part} {number}": 1 for number in range(1000)}))
        total += Counts(unknown=Counter({"often": 5}))
    assert len(total.unknown) <= 5000
    assert total.unknown["often"] == 53
    shown = total.to_manifest()["unknown"]
    assert len(shown) == 50 and next(iter(shown.items())) == ("often", 53)


def test_all_cores_work_by_default():
    assert default_num_workers() == len(os.sched_getaffinity(0)) >= 1
