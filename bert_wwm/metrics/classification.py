"""Measures of classification, all fractions of 1. What has no value (0/0) is 0.0."""

import collections
import math
from collections.abc import Hashable, Sequence

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


def _check(targets: Sequence[Hashable], predictions: Sequence[Hashable]) -> None:
    if len(targets) != len(predictions) or not targets:
        raise DataError(
            f"{len(targets)} labels and {len(predictions)} predictions; expected as many of both, "
            "and one at least"
        )
