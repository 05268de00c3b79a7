import json
import math
import pathlib
import re

import launcher
import pytest
from finetuning_runs import questions

PROGRAM = "run_squad.py"
FLAGS = (
    "--max_seq_length=32",
    "--doc_stride=8",
    "--train_batch_size=16",
    "--learning_rate=3e-3",
    "--num_train_epochs=1",
)
SCORER = "scripts/evaluate_reading.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Questions, some of which have no answer; ``bare.json`` doesn't tell any."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, count) in enumerate((("train", 192), ("dev", 32), ("test", 16))):
        write(folder / f"{name}.json", questions(count, seed, impossible=True))
        write(folder / f"{name}1.json", questions(count, seed))
    write(folder / "bare.json", questions(16, 2, answers=False))
    return folder


@pytest.fixture(scope="module")
def trained(model, data, tmp_path_factory):
    """The folder of a run for SQuAD 2.0, and what the program printed."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    flags = (
        *("--version_2_with_negative", *model, *FLAGS, "--do_train", "--do_eval", "--do_predict"),
        f"--train_file={data / 'train.json'}",
        f"--eval_file={data / 'dev.json'}",
        f"--predict_file={data / 'test.json'}",
        f"--output_dir={folder}",
    )
    return folder, launcher.run(PROGRAM, *flags).stdout, flags


def write(path: pathlib.Path, text: str) -> pathlib.Path:
    path.write_text(text, encoding="utf-8")
    return path


def content(path):
    return json.loads(path.read_text(encoding="utf-8"))


def questions_of(path):
    paragraphs = content(path)["data"][0]["paragraphs"]
    return {qa["id"]: paragraph["context"] for paragraph in paragraphs for qa in paragraph["qas"]}


@pytest.mark.parametrize("split, begin", [("dev", "dev_"), ("test", "")])
def test_answers_are_learned_and_the_files_score_the_same(trained, data, split, begin):
    folder, output, _ = trained
    contexts = questions_of(data / f"{split}.json")
    predictions = content(folder / f"{begin}predictions.json")
    n_best = content(folder / f"{begin}nbest_predictions.json")
    null_odds = content(folder / f"{begin}null_odds.json")
    assert list(predictions) == list(n_best) == list(null_odds) == list(contexts)
    for name, context in contexts.items():
        assert predictions[name] in context  # which holds the empty answer too
        assert (predictions[name] == "") == (null_odds[name] > 0)
        assert n_best[name][0]["text"] == predictions[name] and len(n_best[name]) <= 20
        assert set(n_best[name][0]) == {"text", "probability", "start_logit", "end_logit"}
        assert sum(entry["probability"] for entry in n_best[name]) == pytest.approx(1)
        assert all(math.isfinite(entry["start_logit"]) for entry in n_best[name])

    figures = json.loads(
        launcher.output(
            SCORER,
            "--metric=squad2",
            f"--dataset_file={data / f'{split}.json'}",
            f"--prediction_file={folder / f'{begin}predictions.json'}",
        )
    )
    shown = f"{figures['exact']:.2f} / {figures['f1']:.2f}"
    assert f"SQuAD 2.0, {split}: em / f1  {shown}\n" in output
    results = content(folder / "results.json")
    assert results[split]["f1"]["max"] == pytest.approx(figures["f1"])
    assert figures["f1"] > 80
    lines = (folder / "eval_results.txt").read_text().splitlines()
    values = dict(line.split(" = ") for line in lines)
    assert list(values) == ["em", "f1", "global_step"]
    assert not (folder / "labels.json").exists()


def test_another_threshold_predicts_anew(trained):
    """Though nothing is trained again."""
    folder, _, flags = trained
    flags = [flag for flag in flags if flag != "--do_eval"]
    before = content(folder / "predictions.json")
    again = launcher.output(PROGRAM, *flags, "--null_score_diff_threshold=-1000")
    assert "trained before, with these settings" in again
    assert not any(content(folder / "predictions.json").values())
    launcher.output(PROGRAM, *flags)
    assert content(folder / "predictions.json") == before


def test_googles_command_line(trained, bert_config, vocab_file, data, tmp_path):
    """No evaluation; later predictions, of a file with answers, and of one without.

    Before that, it starts from checkpoints that do not fit.
    """
    folder = tmp_path / "squad_base"
    config = bert_config(hidden_size=64, num_hidden_layers=1)
    flags = (
        *(f"--bert_config_file={config}", f"--vocab_file={vocab_file}", *FLAGS),
        *(f"--output_dir={folder}/", "--verbose_logging=True"),
    )
    all_flags = (
        "--do_train=True",
        f"--train_file={data / 'train1.json'}",
        "--do_predict=True",
        f"--predict_file={data / 'test1.json'}",
        *flags,
    )
    error = launcher.error(PROGRAM, *all_flags, f"--init_checkpoint={trained[0] / 'best'}")
    assert "bert/embeddings/word_embeddings is float32 [" in error and ", 32] in the ch" in error
    error = launcher.error(PROGRAM, *all_flags, "--init_checkpoint=/no/such")
    assert "/no/such" in error
    output = launcher.output(PROGRAM, *all_flags)
    assert re.search(r"step (\d+)/\1 ", output)
    predictions = folder / "predictions.json"
    figures = json.loads(
        launcher.output(
            SCORER,
            "--metric=squad1",
            f"--dataset_file={data / 'test1.json'}",
            f"--prediction_file={predictions}",
        )
    )
    shown = f"{figures['exact_match']:.2f} / {figures['f1']:.2f}"
    assert f"SQuAD 1.1, test: em / f1  {shown}\n" in output
    assert not (folder / "null_odds.json").exists() and not (folder / "best").exists()
    before = predictions.read_text(encoding="utf-8")
    predictions.unlink()
    bare = f"--predict_file={data / 'bare.json'}"
    output = launcher.output(PROGRAM, "--do_predict", bare, *flags)
    assert predictions.read_text(encoding="utf-8") == before
    assert "em / f1" not in output
    error = launcher.error(PROGRAM, "--do_eval", f"--eval_file={data / 'bare.json'}", *flags)
    assert error.startswith(f"{data / 'bare.json'}: no example has an answer; expected some to")
    error = launcher.error(PROGRAM, "--do_eval", bare, *flags)
    assert error.startswith("where is the dev file of squad? expected --eval_file")
    assert "--do_predict gives the scores of --predict_file too" in error


def squad(*paragraphs):
    """SQuAD's JSON of contexts, each with a question (its id, its answer and where that is)."""
    found = [
        {
            "context": context,
            "qas": [
                {
                    "id": name,
                    "question": question,
                    "answers": [{"text": answer, "answer_start": context.find(answer)}],
                }
            ],
        }
        for name, context, question, answer in paragraphs
    ]
    return json.dumps({"data": [{"title": "", "paragraphs": found}]})


