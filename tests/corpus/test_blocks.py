import gzip
import itertools
import os
import pathlib
import tempfile
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.corpus import blocks
from bert_wwm.corpus.blocks import Block, Stretch

BLOCK, DOCUMENT = 120, 30
LINES = st.text(st.sampled_from("一二ab \t\r"), max_size=12).map(str.encode)
LONG_LINES = st.integers(1, 70).map(lambda n: b"x" * n)
TEXTS = st.one_of(
    st.lists(LINES | st.just(b""), max_size=60),
    st.lists(LONG_LINES | st.just(b""), max_size=40),
    st.lists(LONG_LINES, max_size=30),  # no blank line at all
).map(b"\n".join)


def all_blocks(paths):
    """The blocks of all runs of some files."""
    runs = enumerate(blocks.group_files(paths))
    return [block for number, run in runs for block in blocks.read_blocks(number, run)]


@pytest.fixture(autouse=True, scope="module")
def small_sizes():
    with mock.patch.multiple(blocks, BLOCK_BYTES=BLOCK, DOCUMENT_BYTES=DOCUMENT):
        yield


@pytest.fixture
def write(tmp_path):
    def write(*texts):
        for number, text in enumerate(texts):
            (tmp_path / f"{number}.txt").write_bytes(text)
        return [str(tmp_path / f"{number}.txt") for number in range(len(texts))]

    return write


def text_of(stretches):
    return b"".join(stretch.text for stretch in stretches)


def stretches_of(found):
    return list(itertools.chain.from_iterable(block.stretches for block in found))


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=6), st.integers(3, 200))
def test_blocks_are_whole_lines_of_the_files_in_order_however_these_are_read(texts, read_bytes):
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, str(number)) for number in range(len(texts))]
        for path, text in zip(paths, texts):
            pathlib.Path(path).write_bytes(text)
        found = list(all_blocks(paths))
        with mock.patch.object(blocks, "_READ_BYTES", read_bytes):
            assert list(all_blocks(paths)) == found
        for path, text in zip(paths, texts):
            read = b""
            for stretch in [s for s in stretches_of(found) if s.path == path]:
                assert stretch.text
                assert read == b"" or read.endswith(b"\n")
                assert stretch.line == 1 + read.count(b"\n")
                read += stretch.text
            assert read == (text if b"\n" in text else text.replace(b"\r", b"\n"))
        order = [paths.index(stretch.path) for stretch in stretches_of(found)]
        assert order == sorted(order)
        assert all(block.size == len(text_of(block.stretches)) for block in found)
        places = [block.place for block in found]
        assert places == sorted(set(places))
        for run in {run for run, _ in places}:
            assert [n for r, n in places if r == run] == list(
                range(sum(r == run for r, _ in places))
            )


@settings(deadline=None)
@given(st.lists(TEXTS.map(lambda text: text.replace(b"\r", b" ")), max_size=4), st.integers(3, 99))
def test_line_ends_of_the_classic_mac_give_the_same_blocks(texts, read_bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "text")
        found = []
        for end in (b"\n", b"\r"):
            path.write_bytes(b"\n\n".join(texts).replace(b"\n", end))
            with mock.patch.object(blocks, "_READ_BYTES", read_bytes):
                found.append(all_blocks([str(path)]))
        assert found[0] == found[1]


@settings(deadline=None)
@given(TEXTS)
def test_blocks_and_stretches_stay_bounded_and_not_too_small(text):
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        found = list(all_blocks([file.name]))
    longest_line = max(map(len, text.split(b"\n"))) + 1
    longest_stretch = 2 * DOCUMENT + longest_line
    for stretch in stretches_of(found):
        assert len(stretch.text) <= longest_stretch
    for stretch in stretches_of(found)[:-1]:
        assert len(stretch.text) > DOCUMENT
    for block in found:
        assert block.size < BLOCK + longest_stretch + BLOCK // 2
        assert block.size >= BLOCK // 2 or len(found) == 1


def test_stretches_end_at_blank_lines(write):
    document = b"0123456789\n" * 2
    (path,) = write(b"\n".join([document] * 5) + b"\n \t\r\n" + document)
    assert list(blocks.read_stretches(path)) == [
        Stretch(path, 1, document + b"\n" + document + b"\n"),
        Stretch(path, 7, document + b"\n" + document + b"\n"),
        Stretch(path, 13, document + b"\n \t\r\n" + document),
    ]


def test_lines_are_not_parted_where_no_blank_line_is_near(write):
    (path,) = write(b"0123456789\n" * 12)
    assert [(s.line, len(s.text)) for s in blocks.read_stretches(path)] == [(1, 66), (7, 66)]
    (path,) = write(b"x" * 500)
    assert [len(stretch.text) for stretch in blocks.read_stretches(path)] == [500]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=4), max_size=20))
