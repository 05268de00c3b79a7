"""Tables of texts to classify, with and without headers, good and bad ones."""

import gzip

import pytest

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.sentence_tables import UserTableReader
from bert_wwm.tasks.sentence_tasks import user_task
from bert_wwm.tasks.table import TASKS

XNLI_HEADER = (
    "language gold_label sentence1_binary_parse sentence2_binary_parse sentence1_parse "
    "sentence2_parse sentence1 sentence2 promptID pairID genre label1 label2 label3 label4 label5 "
    "sentence1_tokenized sentence2_tokenized match"
).split()


def read(reader, path, text=None):
    """The examples of a file, and the notes on it; of a task by its name."""
    if text is not None:
        path.write_bytes(text.encode("utf-8"))
    notes = []
    if isinstance(reader, str):
        reader = TASKS[reader].read
    return reader(str(path), notes.append), notes


def refusal(reader, path, text):
    with pytest.raises(DataError) as error:
        read(reader, path, text)
    return str(error.value)


def xnli_line(language, label, premise, hypothesis):
    cells = [language, label, "", "", "", "", premise, hypothesis, "1", "1", "facetoface"]
    return "\t".join([*cells, *["neutral"] * 5, "tokenized", "tokenized", "True"])


REVIEWS = "label\ttext_a\n1\t房间很大，服务也好\n0\t太吵了！！\n1\t<推荐> 下次还来\n"
QUESTIONS = "怎么开证明？\t证明怎么开？\t1\n谁知道这首歌\t这首歌好听吗\t0\n今天几号\t几号了\t1\n"
PAIRS = (
    "text_a\ttext_b\tlabel\n他说，妈妈，我到了。\t他没说话。\tcontradiction\n"
    "嗯，我不知道\t我很喜欢\tneutral\n我很喜欢他\t我喜欢他\tentailment\n"
)


def test_a_second_header_is_reported(tmp_path):
    path = tmp_path / "train.tsv"
    _, notes = read(
        user_task(["review"], "stars").read, path, "review\tstars\nreview\tSTARS\n甲\t1\n"
    )
    assert [note.startswith(f"{path}:2: the label 'STARS' occurs only here") for note in notes] == [
        True
    ]
    assert read(user_task(["0"], "1").read, path, "甲\t1\n乙\t0\n")[1] == []


@pytest.mark.parametrize(
    ("task", "text", "labels"),
    [
        ("chnsenticorp", "1\u3000\t甲\n 0\t乙\n", ["1", "0"]),
        ("lcqmc", "甲\t乙\t1 \n甲\t丙\t0\xa0\n", ["1", "0"]),
        (
            "thucnews",
            "体育 \t甲\n体育\t乙\n\u3000财经\t丙\n财经\t丁\n",
            ["体育"] * 2 + ["财经"] * 2,
        ),
        ("xnli", "text_a\ttext_b\tlabel\n甲\t乙\tneutral\u3000\n", ["neutral"]),
    ],
)
def test_white_space_at_the_ends_of_labels_is_left_out(tmp_path, task, text, labels):
    found, notes = read(task, tmp_path / "train.tsv", text)
    assert [example.label for example in found] == labels
    assert notes == []


def test_ids_are_numbers_of_lines(tmp_path):
    found, notes = read("chnsenticorp", tmp_path / "dev.tsv", REVIEWS)
    assert notes == []
    assert found == [
        Sentence("2", "房间很大，服务也好", None, "1"),
        Sentence("3", "太吵了！！", None, "0"),
        Sentence("4", "<推荐> 下次还来", None, "1"),
    ]
    found, notes = read("lcqmc", tmp_path / "dev.tsv", QUESTIONS)
    assert notes == []
    assert found == [
        Sentence("1", "怎么开证明？", "证明怎么开？", "1"),
        Sentence("2", "谁知道这首歌", "这首歌好听吗", "0"),
        Sentence("3", "今天几号", "几号了", "1"),
    ]


