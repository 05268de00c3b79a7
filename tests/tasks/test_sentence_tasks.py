"""The rows of sentence tasks."""

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.sentence_tasks import check_labels, collect_labels, user_task
from bert_wwm.tasks.table import TASKS, list_tasks

# Tokens, batch, epochs, rate: arXiv 1906.08101, table IV, and a batch of 64.
PAPER = {
    "xnli": (128, 64, 2, 3e-5),
    "lcqmc": (128, 64, 3, 2e-5),
    "bq": (128, 64, 3, 3e-5),
    "chnsenticorp": (256, 64, 3, 2e-5),
    "thucnews": (512, 64, 3, 2e-5),
    "tnews": (128, 64, 3, 2e-5),
    "ocnli": (128, 64, 3, 2e-5),
}
OTHERS = ("cmnli", "afqmc", "csl", "iflytek", "cola", "mnli", "mrpc")


def test_all_tasks_are_there():
    assert sorted(list_tasks("run_classifier.py")) == sorted([*PAPER, *OTHERS, "c3", "sts-b"])


def test_settings_are_those_of_their_sources():
    for name, settings in PAPER.items():
        assert TASKS[name].settings == settings
    for name in OTHERS:
        assert TASKS[name].settings == (128, 32, 3, 2e-5)
    for name in list_tasks("run_classifier.py"):
        rate = 5e-5 if name == "ocnli" else 1e-4
        assert TASKS[name].settings_for(small=True).learning_rate == rate


@pytest.mark.parametrize("name", [*PAPER, *OTHERS])
def test_rows_are_complete(name):
    task = TASKS[name]
    assert task.name == name and task.title and task.source
    assert list(task.files) == ["train", "dev", "test"]
    assert all(names for names in task.files.values())
    assert (task.labels is None) == (name == "thucnews")
    labels = task.labels or ("x", "y")
    assert len(set(labels)) == len(labels) >= 2
    examples = [Sentence(str(i), "文", None, label) for i, label in enumerate(labels)]
    scores = task.score(examples, list(labels))
    assert {metric: scores[metric] for metric in task.metrics} == dict.fromkeys(task.metrics, 100.0)


def examples(labels):
    return [Sentence(str(i), "文", None, label) for i, label in enumerate(labels)]


def test_scores_are_percents():
    assert TASKS["xnli"].score(
        examples(["neutral", "neutral", "entailment", "neutral"]), ["neutral"] * 4
    ) == {"accuracy": 75.0}
    scores = TASKS["mrpc"].score(examples("1101"), list("1011"))
    assert scores["accuracy"] == 50.0
    assert scores["f1"] == pytest.approx(200 / 3)
    assert scores["f1"] == pytest.approx(100 * 2 * 2 / (3 + 3))
    # (TP TN - FP FN) / sqrt(3 1 3 1), by hand
    scores = TASKS["cola"].score(examples("1101"), list("1011"))
    assert scores["matthews_correlation"] == pytest.approx(100 * (2 * 0 - 1 * 1) / 3)
    assert TASKS["cola"].metrics[0] == "matthews_correlation"


def test_what_has_no_label_cannot_be_scored():
    with pytest.raises(DataError, match=r"^example 1 has no label; expected one, to score by$"):
        TASKS["lcqmc"].score(examples(["1", None]), ["1", "1"])


def test_a_users_task_has_its_labels_from_its_data():
    task = user_task(["正文"], "类")
    assert task.name == "tsv"
    assert task.labels is None
    assert task.files["train"] == ("train.tsv", "train.csv")
    assert task.settings == (128, 32, 3, 2e-5)
    assert task.score(examples("ab"), list("aa")) == {"accuracy": 50.0}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (("好", "中", "差", "好"), ["中", "好", "差"]),
        (("10", "9", "-1", "10"), ["-1", "9", "10"]),
        (("0.5", "10", "2"), ["0.5", "2", "10"]),
        (("10", "9", "x"), ["10", "9", "x"]),
        (("1", "01", "1.0"), ["01", "1", "1.0"]),
        (("1_0", "2"), ["1_0", "2"]),
        (("٣", "2"), ["2", "٣"]),
    ],
)
def test_labels_of_the_training_data_are_sorted(found, expected):
    assert collect_labels("train.tsv", examples(found)) == expected
    assert collect_labels("train.tsv", examples(found[::-1])) == expected


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("a", None), "train.tsv:1: has no label; expected one for each example"),
        (
            ("a", "a"),
            "train.tsv: its labels are 'a'; expected two different ones at least",
        ),
    ],
)
def test_training_data_needs_labels(labels, message):
    with pytest.raises(DataError) as error:
        collect_labels("train.tsv", examples(labels))
    assert str(error.value) == message


def test_labels_are_checked_against_those_of_the_training():
    check_labels("dev.tsv", examples(["a", None, "b"]), ["a", "b"], required=False)
    check_labels("train.tsv", examples("ab"), ["a", "b"], required=True)
    with pytest.raises(DataError, match=r"^dev.tsv:1: label 'c'; expected one of a, b$"):
        check_labels("dev.tsv", examples("ac"), ["a", "b"], required=False)
    with pytest.raises(DataError, match=r"^train.tsv:1: has no label; expected one of a, b$"):
        check_labels("train.tsv", examples(["a", None]), ["a", "b"], required=True)


def test_examples_with_ids_of_their_own_are_told_by_their_lines():
    found = [Sentence("id7", "文", None, "a", "1"), Sentence("id8", "文", None, None, "2")]
    with pytest.raises(DataError, match=r"^train.json:2: has no label; expected one for each"):
        collect_labels("train.json", found)
    with pytest.raises(DataError, match=r"^train.json:2: has no label; expected one of a, b$"):
        check_labels("train.json", found, ["a", "b"], required=True)
    with pytest.raises(DataError, match=r"^dev.json:1: label 'a'; expected one of b, c$"):
        check_labels("dev.json", found, ["b", "c"], required=False)
