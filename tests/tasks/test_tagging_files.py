import gzip
import json

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import Tagged
from bert_wwm.tasks.tagging_files import (
    cluener_lines,
    conll_lines,
    read_cluener,
    read_columns,
    read_msra,
)


@pytest.fixture
def write(tmp_path):
    """Writes a file of that text and returns its path."""

    def write_file(text, name="train.txt"):
        path = tmp_path / name
        path.write_bytes(text.encode("utf-8"))
        return str(path)

    return write_file


def read(reader, path):
    """The examples of a file, and what is said of it."""
    notes = []
    examples = reader(path, notes.append)
    return examples, [note.replace(path, "FILE") for note in notes]


def refusal(reader, path):
    with pytest.raises(DataError) as error:
        reader(path, lambda line: None)
    return str(error.value).replace(path, "FILE")


@pytest.mark.parametrize("separator", [" ", "\t", "  ", "\t\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_token_and_its_tag_a_line(write, separator, line_end):
    lines = ["\ufeff", "", "北 B-LOC", "京 I-LOC", "", "", "BERT O", "。 O"]
    text = line_end.join(line.replace(" ", separator) for line in lines)
    examples, notes = read(read_columns, write(text))
    assert examples == [
        Tagged("3", ("北", "京"), ("B-LOC", "I-LOC")),
        Tagged("7", ("BERT", "。"), ("O", "O")),
    ]
    assert notes == []


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("中 O\n\u3000 O\n国 O \n \t\n", ("中", "\u3000", "国")),
        ("中 O\n O\n  O\n国 O\n", ("中", " ", " ", "国")),  # the blank itself is lost, or not
        ("中\tO\n\tO\n \tO\n\u3000\tO\n", ("中", " ", " ", "\u3000")),
        ("\u3000 O\n", ("\u3000",)),
        (" O\n中 O\n", (" ", "中")),
        ("New York\tO\n中\tO\n", ("New York", "中")),  # parted by tabs, so blanks are text
        ("\u2028 O\n\x85 O\n\xa0 O\n\u200b O\n", ("\u2028", "\x85", "\xa0", "\u200b")),
        ('# O\n" O\n-DOCSTART-x O\n', ("#", '"', "-DOCSTART-x")),
    ],
)
def test_blanks_and_other_odd_tokens(write, text, tokens):
    examples, _ = read(read_columns, write(text))
    assert examples == [Tagged("1", tokens, ("O",) * len(tokens))]


def test_of_several_columns_the_first_and_the_last_count(write):
    examples, _ = read(read_columns, write("中 NR x B-LOC\n国 NR y E-LOC \n  NR z O\n"))
    assert examples == [Tagged("1", ("中", "国", " "), ("B-LOC", "E-LOC", "O"))]


def test_one_column_has_no_tags(write):
    examples, notes = read(read_columns, write("中\n\u3000\n\n国\n"))
    assert examples == [Tagged("1", ("中", "\u3000")), Tagged("4", ("国",))]
    assert notes == []


def test_lines_between_documents_are_left_out_and_counted(write):
    text = "-DOCSTART- -X- O\n\n中 O\n-DOCSTART- -X- O\n国 O\n\n-DOCSTART-\n"
    examples, notes = read(read_columns, write(text))
    assert examples == [Tagged("3", ("中",), ("O",)), Tagged("5", ("国",), ("O",))]
    assert notes == ["FILE: 3 lines of -DOCSTART- are left out"]


def test_tags_are_kept_and_odd_ones_counted(write):
    tags = ["I-PER", "O", "B-LOC", "I-LOC", "I-LOC", "I-PER", "O", "o", "X-B", "o"]
    examples, notes = read(read_columns, write("".join(f"中 {tag}\n" for tag in tags)))
    assert examples == [Tagged("1", ("中",) * len(tags), tuple(tags))]
    assert notes == [
        "FILE: 3 tag(s) neither are O nor begin with one of B-, M-, I-, E-, S-: o (2), X-B (1); "
        "the first is 'o' at FILE:8",
        "FILE: 2 entities begin with I-, not B-; their tags are kept as they are",
    ]