def test_xnli_is_read_as_google_does(tmp_path):
    """XNLI-1.0's dev set of several languages gives what the three columns give."""
    expected, _ = read("xnli", tmp_path / "dev.tsv", PAIRS)
    lines = ["\t".join(XNLI_HEADER)]
    for text_a, text_b, label in (example[1:4] for example in expected):
        lines.append(xnli_line("bg", "neutral", "Мамо", "Той"))
        lines.append(xnli_line("zh", label, text_a, text_b))
    found, notes = read("xnli", tmp_path / "xnli.dev.tsv", "\n".join(lines) + "\n")
    assert [example[1:4] for example in found] == [example[1:4] for example in expected]
    assert notes == [
        f"{tmp_path}/xnli.dev.tsv: 3 examples are in other languages than zh and are left out"
    ]
    assert [example.id for example in found] == ["3", "5", "7"]


def test_xnli_without_chinese_is_refused(tmp_path):
    text = "\t".join(XNLI_HEADER) + "\n" + xnli_line("bg", "neutral", "Мамо", "Той") + "\n"
    message = refusal("xnli", tmp_path / "xnli.dev.tsv", text)
    assert message == f"{tmp_path}/xnli.dev.tsv: holds no example; expected one at least"


def test_translated_training_data_of_xnli(tmp_path):
    text = "premise\thypo\tlabel\n我们 家里 有 一个\t我们 家\tcontradictory\n甲\t乙\tentailment\n"
    found, _ = read("xnli", tmp_path / "multinli.train.zh.tsv", text)
    assert found == [
        Sentence("2", "我们 家里 有 一个", "我们 家", "contradiction"),
        Sentence("3", "甲", "乙", "entailment"),
    ]


@pytest.mark.parametrize("header", ["", "text_a\ttext_b\tlabel\n", "sentence1\tsentence2\tlabel\n"])
def test_pairs_with_and_without_header(tmp_path, header):
    found, notes = read("bq", tmp_path / "train.tsv", header + "甲\t乙\t1\n丙\t丁\t0\n")
    assert [example[1:4] for example in found] == [("甲", "乙", "1"), ("丙", "丁", "0")]
    assert notes == []


@pytest.mark.parametrize("header", ["", "text_a\ttext_b\n"])
def test_pairs_of_a_test_set_have_no_labels(tmp_path, header):
    found, notes = read("lcqmc", tmp_path / "test.tsv", header + "甲\t乙\n丙\t丁\n")
    assert [example[1:4] for example in found] == [("甲", "乙", None), ("丙", "丁", None)]
    assert notes == []


def test_a_text_may_be_called_as_a_column(tmp_path):
    found, _ = read("chnsenticorp", tmp_path / "train.tsv", "1\tsentence\n0\tlabel\n")
    assert found == [Sentence("1", "sentence", None, "1"), Sentence("2", "label", None, "0")]


def test_glue(tmp_path):
    header = "index promptID pairID genre s1bp s2bp s1p s2p sentence1 sentence2 label1 gold_label"
    line = [
        "0",
        "63735",
        "63735n",
        "slate",
        "(",
        "(",
        "(",
        "(",
        'The "new"',
        "Everyone.",
        "neutral",
    ]
    text = "\t".join(header.split()) + "\n" + "\t".join([*line, "entailment"]) + "\n"
    found, _ = read("mnli", tmp_path / "train.tsv", text)
    assert found == [Sentence("2", 'The "new"', "Everyone.", "entailment")]
    text = "\t".join(header.split()[:10]) + "\n" + "\t".join(line[:10]) + "\n"
    found, _ = read("mnli", tmp_path / "test_matched.tsv", text)
    assert found == [Sentence("2", 'The "new"', "Everyone.", None)]

    text = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t70\t71\tAmrozi\tReferring\n"
    found, _ = read("mrpc", tmp_path / "train.tsv", text)
    assert found == [Sentence("2", "Amrozi", "Referring", "1")]
    text = "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t70\t71\tAmrozi\tReferring\n"
    found, _ = read("mrpc", tmp_path / "test.tsv", text)
    assert found == [Sentence("2", "Amrozi", "Referring", None)]

    text = "gj04\t1\t\tOur friends won't.\ngj04\t0\t*\tThem.\n"
    found, _ = read("cola", tmp_path / "train.tsv", text)
    assert [example[1:4] for example in found] == [
        ("Our friends won't.", None, "1"),
        ("Them.", None, "0"),
    ]
    found, _ = read("cola", tmp_path / "test.tsv", "index\tsentence\n0\tBill whistled.\n")
    assert found == [Sentence("2", "Bill whistled.", None, None)]


