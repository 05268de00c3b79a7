"""CLUE's files."""

import gzip
import json

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.table import TASKS


def read(task, path, *lines):
    if lines:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    notes = []
    return TASKS[task].read(str(path), notes.append), notes


def ocnli_line(number, premise, hypothesis, label):
    """A line as OCNLI has it: five annotators' labels, and what most of them say."""
    line = {"level": "medium", "sentence1": premise, "sentence2": hypothesis, "label": label}
    line.update({f"label{annotator}": "neutral" for annotator in range(5)})
    return {**line, "genre": "lit", "prem_id": f"lit_{number}", "id": number}


OCNLI = [
    ocnli_line(0, "他手里拿着一本书,站在门口", "他手里有书", "entailment"),
    ocnli_line(1, "他手里拿着一本书,站在门口", "他坐在桌边", "contradiction"),
    ocnli_line(5, "嗯,我们明天再谈这件事", "这件事很重要", "-"),
    ocnli_line(7, "今年的产量比去年增长5.2%", "产量增长是由于天气好", "neutral"),
]


def test_ocnli_is_read_with_pairs_without_agreement(tmp_path):
    path = tmp_path / "dev.json"
    found, notes = read("ocnli", path, *OCNLI)
    assert notes == [
        f"{path}: 1 of 4 examples have the label '-' (no agreement), and are neither trained on "
        "nor scored"
    ]
    assert found == [
        Sentence("0", "他手里拿着一本书,站在门口", "他手里有书", "entailment", "1"),
        Sentence("1", "他手里拿着一本书,站在门口", "他坐在桌边", "contradiction", "2"),
        Sentence("5", "嗯,我们明天再谈这件事", "这件事很重要", None, "3", True),
        Sentence("7", "今年的产量比去年增长5.2%", "产量增长是由于天气好", "neutral", "4"),
    ]


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("ocnli", ["entailment", "neutral"]),
        ("cmnli", ["contradiction", "neutral"]),
        ("tnews", ["101", "116"]),
        ("afqmc", ["0", "1"]),
        ("csl", ["1", "0"]),
        ("iflytek", ["0", "118"]),
    ],
)
def test_the_file_to_submit_has_a_line_for_each_example(tmp_path, task, labels):
    texts = {
        "sentence": "甲",
        "sentence1": "甲",
        "sentence2": "乙",
        "keyword": ["甲"],
        "abst": "乙",
    }
    named, _ = read(task, tmp_path / "test.json", {**texts, "id": 7}, {**texts, "id": "a-07"})
    assert list(TASKS[task].submission(named, labels)) == [
        f'{{"id": 7, "label": "{labels[0]}"}}',
        f'{{"id": "a-07", "label": "{labels[1]}"}}',
    ]
    bare, _ = read(task, tmp_path / "test.json", texts, "", texts)
    assert [json.loads(line)["id"] for line in TASKS[task].submission(bare, labels)] == [0, 1]


def test_only_the_tasks_of_clue_have_a_file_to_submit():
    names = [name for name in TASKS.names() if TASKS[name].submission]
    assert sorted(names) == "afqmc c3 cluener cmnli csl iflytek ocnli tnews".split()


def test_tnews_is_its_titles(tmp_path):
    lines = [
        {
            "label": label,
            "label_desc": "news",
            "sentence": f"标题{label}，很好看",
            "keywords": "甲,乙",
        }
        for label in TASKS["tnews"].labels
    ]
    found, notes = read("tnews", tmp_path / "dev.json", *lines)
    assert notes == []
    assert len(found) == len(TASKS["tnews"].labels) == 15
    assert found == [
        Sentence(str(number), line["sentence"], None, line["label"])
        for number, line in enumerate(lines, 1)
    ]


def test_pairs_and_numbers_as_labels(tmp_path):
    found, _ = read(
        "afqmc",
        tmp_path / "train.json",
        {"sentence1": "双十一", "sentence2": "里程", "label": "0"},
        {"sentence1": "花呗", "sentence2": "借呗", "label": 1},
    )
    assert found == [Sentence("1", "双十一", "里程", "0"), Sentence("2", "花呗", "借呗", "1")]


def test_keywords_are_joined_by_blanks(tmp_path):
    line = {"id": 1, "abst": "摘要。", "keyword": ["水声学", "基阵"], "label": "0"}
    found, _ = read("csl", tmp_path / "train.json", line)
    assert found == [Sentence("1", "水声学 基阵", "摘要。", "0", "1")]


def test_long_texts_with_line_ends(tmp_path):
    text = "一\n" * 50_000
    line = {"label": "11", "label_des": "薅羊毛", "sentence": text}
    found, _ = read("iflytek", tmp_path / "train.json", line)
    assert found == [Sentence("1", text, None, "11")]
    assert len(TASKS["iflytek"].labels) == 119


def test_tests_have_no_labels(tmp_path):
    lines = [{"id": number, "sentence": "甲"} for number in range(3)]
    found, notes = read("tnews", tmp_path / "test.json", *lines)
    assert found == [Sentence(str(number), "甲", place=str(number + 1)) for number in range(3)]
    assert notes == []


def test_notes(tmp_path):
    path = tmp_path / "dev.json"
    lines = [
        {"id": 5, "sentence": "甲", "label": "100"},
        "",
        {"id": 5, "sentence": "", "label": None},
    ]
    found, notes = read("tnews", path, *lines)
    assert found == [Sentence("1", "甲", None, "100"), Sentence("3", "", None, None)]
    assert notes == [
        f"{path}: 1 empty line is left out",
        f"{path}: 1 of 2 examples have an empty text; the first is {path}:3",
        f"{path}: 1 of 2 examples have no label",
        f"{path}: 1 of 2 examples have the id of another; all are named by their lines",
    ]


def test_compressed_files(tmp_path):
    source, packed = tmp_path / "dev.json", tmp_path / "dev.json.gz"
    expected, _ = read("ocnli", source, *OCNLI)
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + source.read_bytes()))
    assert read("ocnli", packed)[0] == expected


EXPECTED = "expected an object with 'sentence1' and 'sentence2' on each line"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"sentence1": "甲"',
            f":2: broken at column 18 (Expecting ',' delimiter); {EXPECTED}",
        ),
        ("[1, 2]", f":2: is JSON, but no object; {EXPECTED}"),
        ('{"sentence1": "甲"}', f":2: has no 'sentence2'; {EXPECTED}"),
        ('{"sentence1": 3, "sentence2": "乙"}', ":2: 'sentence1' is 3; expected a text"),
        (
            '{"sentence1": "甲", "sentence2": "乙", "label": 0.5}',
            ":2: 'label' is 0.5; expected a text or a whole number",
        ),
        (
            '{"sentence1": "甲", "sentence2": "乙", "label": "0", "id": true}',
            ":2: 'id' is true; expected a text or a whole number",
        ),
        (
            '{"sentence1": "甲", "sentence2": "乙", "label": "2"}',
            ":2: label '2'; expected one of 0, 1",
        ),
    ],
)
def test_bad_lines_are_refused(tmp_path, line, message):
    path = tmp_path / "train.json"
    with pytest.raises(DataError) as error:
        read("afqmc", path, {"sentence1": "甲", "sentence2": "乙", "label": "1"}, line)
    assert str(error.value) == f"{path}{message}"
