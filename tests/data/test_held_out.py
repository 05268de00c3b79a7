"""Documents to train on, and others kept apart."""

import os

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.corpus.documents import read_documents
from bert_wwm.data.held_out import EVERY, hold_out


@pytest.fixture
def split(tmp_path):
    def make(text):
        source, train, heldout = (str(tmp_path / name) for name in ("all", "train", "heldout"))
        with open(source, "w", encoding="utf-8") as stream:
            stream.write(text)
        counts = hold_out(source, train, heldout)
        return counts, *([d.sentences for d in read_documents([p])] for p in (train, heldout))

    return make


def test_one_document_in_twenty_is_kept_apart(split):
    documents = [[f"第{number}篇。", "完。"] for number in range(45)]
    counts, train, heldout = split("\n\n".join("\n".join(each) for each in documents) + "\n")
    assert heldout == documents[::EVERY] and len(heldout) == 3
    assert train == [each for number, each in enumerate(documents) if number % EVERY]
    assert counts == (42, 3)


def test_what_is_done_is_left_as_it_is(split):
    assert split("一。\n\n二。\n")[0] == (1, 1)
    assert split("三。\n\n四。\n") == (None, [["二。"]], [["一。"]])


def test_a_long_document_stays_together(split):
    long = "".join(f"第{number}句。\n" for number in range(20000))  # it is read in parts
    counts, train, heldout = split(f"{long}\n短。\n")
    assert counts == (1, 1)
    assert train == [["短。"]]
    assert sum(len(sentences) for sentences in heldout) == 20000


@pytest.mark.parametrize("text", ["", "一。\n"])
def test_too_few_documents_are_told(split, tmp_path, text):
    with pytest.raises(DataError, match=r"document\(s\); expected two at least"):
        split(text)
    assert os.listdir(tmp_path) == ["all"]