def test_a_document_that_is_not_too_long_is_not_taken_apart(documents):
    with tempfile.NamedTemporaryFile() as file:
        for lengths in documents:
            file.writelines([*(b"x" * length + b"\n" for length in lengths), b"\n"])
        file.flush()
        stretches = list(blocks.read_stretches(file.name))
    assert all(stretch.text.endswith(b"\n\n") for stretch in stretches)
    assert len(stretches) >= len(text_of(stretches)) // (2 * DOCUMENT)


def test_carriage_returns_make_no_difference_to_where_documents_end(write):
    paths = write(b"a\n\nb\n" * 30, b"a\r\n\r\nb\r\n" * 30)
    for path in paths:
        *stretches, _ = blocks.read_stretches(path)
        assert len(stretches) > 2
        assert all(stretch.text.endswith((b"a\n\n", b"a\r\n\r\n")) for stretch in stretches)


def test_a_byte_order_mark_is_dropped_at_the_start_alone(write):
    (path,) = write("\ufeff一\n\ufeff二".encode())
    assert list(blocks.read_stretches(path)) == [Stretch(path, 1, "一\n\ufeff二".encode())]


def test_compressed_files_give_the_same_stretches(write):
    text = b"0123456789\n0123\n\n" * 50
    parts = gzip.compress(text[:100]) + gzip.compress(text[100:])  # two files, put together
    plain, packed = write(text, parts)
    assert [stretch[1:] for stretch in blocks.read_stretches(packed)] == [
        stretch[1:] for stretch in blocks.read_stretches(plain)
    ]


def test_small_files_are_put_together_and_a_rest_joins_the_run_before_it(write):
    paths = write(*[b"x" * 50] * 5, b"x" * 300, b"x" * 10)
    assert blocks.group_files(paths) == [paths[:3], paths[3:]]
    assert blocks.group_files(paths[:2]) == [paths[:2]]
    assert blocks.group_files(paths[3:6]) == [paths[3:6]]
    assert blocks.group_files([]) == []


@given(st.lists(st.integers(0, 200), max_size=20))
def test_runs_hold_all_files_in_order_and_have_the_size_of_a_block(sizes):
    with mock.patch("bert_wwm.core.files.size", side_effect=lambda path: sizes[int(path)]):
        paths = list(map(str, range(len(sizes))))
        runs = blocks.group_files(paths)
    assert list(itertools.chain.from_iterable(runs)) == paths
    for run in runs:
        assert sum(sizes[int(path)] for path in run) >= BLOCK or len(runs) == 1
        if run is not runs[-1]:
            assert sum(sizes[int(path)] for path in run[:-1]) < BLOCK


def test_many_small_files_share_a_block(write):
    paths = write(*[b"x" * 39 + b"\n"] * 7)
    found = list(all_blocks(paths))
    assert [block.place for block in found] == [(0, 0), (1, 0)]
    assert [[stretch.path for stretch in block.stretches] for block in found] == [
        paths[:3],
        paths[3:],
    ]


def test_a_small_rest_joins_the_block_before_it_and_a_larger_one_does_not(write):
    document = b"x" * 38 + b"\n\n"
    (path,) = write(document * 7)
    assert [block.size for block in all_blocks([path])] == [120, 160]
    (path,) = write(document * 8)
    assert [block.size for block in all_blocks([path])] == [120, 120, 80]
    (path,) = write(document)
    assert list(all_blocks([path])) == [Block((0, 0), [Stretch(path, 1, document)])]


def test_nothing_makes_no_block(write):
    assert list(all_blocks([])) == []
    assert list(all_blocks(write(b"", b""))) == []


def test_a_line_that_does_not_fit_into_memory_is_named(write):
    (path,) = write(b"ab\n\n" + b"x" * 5000)
    small = mock.patch.multiple(blocks, _LONGEST_LINE=1000, _READ_BYTES=100)
    with small, pytest.raises(DataError, match=r"0\.txt:3: a line of more than 0 MB; expected"):
        list(blocks.read_stretches(path))


def test_what_cannot_be_read_is_named(write, tmp_path):
    with pytest.raises(DataError, match=r"nothing\.txt: no such file"):
        list(blocks.read_stretches(str(tmp_path / "nothing.txt")))
    (path,) = write(gzip.compress(os.urandom(1000))[:500])
    with pytest.raises(DataError, match=r"0\.txt: broken gzip data"):
        list(blocks.read_stretches(path))
