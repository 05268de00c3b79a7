"""Tables of results in Markdown."""

import pytest

from bert_wwm.report.results import Published, Results, Score, Source, TaskInfo
from bert_wwm.report.results_table import (
    format_score,
    format_scores,
    list_models,
    make_tables,
    render_markdown,
)

EM, F1, ACCURACY = ("dev", "em"), ("dev", "f1"), ("dev", "accuracy")
PUBLISHED = Published(
    {
        "cmrc2018": TaskInfo("CMRC 2018", "CMRC 2018", ("em", "f1")),
        "xnli": TaskInfo("XNLI", "Inference", ("accuracy",), "Translated by machine."),
        "ocnli": TaskInfo("OCNLI", "Inference", ("accuracy",)),
    },
    {"a": Source("Paper A", "https://a.org"), "b": Source("Paper B", "https://b.org", "Means.")},
    [
        Results(
            "cmrc2018",
            "BERT",
            {EM: Score(65.5, 64.4), F1: Score(84.5, 84.0), ("test", "em"): Score(70.0, 68.7)},
            {EM: "a", F1: "a", ("test", "em"): "a"},
        ),
        Results("cmrc2018", "RBT3", {EM: Score(57.0), F1: Score(79.0)}, {EM: "a", F1: "a"}),
        Results("xnli", "BERT", {ACCURACY: Score(77.8, 77.4)}, {ACCURACY: "a"}),
        Results("ocnli", "RBT3", {ACCURACY: Score(None, 69.8)}, {ACCURACY: "b"}),
    ],
)


def _own(task="cmrc2018", model="bert", path="outputs/x/results.json", **changes):
    scores = {EM: Score(65.96, 64.04, 0.5), F1: Score(84.5, 84.1, 0.25)}
    if task != "cmrc2018":
        scores = {ACCURACY: Score(78.0, 77.5, 0.3)}
    return Results(task, model, scores, path=path, num_runs=10)._replace(**changes)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (Score(67.4, 66.5, 0.5), "67.4 (66.5)"),
        (Score(67.36, 66.54), "67.4 (66.5)"),
        (Score(62.2), "62.2"),
        (Score(None, 69.8), "(69.8)"),
        (Score(100.0, 0.0), "100.0 (0.0)"),
        (Score(), "–"),
    ],
)
def test_a_score_in_hfls_form(score, expected):
    assert format_score(score) == expected


def test_a_cell_of_several_metrics():
    assert format_scores([Score(67.4, 66.5), Score(87.2, 86.5)]) == "67.4 (66.5) / 87.2 (86.5)"
    assert format_scores([Score(), Score(87.2)]) == "– / 87.2"
    assert format_scores([Score(), Score()]) == "–"


def test_the_whole_table():
    tables = make_tables(PUBLISHED._replace(results=PUBLISHED.results[:2]), [_own()])
    assert render_markdown(tables) == (
        """# Results of fine-tuning

In percent: the maximum of the runs, and in brackets their mean.

## CMRC 2018

EM / F1

| Model          | dev                       | test            |
| :------------- | :-----------------------: | :-------------: |
| BERT           | 65.5 (64.4) / 84.5 (84.0) | 70.0 (68.7) / – |
| **bert (own)** | 66.0 (64.0) / 84.5 (84.1) | –               |
| RBT3           | 57.0 / 79.0               | –               |

- **bert (own)**, CMRC 2018: 10 runs. Standard deviation: dev EM 0.50, F1 0.25. """
        """Against the published means: dev EM -0.4, F1 +0.1. From `outputs/x/results.json`.
- BERT, RBT3: [Paper A](https://a.org).
"""
    )


def test_tasks_of_a_group_share_a_table():
    own = [_own("xnli"), _own("ocnli", path="outputs/y/results.json")]
    (_, table) = make_tables(PUBLISHED, own)
    assert (table.title, table.metrics) == ("Inference", "Accuracy")
    assert table.header == ["Model", "XNLI dev", "OCNLI dev"]
    assert table.rows == [
        ["BERT", "77.8 (77.4)", "–"],
        ["**bert (own)**", "78.0 (77.5)", "78.0 (77.5)"],
        ["RBT3", "–", "(69.8)"],
    ]
    xnli, ocnli, *of_papers = table.notes
    assert "XNLI: 10 runs. Standard deviation: dev 0.30. Against the published means: dev +0.1" in (
        xnli
    )
    assert "OCNLI: 10 runs. Standard deviation: dev 0.30. From" in ocnli
    assert of_papers == [
        "XNLI: Translated by machine.",
        "BERT: [Paper A](https://a.org).",
        "RBT3: [Paper B](https://b.org). Means.",
    ]


def test_a_task_alone_in_its_table_is_named():
    (table,) = make_tables(PUBLISHED._replace(results=PUBLISHED.results[2:3]), [])
    assert table.header == ["Model", "XNLI dev"]


def test_settings_and_one_run():
    settings = {"max_seq_length": 512, "num_train_epochs": 2.0, "learning_rate": 3e-5, "seed": 1}
    (table,) = make_tables(PUBLISHED._replace(results=[]), [_own(num_runs=1, settings=settings)])
    assert table.notes == [
        "**bert (own)**, CMRC 2018: 1 run (length 512, epochs 2, learning rate 3e-05). From "
        "`outputs/x/results.json`."
    ]


def test_maxima_are_compared_where_no_means_are_published():
    table, _ = make_tables(PUBLISHED, [_own(model="rbt3")])
    assert "Against the published maxima: dev EM +9.0, F1 +5.5." in table.notes[0]


def test_several_results_of_a_model_are_called_by_their_folders():
    def labels(*paths):
        own = [_own(path=path) for path in paths]
        return [row.label for row in list_models(PUBLISHED, own, ["cmrc2018"]) if row.is_own]

    assert labels("a/x/results.json") == ["bert (own)"]
    assert labels("a/x/results.json", "b/y/results.json") == ["bert (own, x)", "bert (own, y)"]
    assert labels("a/x/results.json", "b/x/results.json") == ["bert (own, a/x)", "bert (own, b/x)"]


def test_models_that_nobody_published_stand_at_the_end():
    rows = list_models(PUBLISHED, [_own(model="mine"), _own(model="RBT-3")], ["cmrc2018"])
    assert [row.label for row in rows] == ["BERT", "RBT3", "RBT-3 (own)", "mine (own)"]


def test_names_neither_break_nor_bend_the_table():
    text = render_markdown(make_tables(PUBLISHED._replace(results=[]), [_own(model="模型|1")]))
    head, rule, row = [line for line in text.splitlines() if line.startswith("|")]
    assert head == "| Model             | dev                       |"
    assert rule == "| :---------------- | :-----------------------: |"
    assert row == "| **模型\\|1 (own)** | 66.0 (64.0) / 84.5 (84.1) |"
