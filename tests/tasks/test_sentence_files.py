"""Labels of files, and what their readers tell."""

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.sentence_files import (
    Collector,
    Labels,
    list_labels,
)


def collected(labels, *added):
    notes = []
    collector = Collector("f.tsv", labels)
    for arguments in added:
        collector.add(*arguments)
    return collector.finish(notes.append), notes


def test_examples_are_as_they_were_added():
    found, notes = collected(Labels(), ("1", "甲", "乙", "x"), ("3", "丙", None, None, "id"))
    assert found == [Sentence("1", "甲", "乙", "x"), Sentence("id", "丙", None, None, "3")]
    assert [example.line for example in found] == ["1", "3"]
    assert notes == ["f.tsv: 1 of 2 examples have no label"]


def test_examples_without_agreement_stay_without_a_label_and_are_counted():
    labels = Labels(("a", "b"), {"B": "b"}, {"-": "no agreement"})
    found, notes = collected(
        labels, ("1", "甲", None, "-"), ("2", "乙", None, "B"), ("3", "丙", None, "-")
    )
    assert found == [
        Sentence("1", "甲", undecided=True),
        Sentence("2", "乙", None, "b"),
        Sentence("3", "丙", undecided=True),
    ]
    assert notes == [
        "f.tsv: 2 of 3 examples have the label '-' (no agreement), and are neither trained on nor "
        "scored"
    ]


def test_a_mark_of_disagreement_is_a_label_like_any_other_where_the_task_says_so():
    assert collected(Labels(), ("1", "甲", None, "-")) == ([Sentence("1", "甲", None, "-")], [])


def test_empty_texts_stay_and_are_counted():
    found, notes = collected(Labels(), ("1", "甲", "乙", "x"), ("2", "甲", " ", "x"))
    assert len(found) == 2
    assert notes == ["f.tsv: 1 of 2 examples have an empty text; the first is f.tsv:2"]


def test_examples_of_one_id_are_named_by_their_lines():
    found, notes = collected(
        Labels(),
        ("1", "甲", None, "x", "7"),
        ("2", "乙", None, "x", "8"),
        ("4", "丙", None, "x", "7"),
    )
    assert [example.id for example in found] == ["1", "2", "4"]
    assert notes == ["f.tsv: 1 of 3 examples have the id of another; all are named by their lines"]


@pytest.mark.parametrize("space", [" ", "\u3000", "\xa0", "\t", "\r"])
def test_white_space_at_the_ends_of_labels_is_left_out(space):
    labels = Labels(("a",), {"B": "a"}, {"-": "no agreement"})
    found, _ = collected(
        labels,
        *((str(number), "甲", None, f"{space}{name}{space}") for number, name in enumerate("aB-")),
        ("3", "乙", None, space),
    )
    assert [(example.label, example.undecided) for example in found] == [
        *(("a", False), ("a", False), (None, True), (None, False))
    ]


@pytest.mark.parametrize(
    ("text", "label"), [("很好", "label"), ("很好", "类别"), ("文本", "好评?"), ("Text_A ", "y")]
)
def test_a_header_that_is_an_example_is_reported(text, label):
    rows = (("1", text, None, label), ("2", "甲", None, "0"), ("3", "乙", None, "1"))
    assert collected(Labels(), *rows)[1] == [
        f"f.tsv:1: the label {label!r} occurs only here, so that this line looks like a header, "
        "but it is read as an example; expected no header, or no second one"
    ]
    assert collected(Labels(), *rows, ("4", "丙", None, label))[1] == []
    assert collected(Labels(), rows[1], rows[0])[1] == []


def test_a_file_of_nothing_is_refused():
    with pytest.raises(DataError, match=r"^f.tsv: holds no example; expected one at least$"):
        collected(Labels())


def test_an_unknown_label_is_refused():
    with pytest.raises(DataError, match=r"^f.tsv:7: label 'c'; expected one of a, b$"):
        collected(Labels(("a", "b")), ("7", "甲", None, "c"))


def test_many_labels_are_listed_in_part():
    assert list_labels(["a", "b"]) == "one of a, b"
    assert list_labels([str(label) for label in range(119)]).startswith(
        "one of 119 labels: 0, 1, 2,"
    )
    assert list_labels([str(label) for label in range(119)]).endswith("19, ...")
