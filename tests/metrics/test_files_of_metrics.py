"""The files of reading comprehension: what is read, and what is refused where."""

import json
import pathlib

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.metrics.reading_files import read_na_probs, read_predictions, read_references

QUESTION = {"id": "a", "question": "谁？", "answers": [{"text": "他", "answer_start": 0}]}


def _write(path: pathlib.Path, content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    return str(path)


def _squad(*questions: object) -> object:
    return {"data": [{"paragraphs": [{"context": "他", "qas": list(questions)}]}]}


def test_both_formats_give_the_same(tmp_path: pathlib.Path) -> None:
    squad = _squad(QUESTION, {"id": "b", "answers": []})
    cmrc = [
        {
            "context_id": "0",
            "qas": [
                {"query_id": "a", "query_text": "谁？", "answers": ["他"]},
                {"query_id": "b", "answers": []},
            ],
        }
    ]
    expected = {"a": (["他"], None), "b": ([], None)}
    assert read_references(_write(tmp_path / "squad.json", squad)) == expected
    assert read_references(_write(tmp_path / "cmrc.json", cmrc)) == expected


def test_the_domain_is_that_of_the_text(tmp_path: pathlib.Path) -> None:
    content = _squad(QUESTION)
    content["data"][0].update(domain="civil", caseid="1")
    assert read_references(_write(tmp_path / "a.json", content)) == {"a": (["他"], "civil")}


def test_predictions_of_both_kinds(tmp_path: pathlib.Path) -> None:
    plain, rows = {"a": "他", "b": ""}, [{"id": "a", "answer": "他"}, {"id": "b", "answer": ""}]
    assert read_predictions(_write(tmp_path / "plain.json", plain)) == plain
    assert read_predictions(_write(tmp_path / "rows.json", rows)) == plain


def test_numbers_and_null_are_the_text_that_hfls_program_makes_of_them(
    tmp_path: pathlib.Path,
) -> None:
    answers = [{"text": 12}, 1.50, None, True, "他"]
    data = _write(tmp_path / "a.json", _squad({"id": "a", "answers": answers}))
    expected = ["12", "1.5", "None", "True", "他"]
    assert read_references(data, as_text=True)["a"].answers == expected
    values = dict(zip("abcde", [12, 1.5, None, True, "他"]))
    rows = [{"id": name, "answer": value} for name, value in values.items()]
    for content in (values, rows):
        path = _write(tmp_path / "p.json", content)
        assert read_predictions(path, as_text=True) == dict(zip("abcde", expected))
        with pytest.raises(DataError, match="12; expected a string"):
            read_predictions(path)
    with pytest.raises(DataError, match=r"the prediction of 'a' is \[12\]; expected a string"):
        read_predictions(_write(tmp_path / "p.json", {"a": [12]}), as_text=True)


def test_na_probs(tmp_path: pathlib.Path) -> None:
    assert read_na_probs(_write(tmp_path / "a.json", {"a": -3, "b": 0.5})) == {"a": -3, "b": 0.5}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"data": [\n,]}', ":2: broken at column 1 (Expecting value); expected JSON"),
        ("3", ": is no data set; expected an object with 'data', or a list"),
        ({"version": 1}, ": no 'data'; expected a list there"),
        ({"data": {}}, ": 'data' is {}; expected a list"),
        ({"data": [1]}, ": data[0] is 1; expected an object"),
        ([{"qas": 1}], ": [0]: 'qas' is 1; expected a list"),
        ([{"context": ""}], ": [0]: no 'qas'; expected a list there"),
        ({"data": [{"paragraphs": {}}]}, ": data[0]: 'paragraphs' is {}; expected a list"),
        (_squad({}), ": data[0].paragraphs[0].qas[0]: no 'id' or 'query_id'; expected a string"),
        (_squad({"id": 1}), ".qas[0]: 'id' is 1; expected a string"),
        (_squad({"id": "a"}), ".qas[0]: no 'answers'; expected a list there"),
        (_squad({"id": "a", "answers": [None]}), ".answers[0] is null; expected a string"),
        (_squad({"id": "a", "answers": [{}]}), ".answers[0]: no 'text'; expected a string there"),
        (_squad(QUESTION, QUESTION), ".qas[1]: the id 'a' is there twice; expected each once"),
        ('[{"qas": [], "qas": []}]', ": an object has 'qas' twice; expected each name once"),
    ],
)
def test_bad_data_sets(tmp_path: pathlib.Path, content: object, message: str) -> None:
    path = _write(tmp_path / "a.json", content)
    with pytest.raises(DataError) as raised:
        read_references(path)
    assert str(raised.value).startswith(path)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('"他"', ': the whole is "他"; expected a list'),
        ({"a": "他" * 50}, None),
        ({"a": ["他" * 50]}, f": the prediction of 'a' is [\"{'他' * 38}...; expected a string"),
        ([["a", "他"]], ': [0] is ["a", "他"]; expected an object'),
        ([{"id": "a", "text": "他"}], ": [0]: no 'answer'; expected a string there"),
        ([{"id": "a", "answer": ""}] * 2, ": [1]: the id 'a' is there twice; expected each once"),
        ('{"a": "", "a": ""}', ": an object has 'a' twice; expected each name once"),
    ],
)
def test_bad_predictions(tmp_path: pathlib.Path, content: object, message: str) -> None:
    path = _write(tmp_path / "a.json", content)
    if message is None:
        assert read_predictions(path) == content
        return
    with pytest.raises(DataError) as raised:
        read_predictions(path)
    assert str(raised.value) == path + message


@pytest.mark.parametrize("number", ["null", '"1"', "true", "NaN", "Infinity"])
def test_bad_na_probs(tmp_path: pathlib.Path, number: str) -> None:
    path = _write(tmp_path / "a.json", f'{{"a": {number}}}')
    with pytest.raises(DataError, match=f"'a' has {number}; expected a finite number"):
        read_na_probs(path)


def test_text_that_is_not_utf_8(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a":\n"\xff"}')
    with pytest.raises(DataError, match=r"a\.json:2: byte 0xff at column 2 is not UTF-8"):
        read_predictions(str(path))
    with pytest.raises(DataError, match="no such file"):
        read_references(str(tmp_path / "b.json"))
