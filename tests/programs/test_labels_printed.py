"""The labels that the programs print once they have read the files; none of these runs trains."""

import json
import pathlib

import launcher
import pytest


def write(path: pathlib.Path, text: str) -> pathlib.Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def lines_of(model, tmp_path):
    """Runs a program, with sequences too short to make features of; returns what it prints."""

    def printed(program, *flags):
        flags = (*model, *flags, "--do_train", "--do_eval", "--max_seq_length=1")
        ran = launcher.run(program, *flags, f"--output_dir={tmp_path / 'out'}", status=1)
        assert "max_seq_length" in ran.stderr
        return ran.stdout.replace(f"{tmp_path}/", "").splitlines()

    return printed


def test_classes(lines_of, tmp_path):
    """Of a table that was saved with white space behind labels, and has two headers."""
    train = "text\tlabel\ntext\tlabel\n很好\t好评\n不错\t好评\u3000\n很差\t差评 \n很脏\t差评\xa0\n"
    write(tmp_path / "train.tsv", train)
    write(tmp_path / "dev.tsv", "text\tlabel\n很好\t好评\n一般\t中评\n")
    flags = ("--task_name=tsv", "--text_columns=text", "--label_column=label")
    assert lines_of("run_classifier.py", *flags, f"--data_dir={tmp_path}") == [
        "train.tsv:2: the label 'label' occurs only here, so that this line looks like a header, "
        "but it is read as an example; expected no header, or no second one",
        "train  train.tsv: 5 examples",
        "train  labels: 好评 (2), 差评 (2), label (1)",
        "dev    dev.tsv: 2 examples",
        "dev    labels: 中评 (1), 好评 (1)",
    ]


def test_tags(lines_of, tmp_path):
    write(
        tmp_path / "train.txt", "中\tB-LOC\n国\tI-LOC\n人\to\n\n北\tB-LOC\n平\tM-LOC\n城\tE-LOC\n"
    )
    write(tmp_path / "dev.txt", "中\tLOC-B\n国\tI-LOC\n人\tO\n")
    assert lines_of("run_ner.py", "--task_name=ner", f"--data_dir={tmp_path}") == [
        "train.txt: 1 tag(s) neither are O nor begin with one of B-, M-, I-, E-, S-: o (1); the "
        "first is 'o' at train.txt:3",
        "train.txt: 1 tag(s) begin with I and 1 with M; expected one scheme in a file: BIO, BIES "
        "or BMES",
        "train.txt: 1 entities end with E or S, and 1 do not; expected one scheme in a file: BIO, "
        "BIES or BMES",
        "train  train.txt: 2 examples",
        "train  labels: B-LOC (2), E-LOC (1), I-LOC (1), M-LOC (1), o (1)",
        "dev.txt: 1 tag(s) neither are O nor begin with one of B-, M-, I-, E-, S-: LOC-B (1); the "
        "first is 'LOC-B' at dev.txt:1",
        "dev.txt: 1 entities begin with I-, not B-; their tags are kept as they are",
        "dev    dev.txt: 1 examples",
        "dev    labels: I-LOC (1), LOC-B (1), O (1)",
    ]


@pytest.mark.parametrize(("task", "labels"), [("cjrc", "YES (1), span (1)"), ("cmrc2018", None)])
def test_types_of_answers(lines_of, tmp_path, task, labels):
    qas = [
        {"id": text, "question": "谁", "answers": [{"text": text, "answer_start": start}]}
        for text, start in (("他", 0), ("YES", -1))
    ]
    data = {"data": [{"paragraphs": [{"context": "他，YES", "qas": qas}]}]}
    path = write(tmp_path / "a.json", json.dumps(data))
    flags = (f"--task_name={task}", f"--train_file={path}", f"--eval_file={path}")
    lines = [line for line in lines_of("run_squad.py", *flags) if "aren't where" not in line]
    assert lines == [
        line
        for split in ("train", "dev")
        for line in (f"{split:<5}  a.json: 2 examples", labels and f"{split:<5}  labels: {labels}")
        if line
    ]
