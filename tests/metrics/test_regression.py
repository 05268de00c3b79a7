import numpy as np
import pytest
from scipy import stats

from bert_wwm.core.errors import DataError
from bert_wwm.metrics.classification import correlations


def test_correlations_are_scipys():
    rng = np.random.default_rng(0)
    for size in (2, 3, 50):
        for _ in range(50):
            x = rng.integers(0, 5, size) / 2  # with ties
            y = x + rng.normal(size=size).round(1)
            if not np.ptp(x) or not np.ptp(y):
                continue
            found = correlations(x.tolist(), y.tolist())
            assert found["pearson"] == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-12)
            assert found["spearman"] == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)


def test_of_a_constant_they_are_0():
    assert correlations([1.0, 2.0], [0.1, 0.1]) == {"spearman": 0.0, "pearson": 0.0}
    assert correlations([0.1] * 3, [1.0, 2.0, 3.0]) == {"spearman": 0.0, "pearson": 0.0}


def test_as_many_predictions_as_scores_are_expected():
    with pytest.raises(DataError, match="2 scores and 1 predictions"):
        correlations([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="0 scores"):
        correlations([], [])
