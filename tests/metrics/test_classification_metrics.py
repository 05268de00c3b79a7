"""Accuracy, F1 and Matthews' correlation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.metrics import classification

LABELS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


def test_values_by_hand() -> None:
    targets, predictions = ["1", "1", "1", "0", "0"], ["1", "0", "1", "1", "0"]
    assert classification.accuracy(targets, predictions) == {"accuracy": 0.6}
    assert classification.f1(targets, predictions, "1") == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3}
    )
    # Two true and one false positive, one true and one false negative.
    expected = (2 * 1 - 1 * 1) / math.sqrt(3 * 3 * 2 * 2)
    assert classification.matthews_correlation(targets, predictions) == pytest.approx(
        {"matthews_correlation": expected}
    )


def test_what_has_no_value_is_zero() -> None:
    assert classification.f1([0, 0], [0, 0], 1) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    for targets, predictions in (([0, 1, 1], [1, 1, 1]), ([1, 1, 1], [0, 1, 1])):
        value = classification.matthews_correlation(targets, predictions)
        assert value == {"matthews_correlation": 0.0}


@given(LABELS)
def test_matthews_is_the_correlation_of_two_labels(pairs) -> None:
    targets, predictions = ([min(label, 1) for label in labels] for labels in zip(*pairs))
    value = classification.matthews_correlation(targets, predictions)["matthews_correlation"]
    if len(set(targets)) == 2 and len(set(predictions)) == 2:
        assert value == pytest.approx(np.corrcoef(targets, predictions)[0, 1])
    else:
        assert value == 0.0


@given(LABELS)
def test_bounds(pairs) -> None:
    targets, predictions = zip(*pairs)
    assert 0 <= classification.accuracy(targets, predictions)["accuracy"] <= 1
    assert (
        -1
        <= classification.matthews_correlation(targets, predictions)["matthews_correlation"]
        <= 1 + 1e-12
    )
    scores = classification.f1(targets, predictions, 1)
    low, high = sorted((scores["precision"], scores["recall"]))
    assert low - 1e-12 <= scores["f1"] <= high + 1e-12
    assert classification.accuracy(targets, targets) == {"accuracy": 1.0}


@pytest.mark.parametrize(("targets", "predictions"), [([1], [1, 0]), ([], [])])
def test_bad_input(targets, predictions) -> None:
    message = f"{len(targets)} labels and {len(predictions)} predictions; expected as many of both"
    with pytest.raises(DataError, match=message):
        classification.accuracy(targets, predictions)
    with pytest.raises(DataError, match=message):
        classification.f1(targets, predictions, 1)
    with pytest.raises(DataError, match=message):
        classification.matthews_correlation(targets, predictions)
