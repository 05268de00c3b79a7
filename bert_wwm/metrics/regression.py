"""Measures of predicted scores, from -1 to 1. Where one side is constant they are 0.0."""

from collections.abc import Sequence

import numpy as np

from bert_wwm.core.errors import DataError


def correlations(targets: Sequence[float], predictions: Sequence[float]) -> dict[str, float]:
    """Returns ``spearman`` and ``pearson``, as GLUE scores STS-B.

    Spearman's is Pearson's of the ranks, where equal values share the mean of their ranks.

    Raises:
        DataError: there are no examples, or not as many predictions.
    """
    if len(targets) != len(predictions) or not len(targets):
        raise DataError(
            f"{len(targets)} scores and {len(predictions)} predictions; expected as many of both, "
            "and one at least"
        )
    x, y = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
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
