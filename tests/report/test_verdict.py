import pytest

from bert_wwm.report.statistics import Wholeness
from bert_wwm.report.verdict import judge


def wholeness(whole, touched=1000):
    return Wholeness(touched, whole, touched_by_chance=1000.0, whole_by_chance=70.0)


@pytest.mark.parametrize(
    "whole, answer",
    [
        (1000, "yes"),
        (980, "yes"),
        (920, "yes"),
        (700, "partly"),
        (300, "partly"),
        (75, "no"),
        (0, "no"),
    ],
)
def test_the_answer_says_its_numbers(whole, answer):
    verdict = judge(wholeness(whole), ["wwm"], ["ltp"])
    assert verdict.answer == answer
    assert verdict.headline.lower().startswith({"partly": "in part"}.get(answer, answer))
    assert "Of 1,000 words" in verdict.reason
    assert f"about {whole / 10:.1f} % are" in verdict.reason
    assert "about 7.0 %" in verdict.reason
    assert ("'ltp'" in verdict.reason) == (answer == "partly")
    assert ("'wwm'" in verdict.reason) == (answer == "no")


def test_without_a_manifest_no_strategy_is_named():
    assert "manifest" not in judge(wholeness(70), [], ["ltp"]).reason


def test_without_words_it_can_not_be_told():
    verdict = judge(Wholeness(), [], ["characters"])
    assert verdict.answer == "unclear"
    assert "--segmenter=ltp" in verdict.reason
    verdict = judge(wholeness(29, 29), ["wwm"], ["rjieba"])
    assert verdict.answer == "unclear"
    assert "only 29 words" in verdict.reason and "'rjieba'" in verdict.reason
