"""LERT's labels stand at the places of the released output layers; nothing gets a label unseen."""

import pytest

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.masking.labels import INVENTORIES, LABEL_IDS, SUBSTITUTES, label_id, parse_labels
from bert_wwm.segmentation import tagged_text

# The vocabularies that LTP 4's neural models are trained on (python/core/data/*/vocabs).
_LTP_LABELS = {
    "pos": "a b c d e h i j k m n nd nh ni nl ns nt nz o p q r u v wp ws z".split(),
    "ner": "O B-Nh B-Ni B-Ns E-Nh E-Ni E-Ns I-Nh I-Ni I-Ns S-Nh S-Ni S-Ns".split(),
    "dep": "ADV ATT CMP COO DBL FOB HED IOB LAD POB RAD SBV VOB WP".split(),
}


@pytest.mark.parametrize(("task", "size"), [("pos", 28), ("ner", 13), ("dep", 14)])
def test_inventories_have_the_sizes_of_the_heads(task: str, size: int) -> None:
    feature, labels = INVENTORIES[task]
    assert feature == f"{task}_labels"
    assert len(labels) == len(set(labels)) == size


@pytest.mark.parametrize(
    ("task", "tag", "number"),
    [
        ("pos", "n", 0),
        ("pos", "wp", 2),
        ("pos", "nd", 14),
        ("pos", "%", 27),
        ("ner", "O", 0),
        ("ner", "B-Ni", 3),
        ("ner", "I-Nh", 12),
        ("dep", "ATT", 0),
        ("dep", "HED", 7),
        ("dep", "IOB", 13),
    ],
)
def test_numbers_are_those_of_the_release(task: str, tag: str, number: int) -> None:
    assert label_id(task, tag) == LABEL_IDS[task][tag] == number
    assert INVENTORIES[task].labels[number] == tag


def test_every_tag_of_ltp_has_a_number() -> None:
    for task, tags in _LTP_LABELS.items():
        for tag in tags:
            assert INVENTORIES[task].labels[label_id(task, tag)] == tag
    assert set(tagged_text.POS_TAGS) == set(INVENTORIES["pos"].labels)
    assert set(tagged_text.NER_TAGS) == set(INVENTORIES["ner"].labels)


def test_tags_of_the_guidelines_are_substituted() -> None:
    assert label_id("pos", "g") == label_id("pos", "x") == label_id("pos", "n")
    assert label_id("dep", "IS") == label_id("dep", "COO")
    for task, substitutes in SUBSTITUTES.items():
        assert not set(substitutes) & set(INVENTORIES[task].labels)


@pytest.mark.parametrize(
    ("task", "tag"), [("pos", "nr"), ("pos", ""), ("pos", "N"), ("ner", "B-Nm"), ("dep", "ROOT")]
)
def test_other_tags_are_told(task: str, tag: str) -> None:
    with pytest.raises(DataError) as caught:
        label_id(task, tag)
    message = str(caught.value)
    assert message.startswith(f"{tag!r} is no label of {task} in LERT; expected one of ")
    for known in (*INVENTORIES[task].labels, *SUBSTITUTES[task]):
        assert known in message


@pytest.mark.parametrize(
    ("names", "tasks"),
    [
        (["pos"], ("pos",)),
        (["dep", "pos"], ("pos", "dep")),
        (["dep", "ner", "pos", "ner"], ("pos", "ner", "dep")),
    ],
)
def test_tasks_come_in_the_order_of_lert(names: list, tasks: tuple) -> None:
    assert parse_labels(names) == tasks


def test_unknown_tasks_are_told() -> None:
    with pytest.raises(ConfigError, match="unknown label of LERT 'srl'; expected some of pos, ner"):
        parse_labels(["pos", "srl"])
    with pytest.raises(ConfigError, match="no label of LERT; expected some of pos, ner, dep"):
        parse_labels([])
