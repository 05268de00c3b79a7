import csv
import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.corpus import blocks, raw_blocks
from bert_wwm.corpus.blocks import DOCUMENT_BYTES
from bert_wwm.corpus.raw_blocks import FORMATS, LONGEST_DOCUMENT_BYTES, Layout, find_format
from bert_wwm.corpus.raw_documents import RawDocument, read_documents

ARTICLES = (
    '<doc id="1" url="https://a.cn/wiki?id=1" title="数学">\n数学\n\n第一。\n</doc>\n'
    '<doc id="2" url="u" title="A &amp; B">\nA &amp; B\n第二。\n\n第三。\n\n</doc>\n\n'
    '<doc id="3" url="u" title="空">\n\n</doc>\n'
)


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="a.txt"):
        data = content.encode("utf-8") if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return str(path)

    return write_file


def read(path, kind="", **layout):
    """The documents of a file, read in blocks."""
    where = Layout({path: kind or find_format(path)}, **layout)
    return [
        document
        for block in raw_blocks.read_blocks(0, [path], where)
        for document in read_documents(block, where)
    ]


def texts(path, kind="", **layout):
    return [document.text for document in read(path, kind, **layout)]


@pytest.mark.parametrize(
    "name, content, kind",
    [
        ("a.txt", "一\n", "text"),
        ("a", "", "text"),
        ("a.txt", '{"text": "一"}\n', "jsonl"),
        ("a.txt", "{不是 JSON}\n", "text"),
        ("a.jsonl", "", "jsonl"),
        ("a.json.gz", '{"text": 1}', "jsonl"),
        ("wiki_00", ARTICLES, "wikiextractor"),
        ("a.txt.gz", "\ufeff\n" + ARTICLES, "wikiextractor"),
        ("wiki_00", '{"id": "1", "url": "", "title": "", "text": ""}\n', "jsonl"),
        ("a.csv", "<doc id=1>", "csv"),
        ("A.TSV.gz", "text", "csv"),
    ],
)
def test_formats_are_told_by_name_and_beginning(write, name, content, kind):
    assert find_format(write(content, name)) == kind
    assert kind in FORMATS


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "documents, expected",
    [
        ("blank_line", ["一\n二", "三", "四\n"]),
        ("line", ["一", "二", "三", "四"]),
        ("file", ["一\n二\n\n三\n \t\n　\n四\n"]),
    ],
)
def test_plain_text(write, name, end, documents, expected):
    path = write("\ufeff一\n二\n\n三\n \t\n　\n四\n".replace("\n", end), name)
    assert texts(path, documents=documents) == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("read_bytes", [1, 2, 3, 5, 1 << 20])
def test_lines_of_all_kinds_end_and_count_alike(write, monkeypatch, end, read_bytes):
    monkeypatch.setattr(raw_blocks, "_READ_BYTES", read_bytes)
    content = "一\n\n二\n \n三\n"
    path = write(content.replace("\n", end))
    where = Layout({path: "text"})
    blocks = list(raw_blocks.read_blocks(0, [path], where))
    assert b"".join(part.text for block in blocks for part in block.stretches) == content.encode()
    assert sum(block.size for block in blocks) == len(content.replace("\n", end).encode())
    write(f"一{end}{end}二{end}三\0")
    with pytest.raises(DataError, match=r"a\.txt:4: holds a NUL byte"):
        read(path, "text")


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_records_end_at_lines_of_all_kinds(write, end):
    assert texts(write(ARTICLES.replace("\n", end), "wiki_00")) == texts(write(ARTICLES, "wiki"))
    path = write(f'{{"text": "一"}}{end}{{"text": "二"}}{end}', "a.jsonl")
    assert texts(path) == ["一", "二"]


def test_documents_without_line_feeds_are_cut_into_blocks(write):
    """Else a file of carriage returns were one line, too long to be read."""
    count = 2 * LONGEST_DOCUMENT_BYTES // 300
    path = write(("一" * 99 + "\r\r") * count)
    where = Layout({path: "text"})
    assert len(list(raw_blocks.read_blocks(0, [path], where))) > 3
    assert texts(path) == ["一" * 99] * count


