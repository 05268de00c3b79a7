"""The measure of CJRC, beside values by its official definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.metrics import cjrc

REFERENCES = {
    "1_1": ["800元", "生活费800元", "800元"],
    "1_2": ["YES", "YES", "NO"],
    "1_3": ["", "", ""],
    "2_1": ["北京市", "北京"],
    "2_2": ["2016年1月20日"],
    "2_3": [],
}
PREDICTIONS = {
    "1_1": "生活费，800元。",
    "1_2": "yes",
    "1_3": "不知道",
    "2_1": "北京",
    "2_2": "2016年20日",
    "2_3": "",
}
DOMAINS = {name: "civil" if name[0] == "1" else "criminal" for name in REFERENCES}
TEXTS = st.text(st.sampled_from("中国年，。AbYES12 "), max_size=8)


def test_figures() -> None:
    assert cjrc.evaluate(REFERENCES, PREDICTIONS, DOMAINS) == {
        "civil": {"em": 55.6, "f1": 63.6, "qas": 3},
        "criminal": {"em": 50.0, "f1": 93.0, "qas": 3},
        "overall": {"em": 52.8, "f1": 78.3, "qas": 6},
    }


def test_each_answer_is_left_out_once() -> None:
    scores = cjrc.question_scores(REFERENCES, PREDICTIONS)
    assert scores["1_1"] == pytest.approx((2 / 3, (1 + 8 / 11 + 1) / 3))
    assert scores["1_2"] == (1.0, 1.0)
    assert scores["1_3"] == (0.0, 0.0)
    assert scores["2_1"] == pytest.approx((0.5, (1 + 0.8) / 2))
    assert scores["2_2"] == pytest.approx((0.0, 16 / 18))
    assert scores["2_3"] == (1.0, 1.0)


def test_a_domain_may_lack_and_so_may_predictions() -> None:
    figures = cjrc.evaluate({"a": ["中"], "b": ["国"]}, {"a": "中"}, {"a": "civil", "b": "civil"})
    assert figures == {
        "civil": {"em": 50.0, "f1": 50.0, "qas": 2},
        "criminal": {"em": 0.0, "f1": 0.0, "qas": 0},
        "overall": {"em": 50.0, "f1": 50.0, "qas": 2},
    }


@given(st.lists(TEXTS, max_size=4), TEXTS)
def test_scores_are_fractions(answers, prediction: str) -> None:
    score = cjrc.score(answers, prediction)
    assert 0.0 <= score.em <= score.f1 + 1e-12 <= 1.0 + 1e-11
    assert cjrc.score([prediction] * 3, f"{prediction}。") == (1.0, 1.0)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="no questions; expected one at least"):
        cjrc.evaluate({}, {}, {})
    with pytest.raises(
        DataError, match="question 'a' is of the domain None; expected one of civil, criminal"
    ):
        cjrc.evaluate({"a": [""]}, {}, {"a": None})
