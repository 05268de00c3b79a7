"""The measure of CMRC 2018, beside what HFL's program computes."""

import gzip
import json
import pathlib
import subprocess
import sys
import time

import nltk
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.metrics import cmrc
from bert_wwm.metrics.reading_files import read_references

# The golden values are of the newer rules; the older differ in a question of each set.
PARTS_DASHES = tuple(map(int, nltk.__version__.split(".")[:2])) >= (3, 10)
DASHES = "‒–—―"

TEXTS = st.text(st.sampled_from("中国年月，。—‘abAB12 .,'"), max_size=30)
TOKENS = st.lists(st.sampled_from("中国ab"), max_size=12)


GOLDEN = [
    ("cmrc2018_trial", "cmrc2018/cmrc2018_trial.json"),
    ("cmrc2018_trial", "cmrc2018/cmrc2018_trial_original_format.json"),
    ("drcd_dev", "drcd/DRCD_dev.json"),
]


def check_golden_scores(golden: pathlib.Path, golden_name: str, path: pathlib.Path):
    """Compares the scores of each question; returns all, the references, and what is recorded."""
    with gzip.open(golden / f"{golden_name}_evaluate.json.gz") as stream:
        recorded = json.load(stream)
    predictions = recorded["predictions"]
    data = read_references(str(path))
    references = {question: reference.answers for question, reference in data.items()}
    scores = cmrc.question_scores(references, predictions)
    assert scores.keys() == references.keys()
    for question in references.keys() & predictions.keys():
        texts = "".join([predictions[question], *references[question]])
        if PARTS_DASHES or not any(dash in texts for dash in DASHES):
            assert list(scores[question]) == recorded["per_question"][question], question
    return scores, references, recorded


@pytest.mark.parametrize(("golden_name", "data_set"), GOLDEN)
def test_golden_values_to_the_last_bit(samples, golden, golden_name: str, data_set: str) -> None:
    scores, references, recorded = check_golden_scores(golden, golden_name, samples / data_set)
    figures = cmrc.evaluate(references, recorded["predictions"])
    em, f1 = 100 * np.mean(list(scores.values()), axis=0)
    assert figures == {
        "AVERAGE": pytest.approx((em + f1) / 2),
        "F1": pytest.approx(f1),
        "EM": pytest.approx(em),
        "TOTAL": 28,
        "SKIP": len(references.keys() - recorded["predictions"].keys()),
    }


@pytest.mark.parametrize(("golden_name", "data_set"), GOLDEN)
def test_golden_values_of_full_sets(full_data, golden, golden_name: str, data_set: str) -> None:
    _, references, recorded = check_golden_scores(golden, golden_name, full_data(data_set))
    figures, result = cmrc.evaluate(references, recorded["predictions"]), recorded["result"]
    assert figures == (result if PARTS_DASHES else pytest.approx(result, abs=0.01))


def test_tokens() -> None:
    assert cmrc.tokens("《Nexon Inc》时隔6年。") == ("nexon", "inc", "时", "隔", "6", "年")
    assert cmrc.tokens("a，b") == ("ab",)  # A dropped mark doesn't part a run.
    assert cmrc.tokens("中……国—，") == ("中", "……", "国", "—")  # Marks that aren't dropped.
    assert cmrc.tokens("长1—2米")[1:-1] == (("1", "—", "2") if PARTS_DASHES else ("1—2",))
    assert cmrc.tokens(" 1,000 km. ") == ("1,000", "km", ".")
    assert cmrc.tokens("，。") == ()


@pytest.mark.parametrize(
    ("answers", "prediction", "em", "f1"),
    [
        (["踢爆"], "“踢爆”。", 1.0, 1.0),
        (["中国人民"], "人民", 0.0, 2 * 1 * 0.5 / 1.5),
        (["中国人民"], "中人国民", 0.0, 0.25),  # One of four in a run, not four in common.
        (["中国"], "中 国", 0.0, 1.0),  # A blank within the text.
        (["。"], "", 1.0, 0.0),  # No tokens: an exact match without F1.
        (["中", "国家"], "国", 0.0, 2 * 1 * 0.5 / 1.5),
        (["A.B"], "ab", 0.0, 0.0),  # The full stop isn't dropped.
    ],
)
def test_scores_by_hand(answers, prediction: str, em: float, f1: float) -> None:
    assert cmrc.score(answers, prediction) == pytest.approx((em, f1))


def test_questions_without_a_prediction_count() -> None:
    figures = cmrc.evaluate({"a": ["中"], "b": ["国"], "c": ["家"]}, {"a": "中", "x": "国"})
    third = pytest.approx(100 / 3)
    assert figures == {"AVERAGE": third, "F1": third, "EM": third, "TOTAL": 3, "SKIP": 2}
    assert cmrc.formatted(figures, "p.json") == {
        "AVERAGE": "33.333",
        "F1": "33.333",
        "EM": "33.333",
        "TOTAL": 3,
        "SKIP": 2,
        "FILE": "p.json",
    }


@given(TOKENS, TOKENS)
def test_longest_common_run(first, second) -> None:
    texts = ["".join(tokens) for tokens in (first, second)]
    pieces = (
        texts[0][start:end]
        for start in range(len(texts[0]) + 1)
        for end in range(start, len(texts[0]) + 1)
    )
    expected = max(len(piece) for piece in pieces if piece in texts[1])
    assert cmrc.longest_common_run(first, second) == expected
    assert cmrc.longest_common_run(second, first) == expected


def test_long_texts_take_no_time() -> None:
    begun = time.process_time()
    assert cmrc.longest_common_run(["中", "国"] * 2000, ["国", "中"] * 2000) == 3999
    assert time.process_time() - begun < 5  # Python's own loop takes that many times over.


@given(st.lists(TEXTS, min_size=1, max_size=3), TEXTS)
def test_scores_are_fractions(answers, prediction: str) -> None:
    score = cmrc.score(answers, prediction)
    assert score.em in (0.0, 1.0)
    assert 0.0 <= score.f1 <= 1.0
    if score.em and any(cmrc.tokens(answer) for answer in answers) and len(answers) == 1:
        assert score.f1 == 1.0
    assert cmrc.score([*answers, prediction], prediction).em == 1.0


def test_bad_input() -> None:
    with pytest.raises(DataError, match="no questions; expected one at least"):
        cmrc.evaluate({}, {})
    with pytest.raises(DataError, match="question 'b' has no answer; expected one at least"):
        cmrc.evaluate({"a": ["中"], "b": []}, {})


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk.tokenize", None)
    with pytest.raises(ConfigError, match="isn't installed: pip install nltk"):
        cmrc._tokenizer.__wrapped__()  # Not the one that is kept.


def test_chinese_does_without_nltk() -> None:
    code = (
        "import sys; from bert_wwm.metrics import cmrc; "
        "assert cmrc.score(['中国，'], '中国人').f1 == 0.8; assert 'nltk' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
