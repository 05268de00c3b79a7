"""Entities and their scores, beside what seqeval and conlleval print."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.metrics import tagging

# What get_entities of seqeval 1.2.2 returns: type, first token, last token.
SEQEVAL = [
    ("B-PER I-PER O I-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),
    ("I-PER I-PER", [("PER", 0, 1)]),
    ("B-PER I-LOC I-LOC", [("PER", 0, 0), ("LOC", 1, 2)]),
    ("B-PER B-PER I-PER", [("PER", 0, 0), ("PER", 1, 2)]),
    ("I-PER B-PER I-PER O", [("PER", 0, 0), ("PER", 1, 2)]),
    ("O I-PER I-LOC B-LOC", [("PER", 1, 1), ("LOC", 2, 2), ("LOC", 3, 3)]),
    ("B-PER I-PER E-PER S-LOC S-LOC", [("PER", 0, 2), ("LOC", 3, 3), ("LOC", 4, 4)]),
    ("S-PER I-PER E-PER", [("PER", 0, 0), ("PER", 1, 2)]),
    ("B-PER E-PER B-PER E-PER", [("PER", 0, 1), ("PER", 2, 3)]),
    ("B-PER S-PER E-LOC", [("PER", 0, 0), ("PER", 1, 1), ("LOC", 2, 2)]),
    ("E-PER E-PER I-PER", [("PER", 0, 0), ("PER", 1, 1), ("PER", 2, 2)]),
    ("B-PER O E-PER", [("PER", 0, 0), ("PER", 2, 2)]),
    ("B-A-B I-A-B I-A", [("A-B", 0, 1), ("A", 2, 2)]),
    ("B I O E", [("_", 0, 1), ("_", 3, 3)]),
    ("B-PER X I-PER", [("PER", 0, 0), ("_", 1, 1), ("PER", 2, 2)]),
    ("X X B-PER", [("_", 0, 1), ("PER", 2, 2)]),
    ("[CLS] B-PER I-PER [SEP]", [("CLS]", 0, 0), ("PER", 1, 2), ("SEP]", 3, 3)]),
    ("M-PER M-PER O M-PER", [("PER", 0, 1), ("PER", 3, 3)]),
    ("B-PER .-PER I-PER", [("PER", 0, 2)]),
    ("BPER IPER", [("PER", 0, 1)]),
    ("O O", []),
]
# What conlleval prints for true and predicted tags: entities that are true, found, and both.
CONLLEVAL = [
    ("B-PER I-PER O I-LOC", "B-PER I-PER O B-LOC", (2, 2, 2)),
    ("B-PER I-LOC I-LOC", "B-PER B-LOC I-LOC", (2, 2, 2)),
    ("I-PER I-PER B-PER", "B-PER I-PER B-PER", (2, 2, 2)),
    ("S-PER S-PER O", "S-PER O O", (1, 1, 0)),
    ("B-PER E-PER B-PER E-PER", "B-PER E-PER O O", (1, 1, 0)),
    ("E-PER E-PER I-PER O", "E-PER I-PER I-PER O", (3, 2, 1)),
    ("B-PER S-PER E-LOC", "B-PER I-PER B-LOC", (2, 2, 2)),
    ("B-PER I-PER O B-PER", "B-PER X X I-PER", (2, 3, 1)),
]
BIO = st.lists(st.sampled_from("O B-X I-X B-Y I-Y".split()), max_size=20)
ANY = st.lists(
    st.sampled_from("O B-X I-X E-X S-X B-Y I-Y E-Y S-Y B X [CLS] .-X".split()), min_size=1
)


@pytest.mark.parametrize(("tags", "entities"), SEQEVAL)
def test_entities_are_those_of_seqeval(tags: str, entities) -> None:
    found = tagging.seqeval_entities(tags.split())
    assert [(type_, start, end - 1) for type_, start, end in found] == entities


@pytest.mark.parametrize(("targets", "predictions", "counts"), CONLLEVAL)
def test_chunks_are_counted_as_by_conlleval(targets: str, predictions: str, counts) -> None:
    true = set(tagging.conlleval_chunks(targets.split()))
    found = set(tagging.conlleval_chunks(predictions.split()))
    assert (len(true), len(found), len(true & found)) == counts


def test_bmes_has_the_entities_of_its_bies_form() -> None:
    """Also for sequences that no annotator would write."""
    rng = random.Random(0)
    tags = "O B-X M-X E-X S-X B-Y M-Y E-Y S-Y B M E S".split()
    for _ in range(20_000):
        bmes = rng.choices(tags, k=rng.randint(1, 12))
        bies = [re.sub("^M", "I", tag) for tag in bmes]
        assert tagging.seqeval_entities(bmes) == tagging.seqeval_entities(bies)
        ends = [entity.end for entity in tagging.seqeval_entities(bmes)]
        assert ends == sorted(ends)


def test_only_the_prefix_m_is_read_as_i() -> None:
    """Tags that begin with the letter, such as MISC, are seqeval's unknown tags."""
    assert tagging.seqeval_entities(["B-X", "MISC", "O"]) == [("X", 0, 1), ("ISC", 1, 2)]


