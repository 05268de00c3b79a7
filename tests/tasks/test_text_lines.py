import re

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.text_lines import read_texts, split_into_blocks

LINES = [
    "使用语言模型",
    "",
    "  在前  ",
    "一 ||| 二",
    "一 ||| 二 ||| 三",
    "一||| 二",
    "一 |||",
    "||| 二",
    "一 |||  ||| 二",
    "a ||| ||| b",
    "行\u2028内\u0085中",
    "\u3000全\u3000",
]


def google(line):
    """As google-research/bert parts a line: by its own pattern."""
    line = line.strip()
    match = re.match(r"^(.*) \|\|\| (.*)$", line, re.DOTALL)
    return match.groups() if match else (line, None)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_lines_are_parted_as_google_does(end, last, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes((end.join(LINES) + (end if last else "")).encode("utf-8"))
    texts = list(read_texts(str(path)))
    assert [(text.text_a, text.text_b) for text in texts] == [google(line) for line in LINES]
    assert [text.id for text in texts] == [str(n) for n in range(1, len(LINES) + 1)]


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes("好\n".encode() + b"\xff\n")
    with pytest.raises(DataError, match=r"texts\.txt:2: byte 0xff"):
        list(read_texts(str(path)))


def test_blocks_are_full_by_number_or_by_length():
    texts = [Sentence(str(n), "字" * (600_000 if n in (3, 4) else 2), "字") for n in range(9)]
    blocks = list(split_into_blocks(iter(texts), 4))
    assert [len(block) for block in blocks] == [4, 4, 1]
    assert [text for block in blocks for text in block] == texts
    blocks = list(split_into_blocks(iter(texts), 8))
    assert [len(block) for block in blocks] == [5, 4]
    assert list(split_into_blocks([], 4)) == []