@pytest.mark.parametrize("inside", ["I", "M"])
def test_a_file_of_one_scheme_needs_no_note(write, inside):
    tags = [f"B-LOC {inside}-LOC E-LOC S-PER B-LOC E-LOC O", "B M E S B E".replace("M", inside)]
    for line in tags:
        assert read(read_columns, write("".join(f"中 {tag}\n" for tag in line.split())))[1] == []


@pytest.mark.parametrize(
    ("tags", "notes"),
    [
        (
            "B-X I-X O B-X M-X E-X",
            [
                "FILE: 1 tag(s) begin with I and 1 with M; expected one scheme in a file: BIO, "
                "BIES or BMES",
                "FILE: 1 entities end with E or S, and 1 do not; expected one scheme in a file: "
                "BIO, BIES or BMES",
            ],
        ),
        (
            "B-X E-X S-X B-X B-Y E-X",
            [
                "FILE: 3 entities end with E or S, and 2 do not; expected one scheme in a file: "
                "BIO, BIES or BMES",
            ],
        ),
        ("O M-X O", ["FILE: 1 entities begin with M-, not B-; their tags are kept as they are"]),
    ],
)
def test_two_schemes_in_a_file(write, tags, notes):
    assert read(read_columns, write("".join(f"中 {tag}\n" for tag in tags.split())))[1] == notes


def test_many_odd_tags_are_listed_in_part(write):
    text = "".join(f"中 t{number}\n" for number in range(12)) + "中 t11\n"
    (note,) = read(read_columns, write(text))[1]
    assert ": t11 (2), t0 (1), t1 (1)," in note
    assert " and 7 more; the first is 't0' at FILE:1" in note


def test_white_space_at_the_ends_of_tags_is_left_out(write):
    text = "中\tB-X\u3000\n国\t I-X\xa0 \n\u3000\tO\n"
    examples, notes = read(read_columns, write(text))
    assert examples == [Tagged("1", ("中", "国", "\u3000"), ("B-X", "I-X", "O"))]
    assert notes == []


def test_a_header_is_reported(write):
    (header, odd) = read(read_columns, write("字\t标签\n中\tB-X\n\n国\tO\n"))[1]
    assert header == (
        "FILE:1: the label '标签' occurs only here, so that this line looks like a header, but it "
        "is read as an example; expected no header, or no second one"
    )
    assert "标签 (1)" in odd


def test_compressed(tmp_path):
    path = tmp_path / "train.txt.gz"
    path.write_bytes(gzip.compress("中 O\n".encode()))
    assert read(read_columns, str(path))[0] == [Tagged("1", ("中",), ("O",))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "中 O\n国\n",
            "FILE:2: the number of columns, parted by blanks, is 1; expected 2, as on line 1",
        ),
        (
            "\n中\n国 O\n",
            "FILE:3: the number of columns, parted by blanks, is 2; expected 1, as on line 2",
        ),
        (
            "中\tO\n国 O\n",
            "FILE:2: the number of columns, parted by tabs, is 1; expected 2, as on line 1",
        ),
        (
            "中\tO\n国\t\u3000\n",
            "FILE:2: the tag is white space; expected a tag",
        ),
        (
            "中 O\n\n\u3000\n",
            "FILE:3: the number of columns, parted by blanks, is 1; expected 2, as on line 1",
        ),
        (
            "\n \n",
            "FILE: has no sentence; expected lines of a token, a blank and its tag, and a blank "
            "line behind each sentence",
        ),
        (
            "-DOCSTART-\n",
            "FILE: has no sentence; expected lines of a token, a blank and its tag, and a blank "
            "line behind each sentence",
        ),
    ],
)
def test_bad_columns_are_refused(write, text, message):
    assert refusal(read_columns, write(text)) == message


