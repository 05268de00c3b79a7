"""Averages and relative figures, compared with those that HFL printed."""

import pathlib

import pytest

from bert_wwm.report.averages import average, compare, make_average_tables
from bert_wwm.report.results import Results, Score, load_published, select

PUBLISHED = pathlib.Path(__file__).resolve().parents[2] / "configs" / "published_results.json"
TASKS = ["cmrc2018", "drcd", "xnli", "chnsenticorp", "lcqmc", "bq"]


@pytest.fixture(scope="module")
def published():
    return load_published(str(PUBLISHED))


def _own(task, model, test, dev=None):
    metrics = ("em", "f1") if task in ("cmrc2018", "drcd") else ("accuracy",)
    scores = {("test", m): Score(f, f - 1, 0.5) for m, f in zip(metrics, test)}
    scores.update({("dev", m): Score(f, f - 1, 0.5) for m, f in zip(metrics, dev or ())})
    return Results(task, model, scores, path=f"{task}/{model}/results.json", num_runs=10)


def test_hfls_tables_of_small_models(published):
    """ymcui/Chinese-BERT-wwm, README.md, 小参数量模型, as printed there.

    Printed with other last digits: 87.335 for the mean 87.3375, 92.9 for 92.85, 97.35 for 97.32 and
    96.35 for 96.33 (a mean of rounded percentages).
    """
    figures, relative, *_ = make_average_tables(published, [])
    assert (figures.title, relative.title) == ("Average, test", "Relative to RoBERTa-wwm-ext, test")
    titles = ["CMRC 2018", "DRCD", "XNLI", "ChnSentiCorp", "LCQMC", "BQ Corpus"]
    assert figures.header == ["Model", *titles, "Average"]
    assert relative.header == [*figures.header, "Average of classification"]
    printed = {row[0]: row[1:] for row in figures.rows}
    assert printed["RBT3"] == "62.2 / 81.8|75.0 / 83.9|72.3|92.8|85.1|83.3|79.550".split("|")
    averages = {"RoBERTa-wwm-ext-large": "87.338", "RoBERTa-wwm-ext": "85.675", "RBTL3": "80.800"}
    assert {model: printed[model][-1] for model in averages} == averages
    assert "MacBERT-base" in printed and "PERT-base" not in printed  # no DRCD dev, no LCQMC
    printed = {row[0]: " ".join(row[1:]).replace(" %", "") for row in relative.rows}
    assert (
        printed["RoBERTa-wwm-ext"]
        == "100.0 / 100.0 100.0 / 100.0 100.0 100.0 100.0 100.0 100.0 100.00"
    )
    large = "102.2 / 101.3 104.7 / 102.7 103.0 100.2 100.7 100.9 101.9 101.22"
    assert printed["RoBERTa-wwm-ext-large"] == large
    assert printed["RBTL3"] == "87.2 / 93.3 90.2 / 93.0 93.9 98.5 98.5 98.4 94.3 97.32"
    assert printed["RBT3"] == "85.7 / 91.5 87.6 / 91.2 91.8 97.1 98.5 98.0 92.9 96.33"


def test_averages_count_each_metric():
    figures = {"cmrc2018": [60.0, 80.0], "xnli": [70.0], "bq": [90.0]}
    assert average(figures) == 75
    base = {"cmrc2018": [75.0, 80.0], "xnli": [70.0], "bq": [75.0]}
    relative = {"cmrc2018": [80, 100], "xnli": [100], "bq": [120]}
    assert compare(figures, base) == (relative, 100, 110)
    *_, classification = compare({"drcd": [50.0, 60.0]}, {"drcd": [50.0, 60.0]})
    assert classification is None


def test_own_results_decide_which_tasks_are_averaged(published):
    own = [_own("cmrc2018", "mine", [50.0, 70.0]), _own("xnli", "mine", [60.0], [61.0])]
    chosen = select(published, ["cmrc2018", "xnli"], ["RoBERTa-wwm-ext", "RBT3"])
    figures, relative = make_average_tables(chosen, own)  # of dev one task is no average
    assert figures.header == ["Model", "CMRC 2018", "XNLI", "Average"]
    assert figures.rows == [
        ["RoBERTa-wwm-ext", "72.6 / 89.4", "78.8", "80.267"],
        ["RBT3", "62.2 / 81.8", "72.3", "72.100"],
        ["**mine (own)**", "50.0 / 70.0", "60.0", "60.000"],
    ]
    assert relative.rows[-1] == ["**mine (own)**", "68.9 % / 78.3 %", "76.1 %", "74.8 %", "76.14 %"]


def test_own_results_are_relative_to_an_own_base_model(published):
    own = [
        *(_own(task, "roberta_wwm_ext", [50.0]) for task in ("xnli", "bq")),
        *(_own(task, "mine", [40.0]) for task in ("xnli", "bq")),
        _own("lcqmc", "other", [80.0]),
    ]
    chosen = select(published, TASKS, ["RoBERTa-wwm-ext"])
    (figures,) = make_average_tables(chosen._replace(results=[]), own[2:4])
    assert figures.rows == [["**mine (own)**", "40.0", "40.0", "40.000"]]
    _, relative = make_average_tables(chosen, own[:4])
    assert [row[-1] for row in relative.rows] == ["100.00 %", "100.00 %", "80.00 %"]
    (only,) = make_average_tables(chosen, own)[:1]  # nobody but the published has all three
    assert [row[0] for row in only.rows] == ["RoBERTa-wwm-ext"]


def test_learning_rates_of_models_are_those_of_known_tasks(published):
    known = {results.model for results in published.results}
    for model, rates in published.learning_rates.items():
        assert model in known and set(rates) <= set(published.tasks)
        assert all(1e-5 <= rate <= 1e-4 for rate in rates.values())