def test_quotation_marks_are_text(tmp_path):
    text = '"甲\t乙"\t1\n"丙"\t丁\t0\n'
    found, _ = read("lcqmc", tmp_path / "train.tsv", text)
    assert [example[1:4] for example in found] == [('"甲', '乙"', "1"), ('"丙"', "丁", "0")]


def test_marks_line_ends_and_compression(tmp_path):
    text = "\ufefflabel\ttext_a\r\n1\t甲\u2028乙\x0b丙\r\n0\t丁\r\n"
    expected = [("甲\u2028乙\x0b丙", None, "1"), ("丁", None, "0")]
    found, _ = read("chnsenticorp", tmp_path / "train.tsv", text)
    assert [example[1:4] for example in found] == expected
    packed = tmp_path / "train.tsv.gz"
    packed.write_bytes(gzip.compress(text.encode("utf-8")))
    found, _ = read("chnsenticorp", packed)
    assert [example[1:4] for example in found] == expected


def test_empty_lines_and_texts_are_told(tmp_path):
    path = tmp_path / "train.tsv"
    found, notes = read("lcqmc", path, "甲\t乙\t1\n\n\t丁\t0\n\n")
    assert found == [Sentence("1", "甲", "乙", "1"), Sentence("3", "", "丁", "0")]
    assert notes == [
        f"{path}: 2 empty lines are left out",
        f"{path}: 1 of 2 examples have an empty text; the first is {path}:3",
    ]


def test_long_texts(tmp_path):
    found, _ = read("chnsenticorp", tmp_path / "train.tsv", f"1\t{'长' * 100_000}\n0\t短\n")
    assert [len(example.text_a) for example in found] == [100_000, 1]


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        ("lcqmc", "", ": holds no example; expected one at least"),
        ("lcqmc", "text_a\ttext_b\tlabel\n", ": holds no example; expected one at least"),
        ("lcqmc", "甲\t乙\t1\n甲\t1\n", ":2: has 2 columns; expected 3, as on line 1"),
        ("lcqmc", "甲\t乙\t1\n甲\t乙\t丙\t1\n", ":2: has 4 columns; expected 3, as on line 1"),
        ("lcqmc", "甲\t乙\t1\n丙\t丁\t2\n", ":2: label '2'; expected one of 0, 1"),
        ("lcqmc", "text_a\ttext_b\tlabel\n丙\t丁\t2\n", ":2: label '2'; expected one of 0, 1"),
        (
            "lcqmc",
            "甲\n",
            ":1: has 1 column and is no header; expected a header with text_a, text_b and label "
            "or 3 columns or 2 columns",
        ),
        (
            "mnli",
            "甲\t乙\tneutral\n",
            ":1: has 3 columns and is no header; expected a header with text_a, text_b and label",
        ),
        (
            "xnli",
            "甲\t乙\tneutral\n丙\t丁\tyes\n",
            ":2: label 'yes'; expected one of contradiction, entailment, neutral",
        ),
        ("chnsenticorp", "甲\t1\n", ":1: label '甲'; expected one of 0, 1"),
    ],
)
def test_bad_tables_are_refused(tmp_path, task, text, message):
    path = tmp_path / "train.tsv"
    assert refusal(task, path, text) == f"{path}{message}"


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_bytes("1\t好\n".encode("gbk"))
    with pytest.raises(DataError, match=r"train.tsv:1: byte 0xba at column 3 is not UTF-8"):
        read("chnsenticorp", path)


USERS = user_task(["text_a"], "label").read


