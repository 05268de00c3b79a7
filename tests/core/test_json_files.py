"""JSON files of users."""

import gzip

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import read_json


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
)
def test_broken_files_are_told(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_json(str(path))
    assert str(error.value) == f"{path}{message}"
