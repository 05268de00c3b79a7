"""Files that stand for others."""

import pytest

from bert_wwm.core import stand_ins
from bert_wwm.core.errors import CheckpointError, ConfigError, DataError
from bert_wwm.core.json_files import read_json
from bert_wwm.model.bert import BertConfig
from bert_wwm.text.vocabulary import Vocabulary

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 411577189\n"
)
PAGES = [
    b"<!DOCTYPE html>\n<html><body>Sign in</body></html>",
    b"\xef\xbb\xbf\r\n  <HTML lang='zh'>",
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code></Error>',
]


@pytest.mark.parametrize("content", [POINTER, *PAGES])
@pytest.mark.parametrize("error", [DataError, CheckpointError])
def test_pointers_and_pages_are_named(tmp_path, content, error):
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        stand_ins.refuse(str(path), error)
    what = "a Git LFS pointer" if content == POINTER else "a web page"
    remedy = "git lfs pull" if content == POINTER else "download it again"
    assert str(caught.value).startswith(f"{path}: {what}")
    assert remedy in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[PAD]\n", b"{}", b"version 2", b"<unk>\n<s>\n"])
def test_other_files_pass(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    stand_ins.refuse(str(tmp_path / "file"))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="none: no such file"):
        stand_ins.refuse(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "content, what", [(POINTER, "a Git LFS pointer"), (PAGES[0], "a web page")]
)
@pytest.mark.parametrize(
    "read, error",
    [
        (read_json, DataError),
        (Vocabulary.from_file, DataError),
        (BertConfig.from_json_file, ConfigError),
    ],
)
def test_readers_of_text_name_them(tmp_path, read, error, content, what):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(error, match=f"{path}: {what}"):
        read(str(path))