class TestUserTables:
    def test_two_texts(self, tmp_path):
        reader = user_task(["乙", "甲"], "label").read
        found, notes = read(reader, tmp_path / "train.tsv", "甲\tlabel\t乙\n一\t好\t二\n")
        assert found == [Sentence("2", "二", "一", "好")]
        assert notes == []

    def test_columns_by_name(self, tmp_path):
        reader = user_task(["标题", "正文"], "类").read
        text = '类\t作者\t正文\t标题\n体育\t甲\t比赛 "一"\t赢了\n'
        found, _ = read(reader, tmp_path / "train.tsv", text)
        assert found == [Sentence("2", "赢了", '比赛 "一"', "体育")]

    def test_columns_by_number(self, tmp_path):
        reader = user_task(["2"], "0").read
        found, _ = read(reader, tmp_path / "train.tsv", "好\t7\t甲\n差\t8\t乙\n")
        assert found == [Sentence("1", "甲", None, "好"), Sentence("2", "乙", None, "差")]

    def test_csv(self, tmp_path):
        text = 'label,text_a\r\n1,"甲,""乙""\n丙"\r\n\r\n0,丁\r\n'
        path = tmp_path / "train.csv"
        found, notes = read(USERS, path, text)
        assert found == [Sentence("2", '甲,"乙"\n丙', None, "1"), Sentence("5", "丁", None, "0")]
        assert notes == [f"{path}: 1 empty line is left out"]
        packed = tmp_path / "train.csv.gz"
        packed.write_bytes(gzip.compress(text.encode("utf-8")))
        assert read(USERS, packed)[0] == found

    def test_files_without_labels(self, tmp_path):
        path = tmp_path / "test.tsv"
        found, notes = read(USERS, path, "text_a\n甲\n乙\n")
        assert [example.label for example in found] == [None, None]
        assert notes == [f"{path}: has no column label: its examples have no labels"]
        found, notes = read(user_task(["0"], "1").read, path, "甲\n乙\n")
        assert [example.text_a for example in found] == ["甲", "乙"]
        assert notes == [f"{path}: has no column 1: its examples have no labels"]

    def test_labels_that_are_missing_here_and_there_are_told(self, tmp_path):
        path = tmp_path / "train.tsv"
        found, notes = read(USERS, path, "text_a\tlabel\n甲\t好\n乙\t\n")
        assert [example.label for example in found] == ["好", None]
        assert notes == [f"{path}: 1 of 2 examples have no label"]

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            (
                "train.tsv",
                "正文\tlabel\n甲\t1\n",
                ":1: has no column text_a; expected it among 正文, label",
            ),
            (
                "train.tsv",
                "text_a\ttext_a\n",
                ":1: column 'text_a' stands there twice; expected once",
            ),
            ("train.tsv", "text_a\tlabel\n甲\n", ":2: has 1 column; expected 2, as on line 1"),
            ("train.csv", 'text_a,label\n"甲,1\n', ":2: unexpected end of data; expected CSV"),
            (
                "train.csv",
                "text_a,label\n甲,1\n甲,乙,1\n",
                ":3: has 3 columns; expected 2, as on line 1",
            ),
        ],
    )
    def test_bad_files_are_refused(self, tmp_path, name, text, message):
        path = tmp_path / name
        assert refusal(USERS, path, text) == f"{path}{message}"

    @pytest.mark.parametrize(
        ("texts", "label", "message"),
        [
            (("a", "b", "c"), "d", "columns of text: a, b, c; expected one or two"),
            ((), "d", "columns of text: none; expected one or two"),
            (("a", "b"), "a", "columns a, b, a; expected different ones"),
            (
                ("a",),
                "1",
                "columns a, 1; expected names, or, for files without a header, numbers from 0",
            ),
        ],
    )
    def test_bad_columns_are_refused(self, texts, label, message):
        with pytest.raises(ConfigError) as error:
            UserTableReader(texts, label)
        assert str(error.value) == message

    def test_files_by_name_and_by_number(self, tmp_path):
        reader = user_task(["text_a", "text_b"], "label").read
        expected, _ = read("xnli", tmp_path / "dev.tsv", PAIRS)
        assert read(reader, tmp_path / "dev.tsv")[0] == expected
        expected, _ = read("lcqmc", tmp_path / "dev.tsv", QUESTIONS)
        reader = user_task(["0", "1"], "2").read
        assert read(reader, tmp_path / "dev.tsv")[0] == expected
