"""JSON files of users."""

import gzip
import time

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import is_number, parse_json, parse_line, read_json, read_object


def test_whole_files_are_read(tmp_path):
    text = '\ufeff{"一": [1, null, {"a": true}],\r\n "b": "\u2028"}\n'
    expected = {"一": [1, None, {"a": True}], "b": "\u2028"}
    (tmp_path / "a.json").write_bytes(text.encode("utf-8"))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(text.encode("utf-8")))
    assert read_json(str(tmp_path / "a.json")) == expected
    assert read_json(str(tmp_path / "a.json.gz")) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,\n\n "b": }', r":3: broken at column 7 (Expecting value); expected JSON"),
        (b"", r":1: broken at column 1 (Expecting value); expected JSON"),
        (b"[1]\n[2]", r":2: broken at column 1 (Extra data); expected JSON"),
        (
            b'[{"a": {"b": 1, "c": 2, "b": 1}}]',
            ": an object has 'b' twice; expected each name once",
        ),
        (b'{\n"a": "\xff"}', ":2: byte 0xff at column 7 is not UTF-8; expected UTF-8 text"),
        (b"[" * 100_000, ": lists or objects too deep to read; expected flatter ones"),
    ],
    ids=["value", "empty", "two values", "twice", "not UTF-8", "deep"],
)
def test_broken_files_are_told(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_json(str(path))
    assert str(error.value) == f"{path}{message}"


@pytest.mark.parametrize(
    "line, message",
    [
        ("{", r"broken at column 2 .*; expected a row$"),
        (b"{", r"broken at column 2 "),
        (b'"\xff"', r"broken \('utf-8' codec .*; expected a row$"),
        ("1" * 9999, r"broken \(Exceeds the limit .*; expected a row$"),
        ('{"a": 1, "a": 1}', "an object has 'a' twice; expected each name once$"),
        ("[" * 100_000, "lists or objects too deep to read; expected flatter ones$"),
    ],
    ids=["text", "bytes", "not UTF-8", "long number", "twice", "deep"],
)
def test_lines_are_named_by_their_place(line, message):
    with pytest.raises(DataError, match=rf"^a\.jsonl:7: {message}"):
        parse_line(line, "a.jsonl:7", "a row")


def test_objects_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    assert read_object(str(path)) == {"a": 1}
    path.write_text("[1]")
    with pytest.raises(DataError, match=r"a\.json: a JSON list; expected an object$"):
        read_object(str(path))


def test_names_that_are_there_twice_are_found_in_linear_time():
    def seconds(count):
        """The least of three times: garbage of other tests may be collected in one."""
        names = ", ".join(f'"{number}": 0' for number in range(count))
        text = f'{{{names}, "{count - 1}": 1}}'
        times = []
        for _ in range(3):
            begun = time.process_time()
            with pytest.raises(DataError, match=f"has '{count - 1}' twice"):
                parse_json(text, "a.json")
            times.append(time.process_time() - begun)
        return min(times)

    # Quadratic time would be some 30 times the bound.
    assert seconds(200_000) < 30 * max(seconds(20_000), 0.01)


@pytest.mark.parametrize(
    "value, expected",
    [
        *((value, True) for value in (0, -1.5, 10**100, float("nan"), float("inf"))),
        *((value, False) for value in (True, None, "1", [1], 10**400, 1e308, -float("inf"))),
    ],
)
def test_numbers_that_means_can_be_computed_of(value, expected):
    assert is_number(value) is expected
