"""run_classifier.py for multiple choice and for scores."""

import json

import launcher
import numpy as np
import pytest
from finetuning_runs import choices, scored_pairs

PROGRAM = "run_classifier.py"
FLAGS = "--max_seq_length=32 --train_batch_size=16 --learning_rate=2e-3 --log_every_steps=1".split()


@pytest.fixture
def train(model, tmp_path):
    """Trains for a task, and returns the folder and what was printed."""

    def run(task, **data):
        for name, text in data.items():
            (tmp_path / f"{name}.{'tsv' if task == 'sts-b' else 'json'}").write_text(text)
        flags = [*FLAGS, "--num_train_epochs=1", "--do_train", "--do_eval", "--do_predict"]
        folder = tmp_path / "run"
        places = [f"--data_dir={tmp_path}", f"--output_dir={folder}", f"--task_name={task}"]
        return folder, launcher.run(PROGRAM, *model, *flags, *places).stdout

    return run


def test_multiple_choice(train):
    data = {"train": choices(192, 0), "dev": choices(24, 1), "test": choices(8, 2, answers=False)}
    folder, output = train("c3", **data)
    chances = np.loadtxt(folder / "dev_results.tsv")
    documents = json.loads(data["dev"])
    entries = [document[1][0] for document in documents]
    truth = [entry["choice"].index(entry["answer"]) for entry in entries]
    assert chances.shape == (24, 4)
    for row, entry in zip(chances, entries):
        assert row[: len(entry["choice"])].sum() == pytest.approx(1)
        assert not row[len(entry["choice"]) :].any()
    accuracy = 100 * np.mean(chances.argmax(axis=1) == truth)
    assert accuracy > 70 and f"C3, dev: accuracy  {accuracy:.2f}\n" in output
    lines = [json.loads(line) for line in (folder / "c3_predict.json").read_text().splitlines()]
    found = np.loadtxt(folder / "test_results.tsv").argmax(axis=1)
    assert lines == [{"id": number, "label": int(label)} for number, label in enumerate(found)]
    assert not (folder / "labels.json").exists()


def test_scores_of_pairs(train):
    data = {"train": scored_pairs(384, 0), "dev": scored_pairs(32, 1), "test": scored_pairs(8, 2)}
    folder, output = train("sts-b", **data)
    truth = [float(line.split("\t")[-1]) for line in data["dev"].splitlines()[1:]]
    found = np.loadtxt(folder / "dev_results.tsv")
    results = json.loads((folder / "results.json").read_text())["dev"]
    assert results["pearson"]["max"] == pytest.approx(100 * np.corrcoef(truth, found)[0, 1])
    assert results["pearson"]["max"] > 60
    assert results["loss"]["max"] == pytest.approx(np.mean((found - truth) ** 2), abs=1e-5)
    values = f"{results['spearman']['max']:.2f} / {results['pearson']['max']:.2f}"
    assert f"STS-B, dev: spearman / pearson  {values}\n" in output
    lines = (folder / "test_labels.tsv").read_text().splitlines()
    assert lines[0] == "id\tscore" and len(lines) == 9