def test_hostile_texts_and_cjrc(model, tmp_path):
    texts = [
        ("1", "繁體中文與語言模型", "什麼", "語言"),
        ("2", "好😀👍🏽的", "😀？", "👍🏽"),
        ("3", "ＡＢＣ１２３，全角！", "", "１２３"),
        ("4", "我们 use BERT\nto predict 概率", "who", "BERT\nto"),
        ("5", "", "语言" * 200, ""),
        ("6", "语言" * 50_000, "空", "YES"),
        ("\ud800", "半\ud800个", "\udc00", "半\ud800"),
    ]
    path = write(tmp_path / "a.json", squad(*texts))
    folder = tmp_path / "out"
    output = launcher.output(
        PROGRAM,
        *("--task_name=cjrc", *model, *FLAGS, "--num_train_epochs=0.01"),
        *("--max_seq_length=64", "--doc_stride=64", "--do_train", "--do_predict"),
        f"--train_file={path}",
        f"--predict_file={path}",
        f"--output_dir={folder}",
    )
    assert "overlap by less than half at --doc_stride=64, so that answers" in output
    assert re.search(r"CJRC, test: em / f1  [\d.]+ / [\d.]+\n", output)
    predictions = content(folder / "predictions.json")
    assert list(predictions) == [name for name, *_ in texts]
    for name, context, *_ in texts:
        assert predictions[name] in context or predictions[name] in ("YES", "NO")


GOOD = squad(("1", "使用语言", "用什么", "语言"))


@pytest.mark.parametrize(
    "text, flags, error",
    [
        (GOOD[:-9], [], "train.json:1: broken at column "),
        (GOOD, ["--version_2_with_negative", "--task_name=cmrc2018"], "expected --task_name=squad"),
        (GOOD, ["--bert_config_file={train}"], "vocab_size is missing from this BERT config"),
        (GOOD, ["--vocab_file=/no/such"], "/no/such: no such file"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(model, tmp_path, text, flags, error):
    train = write(tmp_path / "train.json", text)
    folder = tmp_path / "out"
    toy = (f"--train_file={train}", *model, *FLAGS, "--do_train", f"--output_dir={folder}")
    flags = [flag.format(train=train) for flag in flags]
    assert error in launcher.error(PROGRAM, *toy, *flags)
    assert not folder.exists()
