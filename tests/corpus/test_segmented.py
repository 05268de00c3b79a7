import gzip
import itertools
import json
import pathlib
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.corpus.segmented import (
    SegmentedBlock,
    format_block,
    format_header,
    is_segmented,
    parse_block,
    read_blocks,
    read_header,
)

TASKS = ("pos", "ner")
HEADER = format_header({"name": "ltp"}, TASKS)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1)
TAGGED = st.lists(
    st.tuples(WORDS, *(st.sampled_from([None, "n", "v", "O"]) for _ in TASKS)),
    min_size=1,
    max_size=4,
)
# A sentence: its words and their tags; or its text.
SENTENCES = TAGGED | WORDS | st.just('{"block": [0, 1]}')
BLOCKS = st.lists(
    st.lists(st.lists(SENTENCES, min_size=1, max_size=4), max_size=3).map(
        lambda documents: block_of(documents)
    ),
    max_size=4,
)


def block_of(documents):
    result = SegmentedBlock([], [], {task: [] for task in TASKS}, [0], [])
    for document in documents:
        for sentence in document:
            if isinstance(sentence, str):
                rows = [sentence, None, *[None] * len(TASKS)]
            else:
                words, *tags = zip(*sentence)
                ends = list(itertools.accumulate(map(len, words)))
                rows = ["".join(words), list(zip([0, *ends], ends)), *map(list, tags)]
            result.sentences.append(rows[0])
            result.words.append(rows[1])
            for task, of_task in zip(TASKS, rows[2:]):
                result.tags[task].append(of_task)
        result.documents.append(len(result.sentences))
        result.places.append(("", 0))
    return result


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / "a.seg.gz"
        path.write_bytes(gzip.compress(HEADER + "".join(f"{line}\n" for line in lines).encode()))
        return str(path)

    return write


def parse_all(path, tasks=TASKS):
    return [parse_block(block, tasks) for block in read_blocks(path)]


def line_of(path, number):
    with gzip.open(path, "rb") as stream:
        return stream.read().split(b"\n")[number - 1].decode()