def test_a_line_that_is_too_long_is_named(write, monkeypatch):
    monkeypatch.setattr(blocks, "_LONGEST_LINE", 1000)
    monkeypatch.setattr(raw_blocks, "_READ_BYTES", 100)
    path = write('{"text": ""}\n' * 2 + "x" * 3000, "a.jsonl")
    with pytest.raises(DataError, match=r"a\.jsonl:3: a line or an article of more than 0 MB"):
        read(path)


def test_json_lines(write):
    rows = [
        {"text": "一\n\n二", "n": 1},
        {"text": None},
        {"text": ""},
        {"n": {"x": 3}, "text": "三"},
    ]
    path = write("\n".join(json.dumps(row) for row in rows) + "\n\n", "a.jsonl")
    assert texts(path) == ["一\n\n二", "", "", "三"]


def test_fields_within_fields(write):
    path = write('{"a": {"b": "一"}}\n{"a.b": "二", "a": 1}\n', "a.jsonl")
    assert texts(path, text_field="a.b") == ["一", "二"]


@pytest.mark.parametrize(
    "line, message",
    [
        ('{"text": "', r"a.jsonl:2: broken at column \d+ \(.*\); expected one object a line"),
        ("[1]", "a.jsonl:2: is a JSON list; expected an object with the field 'text'"),
        ('{"id": 1, "body": ""}', "a.jsonl:2: there is no field 'text'; .* one of id, body"),
        ('{"text": 3}', "a.jsonl:2: the field 'text' is a JSON int; expected a string"),
        pytest.param("[" * 100_000, "a.jsonl:2: lists or objects too deep", id="deep"),
        ("{}", "there is no field 'text'; .* one of none"),
        ('{"text": "\0"}', "a.jsonl:2: holds a NUL byte"),
    ],
)
def test_broken_json_lines(write, line, message):
    path = write(f'{{"text": ""}}\n{line}\n', "a.jsonl")
    with pytest.raises(DataError, match=message):
        read(path)


@pytest.mark.parametrize("name", ["wiki_00", "wiki_00.gz"])
def test_articles_without_their_titles(write, name):
    path = write(ARTICLES, name)
    assert [text.split() for text in texts(path)] == [["第一。"], ["第二。", "第三。"], []]
    path = write('{"title": "题", "text": "文"}\n', name)
    assert texts(path, "wikiextractor") == ["文"]


@pytest.mark.parametrize(
    "text, message",
    [
        (ARTICLES + "外面\n", "a:17: the text that begins here is outside of any article"),
        (ARTICLES + '<doc id="4">\n文\n', "a:17: the text that begins here is never closed"),
    ],
)
def test_broken_articles(write, text, message):
    with pytest.raises(DataError, match=message):
        read(write(text, "a"))


@pytest.mark.parametrize("name, delimiter", [("a.csv", ""), ("a.csv.gz", ""), ("a.x", ";")])
def test_tables(write, name, delimiter):
    part = delimiter or ","
    content = (
        f'\ufeffid{part}text\r\n1{part}"一{part}""二""\n\n三"\r\n\r\n2{part}四"五\r\n3{part}\r\n'
    )
    path = write(content, name)
    expected = [f'一{part}"二"\n\n三', '四"五', ""]
    assert texts(path, "csv", delimiter=delimiter) == expected


@pytest.mark.parametrize("name, delimiter", [("a.tsv", ""), ("a.tsv.gz", ""), ("a.txt", "\t")])
def test_quotation_marks_are_text_where_tabs_part_the_cells(write, name, delimiter):
    path = write('a\ttext\n1\t"一\n2\t二",\n', name)
    assert texts(path, "csv", delimiter=delimiter) == ['"一', '二",']


@pytest.mark.parametrize(
    "content, message",
    [
        ("id,body\n1,2\n", "a.csv:1: there is no column 'text'; .* one of id, body"),
        ('id,text\n1,"一\n二"\n3\n', "a.csv:4: a row of 1 cells, .* expected 2 cells"),
        ('id,text\n1,一\n2,"二\n三\n', "a.csv:3: the row that begins here is no row of a table"),
        ("id,text\n1,\0\n", "a.csv:2: holds a NUL byte"),
    ],
)
def test_broken_tables(write, content, message):
    with pytest.raises(DataError, match=message):
        read(write(content, "a.csv"))


