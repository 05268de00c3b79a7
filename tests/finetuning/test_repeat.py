import pytest

from bert_wwm.finetuning.repeat import format_like_hfl, repeat, summarize_scores

# By rate and seed: em on dev, em on test.
SCORES = {
    (1e-5, 1): (60.0, 51.0),
    (1e-5, 2): (70.0, 52.0),
    (1e-5, 3): (65.0, 50.0),
    (3e-5, 1): (80.0, 40.0),
    (3e-5, 2): (50.0, 60.0),
    (3e-5, 3): (62.0, 41.0),
}


def carry_out(seed, rate):
    dev, test = SCORES[rate, seed]
    return {"dev": {"em": dev, "f1": dev + 10}, "test": {"em": test}, "seconds": 9, "trained": True}


def test_the_rate_with_the_best_mean_is_chosen():
    results = repeat(carry_out, [1, 2, 3], [1e-5, 3e-5], "em")
    assert (results["learning_rate"], results["num_runs"]) == (1e-5, 3)  # 65 against 64
    assert results["runs"][1] == {
        "seed": 2,
        "learning_rate": 1e-5,
        "dev": {"em": 70.0, "f1": 80.0},
        "test": {"em": 52.0},
        "seconds": 9,
    }
    assert results["dev"]["em"] == {"max": 70.0, "mean": 65.0, "std": pytest.approx(5.0)}
    assert results["test"] == {"em": {"max": 52.0, "mean": 51.0, "std": pytest.approx(1.0)}}
    assert list(results["search"]) == ["1e-05", "3e-05"]
    found = results["search"]["3e-05"]["em"]
    # (16**2 + 14**2 + 2**2) / 2 = 228
    assert found == {"max": 80.0, "mean": 64.0, "std": pytest.approx(228**0.5)}
    assert format_like_hfl(results["dev"], ["em", "f1"]) == "70.0 (65.0) / 80.0 (75.0)"


def test_one_run_has_no_deviation_and_needs_no_scores():
    results = repeat(lambda seed, rate: {"seconds": 1.0}, [5], [1e-5], "em")
    assert results == {
        "learning_rate": 1e-5,
        "num_runs": 1,
        "runs": [{"seed": 5, "learning_rate": 1e-5, "seconds": 1.0}],
    }
    assert summarize_scores([{"dev": {"em": 3.0}}], "dev") == {
        "em": {"max": 3.0, "mean": 3.0, "std": 0}
    }
