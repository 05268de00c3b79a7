"""Measures of predicted labels and scores, from -1 to 1. What has no value (0/0) is 0.0."""

import collections
import math
from collections.abc import Hashable, Sequence

import numpy as np

from bert_wwm.core.errors import DataError


def accuracy(targets: Sequence[Hashable], predictions: Sequence[Hashable]) -> dict[str, float]:
    """Returns ``accuracy``, the share of examples whose label is predicted."""
    _check(targets, predictions)
    right = sum(target == prediction for target, prediction in zip(targets, predictions))
    return {"accuracy": right / len(targets)}


def f1(
    targets: Sequence[Hashable], predictions: Sequence[Hashable], positive: Hashable
) -> dict[str, float]:
    """Returns ``precision``, ``recall`` and ``f1`` of one label, such as MRPC's ``1``."""
    _check(targets, predictions)
    expected = sum(target == positive for target in targets)
    predicted = sum(prediction == positive for prediction in predictions)
    right = sum(
        target == prediction == positive for target, prediction in zip(targets, predictions)
    )
    return {
        "precision": right / predicted if predicted else 0.0,
        "recall": right / expected if expected else 0.0,
        "f1": 2 * right / (predicted + expected) if predicted + expected else 0.0,
    }


def matthews_correlation(
    targets: Sequence[Hashable], predictions: Sequence[Hashable]
) -> dict[str, float]:
    """Returns ``matthews_correlation``, from -1 to 1; CoLA's measure.

    For more than two labels it is Gorodkin's R_K (Computational Biology and Chemistry 28, 2004),
    of which Matthews' coefficient is the case of two.
    """
    _check(targets, predictions)
    total = len(targets)
    right = sum(target == prediction for target, prediction in zip(targets, predictions))
    expected, predicted = collections.Counter(targets), collections.Counter(predictions)
    # Whole numbers up to the root, so that what is 0 is exactly so.
    covariance = right * total - sum(expected[label] * predicted[label] for label in expected)
    spread = (total**2 - sum(count**2 for count in expected.values())) * (
        total**2 - sum(count**2 for count in predicted.values())
    )
    return {"matthews_correlation": covariance / math.sqrt(spread) if spread else 0.0}


def correlations(
    targets: Sequence[float | str], predictions: Sequence[float | str]
) -> dict[str, float]:
    """Returns ``spearman`` and ``pearson`` of scores, numbers or in text, as GLUE's for STS-B.

    Spearman's is Pearson's of the ranks, where equal values share the mean of their ranks. If one
    side is constant, both are 0.0.
    """
    _check(targets, predictions, "scores")
    x, y = (np.array([float(value) for value in values]) for values in (targets, predictions))
    return {"spearman": _pearson(_ranks(x), _ranks(y)), "pearson": _pearson(x, y)}


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    if not np.ptp(x) or not np.ptp(y):
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Returns the rank of each value, from 1 on: float64 [n]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def _check(
    targets: Sequence[Hashable], predictions: Sequence[Hashable], what: str = "labels"
) -> None:
    if len(targets) != len(predictions) or not targets:
        raise DataError(
            f"{len(targets)} {what} and {len(predictions)} predictions; expected as many of both, "
            "and one at least"
        )
