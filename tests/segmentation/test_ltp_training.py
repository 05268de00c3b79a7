"""Tagged text is read, mapped to LTP's tags, and trained into models that LTP loads too."""

import collections
import json
import os
import pathlib
from collections import Counter

import pytest

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.segmentation import ltp, ltp_training, tagged_text
from bert_wwm.segmentation.tagged_text import NER_TAGS, PKU_TO_LTP, POS_TAGS, parse_line


def silent(line: str) -> None:
    """Reports nothing."""


def test_inventories_are_ltps() -> None:
    assert len(POS_TAGS) == len(set(POS_TAGS)) == 28
    assert set(PKU_TO_LTP.values()) <= set(POS_TAGS)
    names = "O B-Nh B-Ni B-Ns E-Nh E-Ni E-Ns I-Nh I-Ni I-Ns S-Nh S-Ni S-Ns"
    assert list(NER_TAGS) == names.split()


@pytest.mark.parametrize(
    ("line", "words", "pos", "ner"),
    [
        ("", "", "", ""),
        ("19980101-01-001-001/m", "", "", ""),
        ("19980101-01-001-001/m  迈向/v  充满/v", "迈向 充满", "v v", "O O"),
        ("１９９８年/t ，/w 发展/vn 之际/f", "１９９８年 ， 发展 之际", "nt wp v nd", "O O O O"),
        ("１/２/m ／/w //w [/w ]/w", "１/２ ／ / [ ]", "m wp wp wp wp", "O O O O O"),
        ("中国/ns 外交部/nt", "中国 外交部", "ns ni", "S-Ns S-Ni"),
        ("安徽省/ns 合肥市/ns", "安徽省 合肥市", "ns ns", "S-Ns S-Ns"),
        ("江/nr 泽民/nr 说/v", "江 泽民 说", "nh nh v", "B-Nh E-Nh O"),
        ("普希金/nr 说/v", "普希金 说", "nh v", "S-Nh O"),
        ("陈/nr 方/nr 安生/nr", "陈 方 安生", "nh nh nh", "B-Nh I-Nh E-Nh"),
        ("贾/nr 永/nr 黄/nr 秋生/nr", "贾 永 黄 秋生", "nh nh nh nh", "B-Nh E-Nh B-Nh E-Nh"),
        ("的{de5}/u 了/u{le5}", "的 了", "u u", "O O"),
        ("{/w a}/n", "{ a}", "wp n", "O O"),
        (
            "[中央/n 人民/n 广播/vn 电台/n]nt 和/c [北京/ns 大学/n]nt",
            "中央 人民 广播 电台 和 北京 大学",
            "n n v n c ns n",
            "B-Ni I-Ni I-Ni E-Ni O B-Ni E-Ni",
        ),
        ("[延安/ns]ns", "延安", "ns", "S-Ns"),
        ("[江/nr 泽民/nr 奖/n]nz", "江 泽民 奖", "nh nh n", "B-Nh E-Nh O"),
        ("好/nrf 好/wkz 好/vvn 好/??", "好 好 好 好", "nh wp v n", "S-Nh O O O"),
    ],
)
def test_parse_line(line: str, words: str, pos: str, ner: str) -> None:
    sentence = parse_line(line, "file:1")
    assert [" ".join(column) for column in sentence] == [words, pos, ner]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("好/a 坏", "token 2 is '坏'; expected word/tag"),
        ("/a", "token 1 is '/a'"),
        ("好/", "token 1 is '好/'"),
        ("[好/a 坏/a]", r"token 2 is '坏/a\]'"),
        ("[好/a 坏/a", "the bracket before '好' is never closed"),
        ("好/a 坏/a]nt", "closes a bracket that none opened"),
        ("[好/a [坏/a]nt]nt", "opens a bracket within another"),
    ],
)
def test_bad_tokens_are_told(tmp_path: pathlib.Path, line: str, message: str) -> None:
    path = tmp_path / "tagged.txt"
    path.write_text(f"好/a\n\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        tagged_text.read_corpus([str(path)])
    assert str(caught.value).startswith(f"{path}:3: ")


def test_unknown_tags_are_counted() -> None:
    unknown: Counter[str] = collections.Counter()
    parse_line("好/a 好/vvn 好/vvn 好/??", "file:1", unknown)
    assert unknown == {"vvn": 2, "??": 1}


def test_text_without_sentences_is_told(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "tagged.txt"
    path.write_text("\n\n", encoding="utf-8")
    with pytest.raises(DataError, match="no sentence"):
        tagged_text.read_corpus([str(path)])


def test_folder_holds_what_was_trained(perceptron_folder: str, tagged_file: str) -> None:
    assert sorted(os.listdir(perceptron_folder)) == [
        "config.json",
        "cws_model.bin",
        "ner_model.bin",
        "pos_model.bin",
    ]
    config = json.loads(files.read_bytes(os.path.join(perceptron_folder, "config.json")))
    assert config["nerual"] is False
    assert config["tasks"] == {task: f"{task}_model.bin" for task in ltp_training.TASKS}
    training = config["training"]
    assert training["input"] == {"tagged.txt": files.sha256(tagged_file)}
    assert (training["num_sentences"], training["num_heldout_sentences"]) == (143, 7)
    scores = training["heldout_scores"]
    assert scores["cws"]["f1"] > 0.9
    assert scores["pos"]["accuracy"] > 0.9
    assert scores["ner"]["f1"] > 0.9


def test_ltp_loads_the_folder(perceptron_folder: str) -> None:
    import ltp as library

    output = library.LTP(perceptron_folder).pipeline(["江泽民来到北京大学。"])
    assert output.cws == [["江", "泽民", "来到", "北京", "大学", "。"]]
    assert output.pos == [["nh", "nh", "v", "ns", "n", "wp"]]
    assert output.ner == [[("Nh", "江泽民"), ("Ns", "北京")]]
    assert ltp.load(perceptron_folder).words(["江泽民来到北京大学。"]) == output.cws


def test_ascii_is_learned_from_full_width_text(perceptron_folder: str) -> None:
    model = ltp.load(perceptron_folder)
    sentences = ["我爱１９９８年的春天。", "我爱1998年的春天."]
    assert model.words(sentences) == [
        ["我", "爱", "１９９８年", "的", "春天", "。"],
        ["我", "爱", "1998年", "的", "春天", "."],
    ]


def test_same_seed_same_bytes(tagged_file: str, tmp_path: pathlib.Path) -> None:
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    for folder, processes in zip(folders, [1, 2]):
        ltp_training.train(
            [tagged_file],
            folder,
            num_epochs=2,
            heldout_fraction=0.3,
            num_processes=processes,
            report=silent,
        )
    for name in sorted(os.listdir(folders[0])):
        first, second = (pathlib.Path(folder, name).read_bytes() for folder in folders)
        assert first == second, name


def test_nothing_held_out(tagged_file: str, tmp_path: pathlib.Path) -> None:
    lines: list[str] = []
    results = ltp_training.train(
        [tagged_file], str(tmp_path), ["cws"], 1, heldout_fraction=0, report=lines.append
    )
    assert results["cws"].scores == {}
    assert "training on 150 sentences, 0 held out, 1 epochs" in lines
    assert ltp_training.format_table(results).endswith("none")
    assert ltp.load(str(tmp_path)).words(["我爱北京。"]) == [["我", "爱", "北京", "。"]]


def test_too_little_text_is_told(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tagged.txt"
    path.write_text("中国/ns 人民/n\n", encoding="utf-8")
    with pytest.raises(DataError, match="expected more text than this"):
        ltp_training.train([str(path)], str(tmp_path / "out"), num_epochs=1, report=silent)
    shown = capfd.readouterr()
    assert "panicked" not in shown.out + shown.err  # the crash of LTP's trainer stays out of sight
    assert not (tmp_path / "out").exists()


def test_text_without_names_is_told(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "tagged.txt"
    path.write_text("好/a 的/u\n", encoding="utf-8")
    with pytest.raises(DataError, match="no name to learn ner from"):
        ltp_training.train([str(path)], str(tmp_path / "out"), report=silent)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tasks": ["cws", "srl"]}, "tasks srl; expected cws, pos, ner"),
        ({"tasks": []}, "tasks "),
        ({"num_epochs": 0}, "0 epochs"),
        ({"heldout_fraction": 1.0}, "held-out fraction 1.0"),
        ({"heldout_fraction": -0.1}, "held-out fraction -0.1"),
    ],
)
def test_bad_arguments_are_told(
    tagged_file: str, tmp_path: pathlib.Path, arguments: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ltp_training.train([tagged_file], str(tmp_path), **arguments, report=silent)
