"""THUCNews in its several forms."""

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.sentence_news import read_news

CLASSES = (
    "finance realty stocks education science society politics sports game entertainment"
).split()


def read(path, text=None):
    if text is not None:
        path.write_text(text, encoding="utf-8")
    notes = []
    return read_news(str(path), notes.append), notes


# The released files of headlines: a text and the number of its class.
HEADLINES = [
    (f"{subject}{end}", number)
    for end in ("：今日要闻(组图)", " 前十名公布", "2009年 A股 3.5%")
    for number, subject in enumerate("银行 楼盘 大盘 高考 卫星 社区 会谈 联赛 网游 新片".split())
]


def test_headlines_with_numbers_of_classes(tmp_path):
    (tmp_path / "class.txt").write_text("\n".join(CLASSES), encoding="utf-8")  # no last line end
    lines = "".join(f"{text}\t{number}\n" for text, number in HEADLINES)
    found, notes = read(tmp_path / "dev.txt", lines)
    assert notes == []
    assert found == [
        Sentence(str(line), text, None, CLASSES[number])
        for line, (text, number) in enumerate(HEADLINES, 1)
    ]


def test_labels_in_front(tmp_path):
    text = "体育\t马晓旭意外受伤让国奥警惕，无奈大雨格外青睐殷家军\n体育\t商瑞华首战复仇心切\n"
    found, _ = read(tmp_path / "cnews.train.txt", text + "娱乐\t短\n")
    assert [example.label for example in found] == ["体育", "体育", "娱乐"]
    assert found[2] == Sentence("3", "短", None, "娱乐")


def test_labels_behind_without_their_names(tmp_path):
    lines = "".join(f"{text}\t{number}\n" for text, number in HEADLINES)
    found, _ = read(tmp_path / "dev.txt", lines)
    assert [(example.text_a, example.label) for example in found] == [
        (text, str(number)) for text, number in HEADLINES
    ]


def test_a_header_decides(tmp_path):
    text = "text_a\tlabel\n体育\t甲\n财经\t乙\n"
    found, _ = read(tmp_path / "train.txt", text)
    assert found == [Sentence("2", "体育", None, "甲"), Sentence("3", "财经", None, "乙")]


def test_names_of_classes_decide(tmp_path):
    (tmp_path / "class.txt").write_text("体育\n财经\n", encoding="utf-8")
    found, _ = read(tmp_path / "train.txt", "1\t甲\n0\t乙\n体育\t丙\n")
    assert [example.label for example in found] == ["财经", "体育", "体育"]


def test_folders(tmp_path):
    for label, name, text in (
        ("体育", "2.txt", "标题\n正文。\n"),
        ("体育", "1.txt", "一"),
        ("财经", "1.txt", ""),
        ("财经", "readme.md", "no text"),
    ):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / name).write_text(text, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not in a folder of a label", encoding="utf-8")
    found, notes = read(tmp_path)
    assert found == [
        Sentence("体育/1.txt", "一", None, "体育"),
        Sentence("体育/2.txt", "标题 正文。", None, "体育"),
        Sentence("财经/1.txt", "", None, "财经"),
    ]
    assert notes == [
        f"{tmp_path}: 1 of 3 examples have an empty text; the first is {tmp_path}:财经/1.txt"
    ]


@pytest.mark.parametrize("text", ["甲\n乙\n", "text_a\n甲\n乙\n"])
def test_texts_without_labels(tmp_path, text):
    found, _ = read(tmp_path / "test.txt", text)
    assert [(example.text_a, example.label) for example in found] == [("甲", None), ("乙", None)]


LONG = "这是一个很长很长很长很长很长很长很长很长的句子"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": holds no example; expected one at least"),
        ("体育\t甲\t乙\n", ":1: has 3 columns; expected two, a label and a text"),
        (f"体育\t{LONG}\n体育\n", ":2: has 1 column; expected 2, as on line 1"),
        (
            "体育\t甲\n财经\t乙\n",
            ": either of its columns looks like labels; expected short ones and few of them, or a "
            "header: label<TAB>text_a",
        ),
        (
            f"{LONG}一\t{LONG}二\n",
            ": neither of its columns looks like labels; expected short ones and few of them, or "
            "a header: label<TAB>text_a",
        ),
    ],
)
def test_bad_files_are_refused(tmp_path, text, message):
    path = tmp_path / "train.txt"
    with pytest.raises(DataError) as error:
        read(path, text)
    assert str(error.value) == f"{path}{message}"


def test_a_number_without_a_class_is_refused(tmp_path):
    (tmp_path / "class.txt").write_text("体育\n财经\n", encoding="utf-8")
    path = tmp_path / "train.txt"
    with pytest.raises(DataError) as error:
        read(path, f"{LONG}\t1\n{LONG}\t2\n")
    assert str(error.value) == (
        f"{path}:2: label '2'; expected a number from 0 to 1, as class.txt has 2 labels"
    )
