import functools
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.progress import Progress
from bert_wwm.core.shards import Shards
from bert_wwm.corpus.blocks import Block, Stretch
from bert_wwm.corpus.raw_blocks import Layout
from bert_wwm.data.duplicates import HASH_BYTES, SeenHashes, hash_document
from bert_wwm.data.local import load_written, write_blocks
from bert_wwm.data.preparing import Keeper, PreparedBlock, PreparedCounts, prepare_block

LAYOUT = Layout({"a.txt": "text"})


def hashes(numbers):
    return [number.to_bytes(HASH_BYTES, "little") for number in numbers]


@given(st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9), max_size=9), max_size=9))
def test_a_hash_is_new_once(blocks):
    seen = SeenHashes()
    known = set()
    for numbers in blocks:
        expected = []
        for number in numbers:
            expected.append(number not in known)
            known.add(number)
        assert seen.add(hashes(numbers)) == expected
        assert len(seen) == len(known)


def test_many_hashes_take_few_arrays_and_eight_bytes_each():
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, 2**63, 200_000).tolist()
    seen = SeenHashes()
    for start in range(0, len(numbers), 100):
        assert all(seen.add(hashes(numbers[start : start + 100])))
    arrays = seen._runs
    assert len(arrays) < 12 and sum(array.nbytes for array in arrays) == 8 * 200_000
    assert not any(seen.add(hashes(numbers)))


def test_hashes_differ_by_all_that_is_in_a_document():
    documents = ["", "\n", "一", "一\n", "一\n二", "二\n一"]
    made = [hash_document(document.encode("utf-8")) for document in documents]
    assert len(set(made)) == len(documents) and {len(one) for one in made} == {HASH_BYTES}


def block(number, *documents):
    text = "\n\n".join(documents).encode("utf-8")
    return Block((0, number), [Stretch("a.txt", 1, text)])


def test_a_document_is_kept_or_left_out_for_one_reason():
    found = prepare_block(
        LAYOUT,
        3,
        0.5,
        block(0, "一二。三<br>四\u200b", "<b></b>", "一 。", "1,234,567一", "“一。二！”三\n四"),
    )
    assert [document.decode() for document in found.documents] == [
        "一二。\n三\n四",
        "“一。二！”\n三\n四",
    ]
    assert found.hashes == list(map(hash_document, found.documents))
    assert found.counts == PreparedCounts(
        documents_read=5,
        documents_empty=1,
        documents_short=1,
        documents_unnatural=1,
        tags=3,
        invisible=1,
    )


def test_no_bound_keeps_what_is_no_text():
    assert prepare_block(LAYOUT, 1, 0, block(0, "1")).documents == [b"1"]
    assert prepare_block(LAYOUT, 1, 0.1, block(0, "1")).documents == []


BLOCKS = [
    block(0, "一。二", "三", "一。\n二"),
    block(1, "四", "三", "五"),
    block(2, "三"),
    block(3, "六。七", "一。二", "八"),
]


def write(folder, blocks, num_workers=1, finish=True):
    paths = [str(folder / f"{number}") for number in range(2)]
    with Shards(paths, {}) as shards:
        before = load_written(shards, 2, PreparedCounts)
        written = [shards.written(number) for number in range(2)]
        after = write_blocks(
            functools.partial(prepare_block, LAYOUT, 1, 0.3),
            iter(blocks),
            shards,
            before,
            num_workers,
            Progress("text", 1, stream=io.StringIO()),
            Keeper(2, before.counts.documents_kept, written),
        )
        if finish:
            shards.finish({}, [{"sentences": sentences} for sentences in after.records])
    return before, after


@pytest.mark.parametrize("interrupted_after", [None, 1, 2, 3, 4])
def test_of_equal_documents_the_first_is_kept_and_all_are_dealt_out(tmp_path, interrupted_after):
    if interrupted_after:
        write(tmp_path, BLOCKS[:interrupted_after], finish=False)
    before, after = write(tmp_path, BLOCKS, num_workers=1 + bool(interrupted_after))
    assert before.blocks == (interrupted_after or 0)
    assert (tmp_path / "0").read_text() == "一。\n二\n\n四\n\n六。\n七\n\n"
    assert (tmp_path / "1").read_text() == "三\n\n五\n\n八\n\n"
    assert after.records == [5, 3] and after.blocks == 4
    assert after.bytes == sum(block.size for block in BLOCKS)
    assert after.counts == PreparedCounts(
        documents_read=10, documents_kept=6, documents_duplicate=4, sentences=8
    )


def test_counts_are_shown_in_lines():
    lines = PreparedCounts(documents_read=1234, documents_duplicate=5).summary().splitlines()
    assert lines[0].split() == ["documents", "read", "1,234"]
    assert lines[2].split() == ["duplicate", "5"]
    assert len({len(line) for line in lines}) == 1


def test_written_documents_are_found_across_chunks():
    documents = ["一。\n二".encode(), b"x" * 50, "三".encode()]
    its_hashes = list(map(hash_document, documents))
    data = b"".join(document + b"\n\n" for document in documents)
    for size in range(1, 20):
        chunks = (data[start : start + size] for start in range(0, len(data), size))
        keeper = Keeper(1, len(documents), [chunks])
        found = keeper(PreparedBlock(documents, its_hashes, PreparedCounts()))
        assert found.payloads == [b""]
        assert found.counts == PreparedCounts(documents_duplicate=len(documents))