@pytest.mark.parametrize("reader", [read_columns, read_msra, read_cluener])
def test_missing_and_empty_files_are_refused(write, tmp_path, reader):
    assert refusal(reader, str(tmp_path / "none.txt")) == "FILE: no such file"
    assert "; expected lines of " in refusal(reader, write(""))
    (tmp_path / "gbk.txt").write_bytes("中 O\n".encode("gbk"))
    assert "is not UTF-8" in refusal(reader, str(tmp_path / "gbk.txt"))


def test_msra_of_the_bakeoff(write):
    text = "\n中共中央/nt 致/o 台/ns 港/NS \n\n江/nr １／２/o //o a/b/o \u3000/o  ，/o\n"
    examples, notes = read(read_msra, write(text))
    assert examples == [
        Tagged(
            "2",
            tuple("中共中央致台港"),
            ("B-ORG", "I-ORG", "I-ORG", "I-ORG", "O", "B-LOC", "B-LOC"),
        ),
        Tagged("4", tuple("江１／２/a/b\u3000，"), ("B-PER", *("O",) * 9)),
    ]
    assert notes == []


def test_msra_in_columns(write):
    for text in ("中\tB-LOC\n国\tI-LOC\n", "中 B-LOC\n国 I-LOC\n"):
        examples, _ = read(read_msra, write(text))
        assert examples == [Tagged("1", ("中", "国"), ("B-LOC", "I-LOC"))]
    assert read(read_msra, write("/ O\no O\n"))[0] == [Tagged("1", ("/", "o"), ("O", "O"))]


def test_bad_parts_of_msra(write):
    assert refusal(read_msra, write("中/ns 国/o\n江/nr 主席/n 。/o\n")) == (
        "FILE:2: '主席/n' has no tag; expected a word and one of /o, /nr, /ns, /nt behind it"
    )
    assert "FILE:2: '主席' has no tag" in refusal(read_msra, write("中/ns\n主席 。/o\n"))
    examples, notes = read(read_msra, write("/o 中/ns\n/o\n"))
    assert examples == [Tagged("1", ("中",), ("B-LOC",))]
    assert notes == ["FILE: 2 tags with no word before them are left out"]


def cluener(text, **entities):
    return json.dumps({"text": text, "label": entities}, ensure_ascii=False) + "\n"


def test_cluener(write):
    text = "\n" + cluener(
        "浙商银行企业信贷部叶老桂博士", name={"叶老桂": [[9, 11]]}, company={"浙商银行": [[0, 3]]}
    )
    text += cluener("A A😀", game={"A": [[0, 0], [2, 2]], "😀": [[3, 3]]}) + cluener("无")
    examples, notes = read(read_cluener, write(text))
    company, name = ["B-company", *["I-company"] * 3], ["B-name", "I-name", "I-name"]
    assert examples == [
        Tagged(
            "2",
            tuple("浙商银行企业信贷部叶老桂博士"),
            (*company, *["O"] * 5, *name, "O", "O"),
        ),
        Tagged("3", ("A", " ", "A", "😀"), ("B-game", "O", "B-game", "B-game")),
        Tagged("4", ("无",), ("O",)),
    ]
    assert notes == []


def test_cluener_without_labels(write):
    path = write('{"id": 0, "text": "四川"}\n{"id": 7, "text": ""}\n{"id": "a", "text": "\\n"}\n')
    assert read(read_cluener, path)[0] == [
        Tagged("0", ("四", "川")),
        Tagged("7", ()),
        Tagged("a", ("\n",)),
    ]


def test_of_overlapping_entities_the_first_and_longest_is_kept(write):
    text = cluener(
        "中国人民银行",
        address={"中国": [[0, 1]], "人民": [[2, 3]]},
        company={"中国人民": [[0, 3]], "银行": [[4, 5]], "民银": [[3, 4]]},
        government={"中国人民": [[0, 3]]},
    )
    examples, notes = read(read_cluener, write(text))
    assert examples[0].tags == ("B-company", *["I-company"] * 3, "B-company", "I-company")
    assert notes == ["FILE: 4 entities overlap with another and are left out"]


