"""The measures of SQuAD 1.1 and 2.0, beside values by their official definitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.metrics import squad

REFERENCES = {
    "a": ["The Cat sat.", "cat"],
    "b": ["the"],  # Normalising leaves nothing of it.
    "c": [],
    "d": ["1,000 dogs", "a dog"],
    "e": [],
    "f": ["北京 大学"],
}
PREDICTIONS = {
    "a": "a cat",
    "b": "",
    "c": "",
    "d": "1000 dogs ran",
    "e": "cat",
    "f": "北京大学",
}
PLAIN = {
    "exact": 50.0,
    "f1": 63.333333333333336,
    "total": 6,
    "HasAns_exact": 50.0,
    "HasAns_f1": 70.0,
    "HasAns_total": 4,
    "NoAns_exact": 50.0,
    "NoAns_f1": 50.0,
    "NoAns_total": 2,
}
# Of "b", whose odds exceed 1.0, the prediction counts as "", which isn't right: it has answers.
WITH_ODDS = {
    **PLAIN,
    "exact": 33.333333333333336,
    "f1": 46.666666666666664,
    "HasAns_exact": 25.0,
    "HasAns_f1": 45.0,
}
ODDS = {"a": -3.0, "b": 2.0, "c": 4.0, "d": -1.0, "e": -1.0, "f": 0.5}
# Of each normalising leaves a word.
WORDS = st.lists(st.sampled_from("cat dog, sat 北京".split()), min_size=1, max_size=5).map(
    " the ".join
)
REFERENCE_SETS = st.dictionaries(
    st.sampled_from("abcdefgh"), st.lists(WORDS, max_size=3), min_size=1
)


def test_squad_1() -> None:
    references = {question: answers or ["x"] for question, answers in REFERENCES.items()}
    predictions = {name: text for name, text in PREDICTIONS.items() if name != "e"}
    assert squad.evaluate_v1(references, predictions) == {
        "exact_match": 33.333333333333336,
        "f1": 30.0,
    }
    scores = squad.question_scores_v1(references, predictions)
    assert scores["a"] == (1.0, 1.0)
    assert scores["b"] == (1.0, 0.0)  # Nothing is equal to nothing, and has no token in common.
    assert scores["d"] == (0.0, 0.8)
    assert scores["e"] == (0.0, 0.0)


def test_squad_2() -> None:
    figures = squad.evaluate_v2(REFERENCES, PREDICTIONS)
    assert figures == PLAIN
    assert list(figures) == list(PLAIN)
    assert squad.question_scores_v2(REFERENCES, PREDICTIONS)["b"] == (1.0, 1.0)


def test_squad_2_with_null_odds() -> None:
    figures = squad.evaluate_v2(REFERENCES, PREDICTIONS, ODDS)
    best = {
        "best_exact": 50.0,
        "best_exact_thresh": -3.0,
        "best_f1": 63.333333333333336,
        "best_f1_thresh": -1.0,
    }
    assert figures == {**WITH_ODDS, **best}
    assert list(figures) == [*PLAIN, *best]
    scores = squad.question_scores_v2(REFERENCES, PREDICTIONS, ODDS)
    assert (scores["b"], scores["c"]) == ((0.0, 0.0), (1.0, 1.0))


def test_parts_without_questions_are_left_out() -> None:
    figures = squad.evaluate_v2({"c": []}, {"c": ""})
    assert list(figures) == "exact f1 total NoAns_exact NoAns_f1 NoAns_total".split()


def test_a_missing_prediction_scores_nothing() -> None:
    predictions = {name: text for name, text in PREDICTIONS.items() if name not in "bc"}
    odds = {"a": 0.0, "d": 0.1, "f": 0.2, "e": 0.9}
    figures = squad.evaluate_v2(REFERENCES, predictions, odds)
    assert (figures["total"], figures["NoAns_exact"], figures["exact"]) == (6, 0.0, 100 / 6)
    assert (figures["best_exact"], figures["best_exact_thresh"]) == (100 / 3, 0.0)  # "a" and "e"


@given(REFERENCE_SETS, st.randoms())
def test_true_answers_are_right(references, rng) -> None:
    predictions = {name: rng.choice(texts or [""]) for name, texts in references.items()}
    odds = {name: rng.random() for name in references}
    figures = squad.evaluate_v2(references, predictions, odds)
    assert figures["exact"] == figures["f1"] == figures["best_exact"] == figures["best_f1"] == 100.0


@given(REFERENCE_SETS, WORDS, st.randoms())
def test_figures_are_percents(references, prediction: str, rng) -> None:
    odds = {name: rng.random() for name in references}
    figures = squad.evaluate_v2(references, dict.fromkeys(references, prediction), odds)
    assert 0 <= figures["exact"] <= figures["f1"] + 1e-9 <= figures["best_f1"] + 2e-9 <= 100 + 1e-8
    with_answers = {name: texts for name, texts in references.items() if texts}
    if with_answers:
        v1 = squad.evaluate_v1(with_answers, dict.fromkeys(references, prediction))
        assert v1["f1"] == figures["HasAns_f1"]


def test_bad_input() -> None:
    with pytest.raises(DataError, match="no questions; expected one at least"):
        squad.evaluate_v2({}, {})
    with pytest.raises(DataError, match="question 'c' has no answer; expected one at least"):
        squad.evaluate_v1(REFERENCES, PREDICTIONS)
    with pytest.raises(DataError, match=r"no number for 5 predicted .* such as 'b'; expected one"):
        squad.evaluate_v2(REFERENCES, PREDICTIONS, {"a": 0.5})
