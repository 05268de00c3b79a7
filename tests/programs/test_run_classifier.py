import json
import pathlib
import re
import shutil
import signal
import statistics

import launcher
import numpy as np
import pytest
from finetuning_runs import chnsenticorp, reviews, scalars, weights

from bert_wwm.core.lock import locked

PROGRAM = "run_classifier.py"
FLAGS = (
    "--max_seq_length=32",
    "--train_batch_size=16",
    "--learning_rate=2e-3",
    "--num_train_epochs=2",
    "--log_every_steps=1",
)
ALL = ("--do_train", "--do_eval", "--do_predict")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, count) in enumerate((("train", 96), ("dev", 32), ("test", 16))):
        (folder / f"{name}.tsv").write_text(chnsenticorp(reviews(count, seed)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def toy(model, data):
    """The flags of a toy task."""
    return ("--task_name=chnsenticorp", f"--data_dir={data}", *model, *FLAGS)


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory):
    """The folder of a run, and what the program printed."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    return folder, launcher.run(PROGRAM, *toy, *ALL, f"--output_dir={folder}").stdout


def write(path: pathlib.Path, text: str) -> pathlib.Path:
    path.write_text(text, encoding="utf-8")
    return path


def table(path):
    return np.array([line.split("\t") for line in path.read_text().splitlines()], float)


def content(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_all_files_are_there_and_well_formed(trained, data):
    folder, output = trained
    truth = {}
    for split in ("dev", "test"):
        lines = (data / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        truth[split] = np.array([int(line[0]) for line in lines])
        chances = table(folder / f"{split}_results.tsv")
        assert chances.shape == (len(lines), 2)
        assert chances.sum(axis=1) == pytest.approx(1)
        header, *named = (folder / f"{split}_labels.tsv").read_text().splitlines()
        assert header == "id\tlabel\tprobability"
        for number, (line, row) in enumerate(zip(named, chances), 2):  # behind the header
            name, label, chance = line.split("\t")
            assert (name, label) == (str(number), str(row.argmax()))
            assert float(chance) == pytest.approx(row.max(), abs=1e-6)
        accuracy = 100 * np.mean(chances.argmax(axis=1) == truth[split])
        assert f"ChnSentiCorp, {split}: accuracy  {accuracy:.2f}\n" in output
        assert content(folder, "results.json")[split]["accuracy"]["max"] == pytest.approx(accuracy)
        assert content(folder, "run.json")[split]["accuracy"] == pytest.approx(accuracy)
    chances = table(folder / "dev_results.tsv")
    loss = -np.log(chances[np.arange(32), truth["dev"]]).mean()
    lines = dict(
        line.split(" = ") for line in (folder / "eval_results.txt").read_text().splitlines()
    )
    assert list(lines) == ["eval_accuracy", "eval_loss", "global_step", "loss"]
    accuracy = np.mean(chances.argmax(axis=1) == truth["dev"])
    assert float(lines["eval_accuracy"]) == pytest.approx(accuracy)
    assert float(lines["eval_loss"]) == float(lines["loss"]) == pytest.approx(loss)
    best = content(folder, "best/best.json")
    assert int(lines["global_step"]) == best["step"]
    assert best["value"] == pytest.approx(100 * accuracy)
    summary = content(folder, "training_summary.json")
    assert [one["step"] for one in summary["evaluations"]] == [6, 12]
    assert max(one["accuracy"] for one in summary["evaluations"]) == best["value"]
    assert (summary["last_step"], summary["examples"]) == (12, 192)
    assert content(folder, "labels.json") == ["0", "1"]
    results = content(folder, "results.json")
    assert results["settings"] == {
        "max_seq_length": 32,
        "train_batch_size": 16,
        "num_train_epochs": 2.0,
        "learning_rate": 0.002,
    }
    assert {path.name for path in folder.iterdir()} >= {"learning_curve.png"}


@pytest.mark.parametrize("by_checkpoint", [False, True])
def test_a_later_evaluation_and_prediction_give_the_same(trained, toy, tmp_path, by_checkpoint):
    """In the same folder; or in another one by its weights. The file has no labels."""
    folder = trained[0]
    names, flags = ["test_results.tsv"], [f"--output_dir={folder}"]
    if by_checkpoint:
        flags = [f"--output_dir={tmp_path / 'other'}", f"--init_checkpoint={folder}"]
    else:
        names += ["dev_results.tsv", "eval_results.txt"]
        flags.append("--do_eval")
    expected = {name: (folder / name).read_text() for name in names}
    if by_checkpoint:
        folder = tmp_path / "other"
    for name in names:
        (folder / name).unlink(missing_ok=True)
    texts = "".join(f"{text}\n" for text, _ in reviews(16, 2))
    bare = write(tmp_path / "bare.tsv", f"text_a\n{texts}")
    record = (trained[0] / "run.json").read_text()
    output = launcher.output(PROGRAM, *toy, "--do_predict", f"--predict_file={bare}", *flags)
    assert {name: (folder / name).read_text() for name in names} == expected
    assert "test: accuracy" not in output
    weights_from = f"Weights from {trained[0]}/best/model.ckpt-"
    assert (weights_from in output) == (not by_checkpoint)
    assert (f"Initial weights from {trained[0]}/best/" in output) == by_checkpoint
    assert (trained[0] / "run.json").read_text() == record


def test_what_is_done_is_not_done_again(trained, toy):
    folder, output = trained
    summary = (folder / "training_summary.json").read_text()
    again = launcher.output(PROGRAM, *toy, *ALL, f"--output_dir={folder}")
    assert f"{folder}: trained before, with these settings" in again and "step" not in again
    assert again.splitlines()[-2:] == output.splitlines()[-2:]  # the scores
    assert (folder / "training_summary.json").read_text() == summary


def test_an_interrupted_training_ends_as_if_it_had_not_been(trained, toy, tmp_path):
    """Killed in its first epoch, terminated in its second, then run to the end."""
    folder = tmp_path / "run"
    flags = (PROGRAM, *toy, *ALL, f"--output_dir={folder}", "--save_checkpoints_steps=2")

    def step_resumed_from(output):
        step = int(re.search(rf"Going on from {folder}/model.ckpt-(\d+)\n", output)[1])
        assert f"step {step + 1}/12" in output and f"step {step}/12" not in output
        return step

    launcher.interrupt(*flags, at="step 5/12")
    done = launcher.interrupt(*flags, at="step 9/12", by=signal.SIGTERM)
    assert done.returncode == 143
    assert not (folder / "eval_results.txt").exists()
    assert step_resumed_from(done.stdout) in (4, 6)  # the last of every second step was saved
    stopped = int(re.search(r"Stopped at step (\d+); the same command", done.stdout)[1])
    assert 9 <= stopped < 12
    assert (folder / f"model.ckpt-{stopped}.index").exists()
    output = launcher.output(*flags)
    assert step_resumed_from(output) == stopped
    assert output.splitlines()[-2:] == trained[1].splitlines()[-2:]
    for name in ("dev_results.tsv", "test_results.tsv", "eval_results.txt"):
        assert (folder / name).read_text() == (trained[0] / name).read_text()
    assert weights(folder / "model.ckpt-12") == weights(trained[0] / "model.ckpt-12")
    assert weights(folder / "best") == weights(trained[0] / "best")


def test_accumulation_and_skipped_padding_do_not_change_the_losses(toy, bert_config, tmp_path):
    """There is no dropout here, and no evaluation."""
    config = bert_config(
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_hidden_layers=1
    )
    flags = (*toy, f"--bert_config_file={config}", "--num_train_epochs=1", "--do_train")
    skipped, in_parts, padded = (tmp_path / name for name in ("skipped", "in_parts", "padded"))
    launcher.output(PROGRAM, *flags, f"--output_dir={skipped}")
    launcher.output(PROGRAM, *flags, f"--output_dir={in_parts}", "--num_accumulation_steps=2")
    launcher.output(PROGRAM, *flags, f"--output_dir={padded}", "--skip_padding=False")
    assert len(scalars(skipped, "loss")) == len(scalars(padded, "loss")) == 6
    assert scalars(in_parts, "loss") == pytest.approx(scalars(skipped, "loss"), abs=1e-3)
    assert scalars(skipped, "loss") == pytest.approx(scalars(padded, "loss"), abs=1e-4)
    tokens, padding = (np.array(scalars(padded, name)) for name in ("tokens", "padding"))
    assert tokens.tolist() == scalars(skipped, "tokens")
    assert padding == pytest.approx(1 - tokens / (16 * 32), abs=1e-5)
    assert padding.mean() > 0.3
    # Batches are padded to their own longest.
    assert padding.mean() > np.mean(scalars(skipped, "padding_skipped")) > 0.1
    assert not (padded / "best").exists()
    assert (padded / "model.ckpt-6.index").exists()


@pytest.mark.long
def test_xla_meets_few_shapes(toy, bert_config, tmp_path):
    """Multiples of 64: it compiles a step for each."""
    config = bert_config(max_position_embeddings=100, num_hidden_layers=1)
    flags = (*toy, f"--bert_config_file={config}", "--max_seq_length=100", "--use_xla")
    launcher.output(
        PROGRAM, *flags, "--num_train_epochs=1", "--do_train", f"--output_dir={tmp_path}"
    )
    tokens, padding = (np.array(scalars(tmp_path, name)) for name in ("tokens", "padding"))
    assert padding == pytest.approx(1 - tokens / (16 * 64), abs=1e-5)


@pytest.mark.long
def test_several_seeds_and_rates(toy, tmp_path):
    folder = tmp_path / "runs"
    flags = (*toy, *ALL, "--num_runs=2", "--learning_rate=1e-3,3e-3", "--num_train_epochs=1")
    flags = (PROGRAM, *flags, f"--output_dir={folder}", "--random_seed=7")
    names = [f"rate_{rate}_seed_{seed}" for rate in ("0.001", "0.003") for seed in (7, 8)]
    third = names[2]
    launcher.interrupt(*flags, at=f"{third}(.|\n)*step 2/6")
    before = {name: (folder / name / "dev_results.tsv").read_text() for name in names[:2]}
    assert before[names[0]] != before[names[1]]  # another seed
    assert not (folder / "results.json").exists()

    output = launcher.output(*flags)
    for name in names:
        assert f"{folder / name}\n" in output
        trained_before = f"{folder / name}: trained before, with these settings" in output
        assert trained_before == (name in before)
        kept = {path.name for path in (folder / name).glob("*ckpt*")}
        assert not kept and not (folder / name / "checkpoint").exists()
        assert len(list((folder / name / "best").glob("model.ckpt-*.index"))) == 1
    for name in before:
        assert (folder / name / "dev_results.tsv").read_text() == before[name]

    results = content(folder, "results.json")
    records = {name: content(folder / name, "run.json") for name in names}
    means = {
        rate: statistics.mean(
            records[f"rate_{rate}_seed_{seed}"]["dev"]["accuracy"] for seed in (7, 8)
        )
        for rate in ("0.001", "0.003")
    }
    assert {rate: one["accuracy"]["mean"] for rate, one in results["search"].items()} == means
    chosen = max(means, key=means.get)
    assert results["learning_rate"] == float(chosen)
    assert [run["seed"] for run in results["runs"]] == [7, 8]
    for split in ("dev", "test"):
        scores = [records[f"rate_{chosen}_seed_{seed}"][split]["accuracy"] for seed in (7, 8)]
        assert results[split]["accuracy"] == pytest.approx(
            {
                "max": max(scores),
                "mean": sum(scores) / 2,
                "std": abs(scores[0] - scores[1]) / 2**0.5,
            }
        )
        line = f"{max(scores):.1f} ({sum(scores) / 2:.1f})"
        assert f"ChnSentiCorp, {split}: accuracy  {line}\n" in output

    # What is asked for later is made by the best weights; nothing is trained again.
    record = folder / third / "run.json"
    values = json.loads(record.read_text())
    del values["made_of"]["test"], values["test"]
    record.write_text(json.dumps(values))
    expected = (folder / third / "test_results.tsv").read_text()
    (folder / third / "test_results.tsv").unlink()
    again = launcher.output(*flags)
    assert "step" not in again and again.count("trained before, with these settings") == 4
    assert (folder / third / "test_results.tsv").read_text() == expected
    assert content(folder, "results.json") == results

    # A run's folder is one to predict in.
    of_run = [flag for flag in flags if not flag.startswith(("--do", "--num_runs", "--learning"))]
    of_run += ["--do_predict", f"--output_dir={folder / third}"]
    (folder / third / "test_results.tsv").unlink()
    launcher.output(*of_run)
    assert (folder / third / "test_results.tsv").read_text() == expected
    assert "the --output_dir of a run" in launcher.error(*of_run, f"--output_dir={folder}")


@pytest.mark.parametrize(
    "flag, name, before, now",
    [
        ("--learning_rate=1e-3", "learning_rate", "0.002", "0.001"),
        ("--max_seq_length=24", "max_seq_length", "32", "24"),
        ("--random_seed=1", "random_seed", "12345", "1"),
        ("--task_name=bq", "task", "chnsenticorp", "bq"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused(
    trained, toy, tmp_path, flag, name, before, now
):
    folder = trained[0]
    files = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != "features"}
    flags = [*toy, *ALL, f"--output_dir={folder}", f"--feature_dir={tmp_path}", flag]
    if name == "task":
        for split in ("train", "dev", "test"):
            path = tmp_path / f"{split}.tsv"
            path.write_text("我们\t学习\t1\n今天\t天气\t0\n", encoding="utf-8")
        flags.append(f"--data_dir={tmp_path}")
    error = launcher.error(PROGRAM, *flags)
    assert error == (
        f"{folder}: was made with {name} = {before}, this run has {now}; expected the same, or "
        "another --output_dir"
    )
    assert files == {
        path: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != "features"
    }


def test_other_data_in_the_same_folder_is_refused(trained, toy, data):
    flags = (PROGRAM, *toy, *ALL, f"--output_dir={trained[0]}")
    error = launcher.error(*flags, f"--train_file={data / 'dev.tsv'}")
    assert "hash of the training data" in error
    error = launcher.error(*flags, f"--eval_file={data / 'test.tsv'}")
    assert "hash of the evaluated data" in error


def test_a_folder_of_something_else_is_left_alone(trained, toy, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained[0], folder)
    flags = (PROGRAM, *toy, *ALL, f"--output_dir={folder}")
    write(folder / "run.json", '{"settings": ')
    assert launcher.error(*flags).startswith(f"{folder / 'run.json'}:1: broken at column 14")
    (folder / "run.json").unlink()
    error = launcher.error(*flags)
    assert error.startswith(f"{folder}: holds weights of another program; expected a new --output")


COLUMNS = ("--task_name=TSV", "--text_columns=1", "--label_column=0")


@pytest.fixture(scope="module")
def own_table(model, tmp_path_factory):
    """The folder of a run on a CSV file whose classes come one after the other."""
    folder = tmp_path_factory.mktemp("own_table")
    rows = reviews(832, 3)
    words = {"0": '"错, 很错"', "1": '"""好"""'}
    for name, part in (("train", rows[:768]), ("dev", rows[768:])):
        lines = [f"{words[label]},{text}\n" for text, label in sorted(part, key=lambda row: row[1])]
        write(folder / f"{name}.csv", "".join(lines))
    flags = (f"--train_file={folder / 'train.csv'}", f"--eval_file={folder / 'dev.csv'}")
    folder = folder / "run"
    output = launcher.output(
        *(PROGRAM, *COLUMNS, *flags, *model, *FLAGS, "--num_train_epochs=1"),
        *("--do_train", "--do_eval", f"--output_dir={folder}"),
    )
    return folder, output


def test_sorted_classes_are_learned_and_their_names_are_predicted(own_table, model, tmp_path):
    folder, output = own_table
    names = ['"好"', "错, 很错"]
    assert content(folder, "labels.json") == names
    assert float(re.search(r"dev: accuracy  ([\d.]+)", output)[1]) > 95

    bare = write(tmp_path / "bare.csv", "使用语言好好\n今天错错错\n")
    columns = ("--task_name=tsv", "--text_columns=0", "--label_column=1")
    flags = (PROGRAM, *columns, f"--predict_file={bare}", *model, *FLAGS, "--do_predict")
    other = tmp_path / "other"
    error = launcher.error(*flags, f"--output_dir={other}")
    assert error.startswith(f"{other / 'labels.json'}: missing, so the labels of tsv aren't known")
    assert not other.exists()
    best = folder / "best"
    launcher.output(*flags, f"--output_dir={other}", f"--init_checkpoint={best}")
    lines = (other / "test_labels.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split("\t")[1] for line in lines] == names


def test_another_number_of_classes_is_told(own_table, model, tmp_path):
    """The other table names its columns, and its labels are numbers."""
    rows = [f"{n}\t{text}\t{n % 3 - 1}\n" for n, (text, _) in enumerate(reviews(36, 0))]
    table = write(tmp_path / "train.tsv", "id\t评论\t标签\n" + "".join(rows))
    columns = ("--task_name=tsv", "--text_columns=评论", "--label_column=标签")
    flags = (PROGRAM, *columns, f"--train_file={table}", *model, *FLAGS, "--do_train")
    folder, other = own_table[0], tmp_path / "other"
    assert launcher.error(*flags, f"--output_dir={folder}", "--num_train_epochs=1") == (
        f"{folder}: was made with labels = ['\"好\"', '错, 很错'], this run has ['-1', '0', '1']; "
        "expected the same, or another --output_dir"
    )
    flags += (f"--output_dir={other}",)
    for start in (folder, folder / "model.ckpt-48"):
        assert launcher.error(*flags, f"--init_checkpoint={start}") == (
            f"--init_checkpoint={start}: fine-tuned for the 2 labels of {folder / 'labels.json'}; "
            "expected weights for the 3 of tsv, or "
            "--allow_random_init=output_weights,output_bias to learn these anew"
        )
    anew = "--allow_random_init=output_weights,output_bias"
    launcher.output(*flags, f"--init_checkpoint={folder}", anew)
    assert content(other, "labels.json") == ["-1", "0", "1"]


def test_what_annotators_disagree_on_is_predicted_but_neither_learned_nor_scored(model, tmp_path):
    names = ("contradiction", "entailment", "-")
    lines = [
        {"id": 100 + n, "sentence1": text, "sentence2": "学习", "label": names[n % 3]}
        for n, (text, _) in enumerate(reviews(36, 5))
    ]
    path = write(tmp_path / "a.json", "".join(f"{json.dumps(line)}\n" for line in lines))
    splits = ("train", "eval", "predict")
    flags = ("--task_name=ocnli", *(f"--{split}_file={path}" for split in splits), *model, *FLAGS)
    flags += ("--num_train_epochs=1", "--train_batch_size=8")
    folder = tmp_path / "out"
    output = launcher.output(PROGRAM, *flags, *ALL, f"--output_dir={folder}")
    told = "12 of 36 examples have the label '-' (no agreement), and are neither trained on nor"
    assert output.count(f"{path}: {told} scored\n") == 3
    assert "step 3/3 " in output  # 24 examples in batches of 8
    assert table(folder / "dev_results.tsv").shape == (24, 3)
    assert table(folder / "test_results.tsv").shape == (36, 3)
    rows = (folder / "test_labels.tsv").read_text().splitlines()[1:]
    assert [row.split("\t")[0] for row in rows] == [str(line["id"]) for line in lines]
    right = [row.split("\t")[1] == line["label"] for row, line in zip(rows, lines)]
    accuracy = 100 * sum(right) / 24
    assert f"OCNLI, test: accuracy  {accuracy:.2f}\n" in output
    assert content(folder, "run.json")["dev"]["accuracy"] == pytest.approx(accuracy)


def test_googles_command_line_for_mrpc_and_hostile_texts(model, tmp_path):
    texts = [
        "繁體中文與語言模型",
        "好😀👍🏽的",
        "ＡＢＣ１２３，全角！",
        "我们 use BERT to predict 概率",
        "引号 \"a\" 'b'",
        "",
        "\u200b\u3000",
        "好错" * 50_000,
    ]
    header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
    rows = [f"{n % 2}\t1\t1\t{text}\t{texts[-1 - n]}\n" for n, text in enumerate(texts)]
    write(tmp_path / "train.tsv", header + "".join(rows))
    write(tmp_path / "dev.tsv", header + "".join(rows))
    header = "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
    write(tmp_path / "test.tsv", header + "".join(rows))
    folder = tmp_path / "out"
    output = launcher.output(
        PROGRAM,
        "--task_name=MRPC",
        "--do_train=true",
        "--do_eval=true",
        "--do_predict=true",
        f"--data_dir={tmp_path}",
        *model,
        "--max_seq_length=32",
        "--train_batch_size=32",
        "--learning_rate=2e-5",
        "--num_train_epochs=3.0",
        f"--output_dir={folder}/",
    )
    assert "step 1/1 " in output  # eight examples, batches of 32
    assert "have an empty text; the first is" in output
    assert f"{tmp_path / 'train.tsv'}: 2 of 8 texts (25.0 %) have more pieces than" in output
    assert table(folder / "test_results.tsv").shape == (8, 2)
    assert re.search(r"MRPC, dev: f1 / accuracy  [\d.]+ / [\d.]+\n", output)
    assert "MRPC, test" not in output
    assert "eval_f1 = " in (folder / "eval_results.txt").read_text()


def test_a_folder_that_another_process_trains_in_is_refused(model, tmp_path):
    write(tmp_path / "train.tsv", "label\ttext_a\n1\t我们\n")
    toy = ("--task_name=chnsenticorp", f"--data_dir={tmp_path}", *model, *FLAGS, "--do_train")
    with locked(str(tmp_path / "out")):
        error = launcher.error(PROGRAM, *toy, f"--output_dir={tmp_path / 'out'}")
    assert error.startswith(f"{tmp_path / 'out'}: another process is writing there")


@pytest.mark.parametrize(
    "line, flags, error",
    [
        ("2\t学习", [], "train.tsv:3: label '2'; expected one of 0, 1"),
        ("\t学习", [], "train.tsv:3: has no label; expected one"),
        ("0\t学习", ["--train_file=/no/such.tsv"], "/no/such.tsv: no such file"),
        ("0\t学习", ["--max_seq_length=65"], "--max_seq_length=65 is more than max_position_emb"),
        ("0\t学习", ["--nodo_train"], "nothing to do; expected --do_train"),
        ("0\t学习", ["--init_checkpoint=/no/such"], "/no/such: no such checkpoint"),
        ("0\t学习", ["--init_checkpoint=cased_L-2_H-4_A-2"], "cased_L-2_H-4_A-2: no such"),
        ("0\t学习", ["--output_dir=run[1]"], "--output_dir=run[1]: TensorFlow can't read"),
        ("0\t学习", ["--num_accumulation_steps=3"], "--train_batch_size=16 can't be divided"),
        ("0\t学习", ["--text_columns=0"], "--text_columns: only for --task_name=tsv"),
        ("0\t学习", ["--task_name=tsv"], "--task_name=tsv: expected --text_columns and"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(model, tmp_path, line, flags, error):
    write(tmp_path / "train.tsv", f"label\ttext_a\n1\t我们\n{line}\n")
    folder = tmp_path / "out"
    toy = ("--task_name=chnsenticorp", f"--data_dir={tmp_path}", *model, *FLAGS, "--do_train")
    assert error in launcher.error(PROGRAM, *toy, f"--output_dir={folder}", *flags)
    written = [path.name for path in folder.iterdir()] if folder.exists() else []
    assert set(written) <= {"features", "run.json", "labels.json"}