@pytest.mark.parametrize(
    ("tags", "chunks"),
    [
        ("B-X M-X E-X O", [("X", 0, 3)]),
        ("B-X M-X B-X", [("X", 0, 3)]),
        ("E-X M-X O", [("X", 0, 2)]),
        ("O M-X O", [("X", 1, 2)]),
    ],
)
def test_conlleval_does_not_know_bmes(tags: str, chunks) -> None:
    assert tagging.conlleval_chunks(tags.split()) == chunks


def test_scores_of_bmes_are_those_of_bies() -> None:
    true, found = "B-X M-X E-X B-X E-X O S-Y".split(), "B-X M-X E-X S-X E-X O S-Y".split()
    assert tagging.evaluate([true], [true])["f1"] == 1.0
    scores = tagging.evaluate([true], [found])
    bies = [[tag.replace("M-", "I-") for tag in tags] for tags in (true, found)]
    assert scores == tagging.evaluate(bies[:1], bies[1:])
    assert (scores["support"], scores["precision"], scores["recall"]) == (3, 2 / 4, 2 / 3)


@given(BIO)
def test_both_agree_on_bio(tags) -> None:
    assert tagging.seqeval_entities(tags) == tagging.conlleval_chunks(tags)


@given(st.lists(st.tuples(st.sampled_from(["O", "X", "Y"]), st.integers(1, 4)), max_size=8))
def test_legal_tags_give_their_entities(parts) -> None:
    bio, bioes, entities = [], [], []
    for type_, length in parts:
        if type_ == "O":
            bio += ["O"] * length
            bioes += ["O"] * length
            continue
        entities.append((type_, len(bio), len(bio) + length))
        bio += [f"{prefix}-{type_}" for prefix in "B" + "I" * (length - 1)]
        shape = "S" if length == 1 else "B" + "I" * (length - 2) + "E"
        bioes += [f"{prefix}-{type_}" for prefix in shape]
    assert tagging.seqeval_entities(bio) == entities
    assert tagging.seqeval_entities(bioes) == entities
    assert tagging.conlleval_chunks(bio) == entities


def test_scores_are_those_of_seqeval() -> None:
    targets = ["B-PER I-PER O B-LOC".split(), "O O I-LOC".split()]
    predictions = ["B-PER I-PER O B-LOC".split(), "O B-LOC O".split()]
    expected = {
        "precision": 2 / 3,
        "recall": 2 / 3,
        "f1": 2 / 3,
        "support": 3,
        "accuracy": 5 / 7,
        "by_type": {
            "LOC": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2},
            "PER": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
        },
    }
    for scheme in tagging.SCHEMES:
        assert tagging.evaluate(targets, predictions, scheme) == expected


def test_an_entity_ends_with_its_sentence() -> None:
    scores = tagging.evaluate([["B-X"], ["I-X"]], [["B-X"], ["O"]])
    assert (scores["support"], scores["recall"], scores["precision"]) == (2, 0.5, 1.0)


def test_what_has_no_value_is_zero() -> None:
    scores = tagging.evaluate([["O", "B-X"]], [["O", "O"]])
    by_type = {"X": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}}
    assert scores == {**by_type["X"], "accuracy": 0.5, "by_type": by_type}


@given(ANY, st.sampled_from(sorted(tagging.SCHEMES)), st.randoms())
def test_counts_by_type_sum_up(tags, scheme: str, rng) -> None:
    predicted = rng.sample(tags, len(tags))
    scores = tagging.evaluate([tags, predicted], [predicted, tags], scheme)
    assert scores["support"] == sum(row["support"] for row in scores["by_type"].values())
    assert scores["precision"] == scores["recall"]  # What is true here is found there.
    same = tagging.evaluate([tags], [tags], scheme)
    assert same["accuracy"] == 1.0
    assert same["f1"] == (1.0 if same["support"] else 0.0)


@pytest.mark.parametrize(
    ("targets", "predictions", "message"),
    [
        ([["O"]], [], "1 sentences and predictions of 0; expected as many"),
        ([["O"], ["O", "O"]], [["O"], ["O"]], "sentence 1 has 2 tags and 1 predictions"),
        ([], [], "no tags; expected one at least"),
        ([[]], [[]], "no tags; expected one at least"),
    ],
)
def test_bad_input(targets, predictions, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tagging.evaluate(targets, predictions)
