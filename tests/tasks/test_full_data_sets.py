"""The full data sets are read to the last example, where they are installed."""

import collections
import json
import zipfile

import pytest

from bert_wwm.tasks.reading_files import find_answer, read_questions
from bert_wwm.tasks.table import TASKS
from bert_wwm.tasks.tagging_files import read_columns


def read(reader, path):
    notes = []
    return reader(str(path), notes.append), [note.replace(str(path), "FILE") for note in notes]


@pytest.mark.parametrize(
    ("task", "file", "count", "first"),
    [
        ("chnsenticorp", "chnsenticorp/train.tsv", 9600, "选择珠江花园的原因就是方便"),
        ("chnsenticorp", "chnsenticorp/dev.tsv", 1200, ""),
        ("lcqmc", "lcqmc/dev.tsv", 8802, "开初婚未育证明怎么弄？"),
        ("xnli", "xnli/dev.tsv", 2490, "他说，妈妈，我回来了。"),
        ("xnli", "xnli/train_cmnli_subset.tsv", 9751, "新的权利已经足够好了"),
        ("tnews", "tnews/dev.json", 10_000, "江疏影甜甜圈自拍，迷之角度竟这么好看"),
    ],
)
def test_sentences(full_data, task, file, count, first):
    found, notes = read(TASKS[task].read, full_data(file))
    assert (len(found), notes) == (count, [])
    assert {example.label for example in found} == set(TASKS[task].labels)
    assert found[0].text_a.startswith(first)
    assert len({example.id for example in found}) == count
    is_pair = task in ("lcqmc", "xnli")
    assert all((example.text_b is not None) == is_pair for example in found)


@pytest.mark.parametrize(
    ("file", "count", "undecided"), [("dev.json", 3000, 50), ("train.10k.json", 10000, 15)]
)
def test_ocnli(full_data, file, count, undecided):
    path = full_data(f"ocnli/{file}")
    found, notes = read(TASKS["ocnli"].read, path)
    assert len(found) == count
    assert notes == [
        f"FILE: {undecided} of {count:,} examples have the label '-' (no agreement), and are "
        "neither trained on nor scored"
    ]
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(e.id, e.text_a, e.text_b, "-" if e.undecided else e.label) for e in found] == [
        (str(line["id"]), line["sentence1"], line["sentence2"], line["label"]) for line in lines
    ]


@pytest.mark.parametrize("name", ["dev.txt", "test.txt"])
def test_thucnews(full_data, name):
    path = full_data(f"thucnews/{name}")
    classes = full_data("thucnews/class.txt").read_text(encoding="utf-8").split()
    found, notes = read(TASKS["thucnews"].read, path)
    assert notes == []
    assert collections.Counter(e.label for e in found) == dict.fromkeys(classes, 1000)
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(e.text_a, e.label) for e in found] == [(text, classes[int(n)]) for text, n in lines]


@pytest.mark.parametrize(("name", "sentences", "odd"), [("train", 50_658, 6), ("dev", 4_631, 11)])
def test_peoples_daily(full_data, tmp_path, name, sentences, odd):
    with zipfile.ZipFile(full_data("peopledaily_ner/peopledaily.zip")) as archive:
        path = archive.extract(f"{name}.txt", tmp_path)
    examples, notes = read(read_columns, path)
    assert len(examples) == sentences
    assert notes == [f"FILE: {odd} entities begin with I-, not B-; their tags are kept as they are"]
    assert max(len(example.tokens) for example in examples) == 100
    assert {tag for example in examples for tag in example.tags} == {
        "O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER",
    }  # fmt: skip
    with open(path, encoding="utf-8") as stream:
        lines = [line for line in stream.read().split("\n") if line]
    pairs = ((token, tag) for example in examples for token, tag in zip(*example[1:]))
    assert [f"{token} {tag}" for token, tag in pairs] == lines


def test_cmrc_2018(full_data):
    train, notes = read(read_questions, full_data("cmrc2018/cmrc2018_train.json"))
    assert len(train) == 10142 and len(notes) == 1
    assert "21 of 10,142 answers aren't where answer_start says" in notes[0]
    trial, _ = read(read_questions, full_data("cmrc2018/cmrc2018_trial.json"))
    assert len(trial) == 1002


def test_drcd(full_data):
    questions, notes = read(read_questions, full_data("drcd/DRCD_dev.json"))
    assert len(questions) == 3524 and notes == []
    other_places = sum(
        find_answer(question.context, question.answers[0], hfl_compat=True)[0]
        != question.answers[0].start
        for question in questions
    )
    assert other_places == 504
