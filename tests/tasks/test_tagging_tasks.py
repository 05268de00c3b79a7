import json

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import Tagged
from bert_wwm.tasks.tagging_tasks import score
from bert_wwm.tasks.task import TASKS, list_tasks

NAMES = ["msra_ner", "peopledaily_ner", "cluener", "ner"]


def test_rows():
    assert list_tasks("run_ner.py") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_whole(name, tmp_path):
    task = TASKS[name]
    assert task.metrics == ("precision", "recall", "f1")
    assert task.best_metric == "f1"
    assert task.labels is None
    assert set(task.files) == {"train", "dev", "test"}
    assert task.settings.max_seq_length in (128, 256)
    for names in task.files.values():
        path = tmp_path / names[0]
        if path.suffix == ".json":
            path.write_text(json.dumps({"text": "中国", "label": {"name": {"中国": [[0, 1]]}}}))
        else:
            path.write_text("中 B-name\n国 I-name\n", encoding="utf-8")
        notes = []
        examples = task.read(str(path), notes.append)
        assert examples == [Tagged("1", ("中", "国"), ("B-name", "I-name"))]
        assert notes == []
        assert set(task.metrics) <= set(task.score(examples, [["O", "O"]]))


def test_score():
    examples = [
        Tagged("1", tuple("中国人"), ("B-LOC", "I-LOC", "O")),
        Tagged("5", tuple("江主席"), ("B-PER", "O", "O")),
    ]
    predictions = [["B-LOC", "I-LOC", "O"], ["B-LOC", "O", "B-PER"]]
    assert score(examples, predictions) == pytest.approx(
        {"precision": 100 / 3, "recall": 50.0, "f1": 40.0, "accuracy": 100 * 4 / 6}
    )


def test_what_has_no_tags_has_no_score():
    with pytest.raises(DataError, match="sentence 0 has 0 tags and 1 predictions"):
        score([Tagged("1", ("中",))], [["O"]])
