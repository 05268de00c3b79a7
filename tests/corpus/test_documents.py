import gzip
import tempfile
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.corpus import blocks, documents
from bert_wwm.corpus.blocks import Stretch
from bert_wwm.corpus.documents import Document, parse_documents, read_documents

TEXTS = st.lists(st.text(st.sampled_from("一二a \t\r\u2028\u3000"), max_size=9), max_size=50).map(
    "\n".join
)


@pytest.fixture
def small_documents():
    """Takes apart what is longer than 30 bytes."""
    with (
        mock.patch.object(blocks, "DOCUMENT_BYTES", 30),
        mock.patch.object(documents, "DOCUMENT_BYTES", 30),
    ):
        yield


def parse(text, line=1):
    return list(parse_documents(Stretch("f", line, text.encode())))


def test_documents_end_at_blank_lines_and_at_ends_of_files(tmp_path):
    first = tmp_path / "a.txt"
    first.write_text("\n一。 \n二。\n \n\n三。", encoding="utf-8")
    second = tmp_path / "b.txt.gz"
    second.write_bytes(gzip.compress("四。\n".encode()))
    paths = [str(first), str(second)]
    assert list(read_documents(paths)) == [
        Document(["一。", "二。"], paths[0], 2, False),
        Document(["三。"], paths[0], 6, False),
        Document(["四。"], paths[1], 1, False),
    ]


def test_lines_are_counted_from_where_the_stretch_begins():
    assert parse("一\n\n二\n", line=7) == [
        Document(["一"], "f", 7, False),
        Document(["二"], "f", 9, False),
    ]


def test_only_newlines_end_a_sentence():
    assert parse("\ta\u2028b\x0b\x85c\r\n\r\n\u3000\nd\re") == [
        Document(["a\u2028b\x0b\x85c"], "f", 1, False),
        Document(["d\re"], "f", 4, False),
    ]


@settings(deadline=None)
@given(TEXTS)
def test_documents_are_those_of_a_plain_reading(text):
    expected, sentences = [], []
    with_newlines = text if "\n" in text else text.replace("\r", "\n")
    for line in [*with_newlines.split("\n"), ""]:
        if line.strip():
            sentences.append(line.strip())
        elif sentences:
            expected.append(sentences)
            sentences = []
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        found = list(read_documents([file.name]))
    assert [document.sentences for document in found] == expected
    lines = with_newlines.split("\n")
    for document in found:
        assert lines[document.line - 1].strip() == document.sentences[0]
        assert document.line == 1 or not lines[document.line - 2].strip()


@settings(deadline=None)
@given(TEXTS)
def test_documents_that_are_too_long_are_taken_apart_and_nothing_is_lost(text):
    sizes = mock.patch.object(blocks, "DOCUMENT_BYTES", 30)
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        whole = list(read_documents([file.name]))
        with sizes, mock.patch.object(documents, "DOCUMENT_BYTES", 30):
            parts = list(read_documents([file.name]))
    # Every part is of one document, the parts of a document in order.
    rest = iter(parts)
    for document in whole:
        sentences = []
        while len(sentences) < len(document.sentences):
            part = next(rest)
            assert sum(3 * len(sentence) for sentence in part.sentences[:-1]) < 30
            assert part.line >= document.line
            sentences += part.sentences
        assert sentences == document.sentences
    assert not list(rest)


def test_what_goes_on_with_a_long_document_is_marked(small_documents):
    assert parse("一二三四五\n六七八九十\n一\n\n一\n") == [
        Document(["一二三四五", "六七八九十"], "f", 1, False),
        Document(["一"], "f", 3, True),
        Document(["一"], "f", 5, False),
    ]
    # That it is long enough at its end doesn't matter.
    assert parse("一二三四五六七八九十\n\n一\n") == [
        Document(["一二三四五六七八九十"], "f", 1, False),
        Document(["一"], "f", 3, False),
    ]


@pytest.mark.parametrize("begin, line", [(b"", 41), (b"\xef\xbb\xbf", 41), (b"\r\n", 42)])
def test_invalid_utf8_is_named_by_line_and_column(tmp_path, small_documents, begin, line):
    path = tmp_path / "a.txt"
    path.write_bytes(begin + "好好好\n\n".encode() * 20 + "好".encode() + b"\xff\n")
    with pytest.raises(DataError) as error:
        list(read_documents([str(path)]))
    assert str(error.value) == (
        f"{path}:{line}: byte 0xff at column 4 is not UTF-8; expected UTF-8 text"
    )


@pytest.mark.parametrize(
    "text, column", [(b"\xff", 1), (b"\xe5\xa5", 1), (b"a\xe5\xa5", 2), (b"ab\xe5a", 3)]
)
def test_columns_are_counted_in_bytes_from_1(text, column):
    for stretch in Stretch("f", 3, text), Stretch("f", 1, "好\n\n".encode() + text + b"\n"):
        with pytest.raises(DataError, match=rf"^f:3: byte 0x.. at column {column} is not UTF-8"):
            stretch.decode()


def test_a_text_without_blank_lines_has_more_than_one_document(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("今天天气很不错。\n" * 50_000, encoding="utf-8")
    documents = list(read_documents([str(path)]))
    assert len(documents) > 4
    assert sum(len(document.sentences) for document in documents) == 50_000
    assert all(len(document.sentences) * 24 < 1.1 * blocks.DOCUMENT_BYTES for document in documents)