ENTITIES = 'expected {"type": {"entity": [[first, last], ...]}}'
PLACE = "expected its first and its last character, counted from 0"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("中 O", "broken at column 1 (Expecting value); expected {"),
        ("[]", 'has no text; expected {"text": ..., "label": ...}'),
        ('{"text": 1, "label": {}}', 'has no text; expected {"text": ..., "label": ...}'),
        (
            '{"text": "\\ud83d", "label": {}}',
            "half a surrogate pair in the text; expected Unicode text",
        ),
        ('{"text": "中"}', "has no label; expected one, as in the first line"),
        ('{"text": "中", "label": 3}', f"'3' in the label; {ENTITIES}"),
        ('{"text": "中", "label": {"name": []}}', f"'[]' in the label; {ENTITIES}"),
        (
            '{"text": "中", "label": {"name": {"中": {}}}}',
            f"'中' has no list of spans; {ENTITIES}",
        ),
        ('{"text": "中", "label": {"name": {"中": [0]}}}', f"0 is no span; {ENTITIES}"),
        ('{"text": "中", "label": {"name": {"中": [[0]]}}}', f"[0] is no span; {ENTITIES}"),
        (
            '{"text": "中", "label": {"name": {"中": [[0, "0"]]}}}',
            f"[0, '0'] is no span; {ENTITIES}",
        ),
        (
            '{"text": "中", "label": {"name": {"中": [[0, 1]]}}}',
            f"'中' does not stand at [0, 1]; {PLACE}",
        ),
        (
            '{"text": "中国", "label": {"name": {"中": [[0, 1]]}}}',
            f"'中' does not stand at [0, 1]; {PLACE}",
        ),
        (
            '{"text": "中国", "label": {"name": {"国": [[-1, 1]]}}}',
            f"'国' does not stand at [-1, 1]; {PLACE}",
        ),
        (
            '{"text": "中国", "label": {"name": {"": [[1, 0]]}}}',
            f"'' does not stand at [1, 0]; {PLACE}",
        ),
    ],
)
def test_bad_lines_of_cluener_are_refused(write, line, message):
    assert refusal(read_cluener, write(f"{cluener('无')}{line}\n")).startswith(f"FILE:2: {message}")


def test_labels_where_the_first_line_has_none(write):
    assert refusal(read_cluener, write('{"text": "中"}\n' + cluener("国"))) == (
        "FILE:2: has a label; expected none, as in the first line"
    )


def test_conll_lines_come_back(write):
    examples = [
        Tagged("1", ("中", " ", "\u3000", "New York"), ("B-LOC", "O", "O", "B-LOC")),
        Tagged("6", ("😀",), ("O",)),
    ]
    predictions = [["O", "B-PER", "O", "B-LOC"], ["O"]]
    text = "".join(f"{line}\n" for line in conll_lines(examples, predictions))
    assert text == (
        "中\tB-LOC\tO\n \tO\tB-PER\n\u3000\tO\tO\nNew York\tB-LOC\tB-LOC\n\n😀\tO\tO\n\n"
    )
    again, _ = read(read_columns, write(text))
    assert [example.tokens for example in again] == [example.tokens for example in examples]
    assert [list(example.tags) for example in again] == predictions


def test_conll_lines_of_what_has_no_tags():
    examples = [Tagged("1", ()), Tagged("2", ("\t", "\r\n", "中"))]
    assert list(conll_lines(examples, [[], ["O", "O", "B-LOC"]])) == [
        " \tO",
        "  \tO",
        "中\tB-LOC",
        "",
    ]


def test_cluener_lines_come_back(write):
    lines = cluener("A中A国", game={"A": [[0, 0], [2, 2]]}, address={"国": [[3, 3]]}) + cluener(
        "无"
    )
    examples, _ = read(read_cluener, write(lines))
    written = list(cluener_lines(examples, [example.tags for example in examples]))
    assert written == [
        '{"id": 1, "label": {"game": {"A": [[0, 0], [2, 2]]}, "address": {"国": [[3, 3]]}}}',
        '{"id": 2, "label": {}}',
    ]
    assert list(cluener_lines([Tagged("x", ())], [[]])) == ['{"id": "x", "label": {}}']
