import json
import pathlib
import re

import launcher
import pytest
from finetuning_runs import entities

PROGRAM = "run_ner.py"
FLAGS = (
    "--max_seq_length=24",
    "--train_batch_size=16",
    "--learning_rate=3e-3",
    "--num_train_epochs=1",
)
ALL = ("--do_train", "--do_eval", "--do_predict")


@pytest.fixture(scope="module")
def toy(model, tmp_path_factory):
    """The flags of a toy task."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, count) in enumerate((("train", 256), ("dev", 32), ("test", 16))):
        write(folder / f"{name}.txt", entities(count, seed))
    return ("--task_name=NER", f"--data_dir={folder}", *model, *FLAGS)


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory):
    """The folder of a run, and what the program printed."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    return folder, launcher.run(PROGRAM, *toy, *ALL, f"--output_dir={folder}").stdout


def write(path: pathlib.Path, text: str) -> pathlib.Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_entities_are_learned_and_the_files_score_the_same(trained, toy):
    folder, output = trained
    results = json.loads((folder / "results.json").read_text())
    for split, name in (("dev", "dev_predictions.conll"), ("test", "predictions.conll")):
        scored = launcher.output(
            "scripts/evaluate_tagging.py", f"--prediction_file={folder / name}"
        )
        scores = json.loads(scored)
        shown = [f"{scores[name]:.2f}" for name in ("precision", "recall", "f1")]
        assert f", {split}: precision / recall / f1  {' / '.join(shown)}\n" in output
        assert results[split]["f1"]["max"] == pytest.approx(scores["f1"], abs=0.01)
        assert scores["f1"] > 90
    lines = (folder / "eval_results.txt").read_text().splitlines()
    values = dict(line.split(" = ") for line in lines)
    assert list(values) == ["accuracy", "f1", "global_step", "precision", "recall"]
    assert json.loads((folder / "labels.json").read_text()) == [
        *("O", "B-LOC", "B-PER", "I-LOC", "I-PER")
    ]


def test_it_predicts_what_has_no_tags(trained, toy, tmp_path):
    tokens = ["中", "国", "人", "民", "😀", "\u3000", "繁", "BERT", "Ａ", "\u200b"]
    long = ["我", "们"] * 50_000
    bare = "".join(f"{token}\n" for token in [*tokens, "", *long])
    path = write(tmp_path / "bare.txt", bare)
    folder = tmp_path / "out"
    flags = (f"--init_checkpoint={trained[0] / 'best'}", f"--output_dir={folder}")
    output = launcher.output(PROGRAM, *toy, "--do_predict", f"--predict_file={path}", *flags)
    assert "f1" not in output
    lines = (folder / "predictions.conll").read_text(encoding="utf-8").split("\n")
    rows = [line.split("\t") for line in lines if line]
    assert [row[0] for row in rows] == tokens + long
    assert {row[1] for row in rows} <= {"O", "B-LOC", "I-LOC", "B-PER", "I-PER"}
    error = launcher.error(PROGRAM, *toy, "--do_eval", f"--eval_file={path}", *flags)
    assert error.startswith(f"{path}: no example has a tag; expected some to evaluate by")


def test_cluener_and_tags_never_seen_in_training(model, tmp_path):
    def line(text, **label):
        return json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n"

    write(tmp_path / "train.json", line("中国人民好", address={"中国": [[0, 1]]}) + line("", **{}))
    write(tmp_path / "dev.json", line("我们在中国", name={"我们": [[0, 1]]}))
    write(tmp_path / "test.json", '{"id": 7, "text": "今天"}\n{"id": 9, "text": ""}\n')
    folder = tmp_path / "out"
    flags = ("--task_name=cluener", f"--data_dir={tmp_path}", *model, *FLAGS)
    output = launcher.output(PROGRAM, *flags, *ALL, f"--output_dir={folder}")
    assert re.search(r"can't be predicted: B-name \(1\), I-name \(1\)", output)
    predicted = (folder / "cluener_predict.json").read_text().splitlines()
    assert [json.loads(line)["id"] for line in predicted] == [7, 9]
    assert (folder / "dev_cluener_predict.json").exists()

    write(tmp_path / "train.json", line(""))
    error = launcher.error(PROGRAM, *flags, "--do_train", f"--output_dir={tmp_path / 'other'}")
    assert error.startswith(f"{tmp_path / 'train.json'}: ")


@pytest.mark.parametrize(
    "flags, error",
    [
        ([], "train.txt:2: the number of columns, parted by blanks, is 1; exp"),
        (["--vocab_file={big}"], "big.txt: 1,000 pieces; expected at most the "),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(model, tmp_path, flags, error):
    write(tmp_path / "train.txt", "中 B-LOC\n国\n")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"p{n}" for n in range(995))]
    big = write(tmp_path / "big.txt", "".join(f"{piece}\n" for piece in pieces))
    folder = tmp_path / "out"
    toy = ("--task_name=ner", f"--data_dir={tmp_path}", *model, *FLAGS, "--do_train")
    flags = [flag.format(big=big) for flag in flags]
    assert error in launcher.error(PROGRAM, *toy, f"--output_dir={folder}", *flags)
    assert not folder.exists()