@settings(deadline=None)
@given(BLOCKS)
def test_blocks_are_read_as_they_were_written(blocks):
    places = [(number // 2, number % 2) for number in range(len(blocks))]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/a"
        # Each block is a gzip file of its own, as shards grow.
        parts = [HEADER, *(format_block(*pair) for pair in zip(places, blocks))]
        pathlib.Path(path).write_bytes(b"".join(map(gzip.compress, parts)))
        assert is_segmented(path)
        raw = list(read_blocks(path))
        assert [block.place for block in raw] == places
        for block, original in zip((parse_block(block, TASKS) for block in raw), blocks):
            assert block.sentences == original.sentences
            assert block.words == original.words
            assert block.tags == original.tags
            assert block.documents == original.documents
            assert len(block.places) == len(block.documents) - 1
            for sentence, (found, line) in zip(block.documents, block.places):
                assert found == path
                row = json.loads(line_of(path, line))
                assert row.get("text", "".join(row.get("words", ()))) == block.sentences[sentence]


def test_what_a_file_looks_like():
    block = block_of([[[("使用", "v", "O"), (" ", None, None), ("BERT", "ws", "O")], "a\u2028"]])
    assert (HEADER + format_block((0, 3), block)).decode() == (
        '{"format": "segmented corpus 1", "segmenter": {"name": "ltp"}, "tags": ["pos", "ner"]}\n'
        '{"block": [0, 3]}\n'
        '{"words": ["使用", " ", "BERT"], "pos": ["v", null, "ws"], "ner": ["O", null, "O"]}\n'
        '{"text": "a\u2028"}\n'
        "\n"
    )


def test_only_the_tags_that_are_wanted_are_read(write):
    row = '{"words": ["使用"], "pos": ["v"], "ner": ["O"]}'
    (block,) = parse_all(write('{"block": [0, 0]}', row), ["ner"])
    assert block.tags == {"ner": [["O"]]}
    (block,) = parse_all(write('{"block": [0, 0]}', row), [])
    assert block.tags == {} and block.words == [[(0, 2)]]


def test_sentences_know_where_their_document_begins(write):
    path = write('{"block": [0, 0]}', *['{"text": "a"}', '{"text": "b"}', ""] * 2, '{"text": "c"}')
    (block,) = parse_all(path)
    assert block.documents == [0, 2, 4, 5]
    places = [block.find_place(sentence) for sentence in range(5)]
    assert places == [f"{path}:{line}" for line in (3, 3, 6, 6, 9)]


@pytest.mark.parametrize(
    "row, message",
    [
        ("[]", "TypeError"),
        ("{}", "KeyError: 'words'"),
        ('{"words": ["a"], "pos": ["n"]}', "KeyError: 'ner'"),
        ('{"words": ["a"], "pos": ["n"], "ner": []}', "ValueError: 0 tags of ner for 1 words"),
        ('{"words": [1], "pos": ["n"], "ner": ["O"]}', "TypeError"),
        ('{"words": ["a", ""], "pos": ["n", "n"], "ner": ["O", "O"]}', "ValueError: a word is"),
        ('{"words": ["a\\n"], "pos": ["n"], "ner": ["O"]}', "ValueError: a line ends within"),
        ('{"text": "a\\nb"}', "ValueError: a line ends within the sentence"),
        ('{"text": 1}', "AttributeError"),
        ('{"text": "\\ud800"}', "UnicodeEncodeError"),
        ('{"words": ["a"], "pos": ["n"], "ner": null}', "TypeError"),
    ],
)
def test_a_line_that_is_no_sentence_is_named(write, row, message):
    good = '{"text": "好"}'
    path = write('{"block": [0, 0]}', good, "", '{"block": [0, 1]}', good, row, good)
    with pytest.raises(DataError) as error:
        parse_all(path)
    assert str(error.value).startswith(f"{path}:7: no sentence of a segmented corpus ({message}")


@pytest.mark.parametrize(
    "row, place",
    [('{"words": ["a"', "column 15 (Expecting ',' "), ("使用", "column 1 (Expecting ")],
)
def test_a_line_that_is_not_json_is_named(write, row, place):
    path = write('{"block": [0, 0]}', row)
    with pytest.raises(DataError) as error:
        parse_all(path)
    assert str(error.value).startswith(f"{path}:3: broken at {place}")
    assert str(error.value).endswith("; expected a sentence with its words")


@pytest.mark.parametrize(
    "block", ["[0", "[0]}", "null}", '["0", 0]}', "[true, 0]}", "[-1, 0]}", "[0.0, 0]}"]
)
def test_a_line_that_begins_no_block_is_named(write, block):
    with pytest.raises(DataError, match=r"a\.seg\.gz:4: .* begins no block"):
        list(read_blocks(write('{"block": [0, 0]}', '{"text": "a"}', f'{{"block": {block}')))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]\n",
        "今天\n",
        '{"format": "segmented corpus 2", "segmenter": {}, "tags": []}\n',
        '{"format": "segmented corpus 1"}\n',
        '{"segmenter": {}, "tags": []}\n',
    ],
)
def test_files_of_another_format_are_refused(tmp_path, text):
    path = tmp_path / "a"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="a:1: no segmented corpus; expected the format"):
        read_header(str(path))
    with pytest.raises(DataError, match="a:1: no segmented corpus; expected the format"):
        list(read_blocks(str(path)))


def test_what_cannot_be_read_is_told_as_it_is(tmp_path):
    for name, content, message in (
        ("a.gz", b"\x1f\x8b\x08\x00abc", "broken gzip data"),
        ("b", b"\xff\n", "byte 0xff at column 1 is not UTF-8"),
        ("c", None, "no such file"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_header(str(tmp_path / name))


def test_segmented_files_are_told_from_text(tmp_path):
    path = tmp_path / "a"
    for text, expected in ((HEADER, True), (b"", False), (b"{}\n", False), (HEADER[1:], False)):
        for data in text, gzip.compress(text):
            path.write_bytes(data)
            assert is_segmented(str(path)) is expected
    path.write_bytes(HEADER)
    assert read_header(str(path)) == {
        "format": "segmented corpus 1",
        "segmenter": {"name": "ltp"},
        "tags": ["pos", "ner"],
    }


def test_a_truncated_file_is_named(write):
    path = pathlib.Path(write('{"block": [0, 0]}', *['{"text": "好"}'] * 100))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.seg\.gz:\d+: broken gzip data"):
        parse_all(str(path))