@given(st.lists(st.text(st.sampled_from('一",\n '), max_size=9), min_size=1, max_size=30))
def test_tables_are_read_as_python_writes_them(tmp_path_factory, cells):
    path = tmp_path_factory.getbasetemp() / "property.csv"
    stream = io.StringIO()
    csv.writer(stream).writerows([["n", "text"], *enumerate(cells)])
    path.write_text(stream.getvalue(), encoding="utf-8", newline="")
    assert texts(str(path)) == cells


def test_huge_cells_and_fields(write):
    huge = "一" * 2_000_000
    assert texts(write(f"text\n{huge}\n二\n", "a.csv")) == [huge, "二"]
    assert texts(write(json.dumps({"text": huge}) + '\n{"text": "二"}', "a.jsonl")) == [huge, "二"]
    assert texts(write(f'<doc id="1">\n{huge}\n</doc>\n', "wiki_00")) == [f"{huge}\n"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", "一二三\n".encode("gbk"), b"\n\xe4\xb8"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_what_is_not_utf8(write, content, name):
    with pytest.raises(DataError, match=r"a\....:\d: .*(is not UTF-8|holds a NUL byte)"):
        read(write(content, name))


def test_a_nul_byte_has_a_place(write):
    with pytest.raises(DataError, match=r"a\.txt:3: holds a NUL byte; expected text"):
        read(write("一\n二\n三\0\n"))


@pytest.mark.parametrize("name", ["a.txt.gz", "a.csv.gz", "a.jsonl.gz"])
def test_broken_gzip(write, tmp_path, name):
    lines = "".join(json.dumps({"text": str(n * n)}) + "\n" for n in range(5000))
    path = write(f"text\n{lines}" if "csv" in name else lines, name)
    with open(path, "r+b") as stream:
        stream.truncate(9000)
    with pytest.raises(DataError, match="broken gzip data"):
        read(path, name.split(".")[1].replace("txt", "text"))


def numbered(count, form):
    return "".join(form(f"{number} " + "一" * (number % 700)) for number in range(count))


@pytest.mark.parametrize(
    "name, form, layout",
    [
        ("a.txt", "{}\n\n", {}),
        ("b.txt", "{}\n", {"documents": "line"}),
        ("a.jsonl", '{{"text": "{}"}}\n', {}),
        ("a.csv", '1,"{}"\n', {}),
        ("wiki_00", '<doc id="1">\n{}\n</doc>\n', {}),
    ],
)
def test_cutting_into_blocks_loses_nothing(write, name, form, layout):
    count = 2000  # 2 MB
    path = write(("n,text\n" if "csv" in name else "") + numbered(count, form.format), name)
    where = Layout({path: find_format(path)}, **layout)
    found = list(raw_blocks.read_blocks(3, [path], where))
    assert [block.place for block in found] == [(3, number) for number in range(len(found))]
    assert len(found) > 3
    lines = [text.rstrip("\n") for text in texts(path, **layout)]
    assert lines == numbered(count, "{}\n".format).splitlines()
    size = sum(block.size for block in found)
    with open(path, "rb") as stream:
        assert size == pytest.approx(len(stream.read()), rel=0.001)


@pytest.mark.parametrize("documents", ["blank_line", "file"])
def test_a_document_is_taken_apart_only_where_it_is_too_long(write, documents):
    line = "一" * 99 + "\n"
    text = line * (2 * DOCUMENT_BYTES // 298)
    assert read(write(text), documents=documents) == [RawDocument(text)]
    text = line * (5 * LONGEST_DOCUMENT_BYTES // 2 // 298)
    parts = read(write(text), documents=documents)
    assert [part.is_rest for part in parts] == [False, True, True]
    assert "".join(part.text for part in parts) == text


def test_small_files_go_together(write):
    paths = [write(f"{number}", f"{number}.txt") for number in range(9)]
    where = Layout(dict.fromkeys(paths, "text"))
    blocks = list(raw_blocks.read_blocks(0, paths, where))
    assert len(blocks) == 1 and blocks[0].size == 9
    assert [document.text for document in read_documents(blocks[0], where)] == list("012345678")
