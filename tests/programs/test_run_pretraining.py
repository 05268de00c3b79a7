import json
import math
import pathlib
import re
import shutil

import launcher
import numpy as np
import pytest

from bert_wwm.core.lock import locked
from bert_wwm.core.shards import manifest_path
from bert_wwm.model.checkpoint import write_variables
from bert_wwm.report.curves import read_scalars
from bert_wwm.train.optimizers import OPTIMIZERS

PROGRAM = "run_pretraining.py"
LINE = re.compile(
    r"step (\d+)/40  loss ([\d.]+)  masked_lm ([\d.]+) \(([\d.]+) %\)  next_sentence [\d.]+ "
    r"\([\d.]+ %\)  learning rate [\d.e-]+  gradient [\d.]+  [\d.]+ examples/s  [\d,]+ tokens/s  "
    r"\d+ % padding skipped  \d+:\d\d left"
)


def test_a_line_every_n_steps_and_the_same_for_tensorboard(trained):
    folder, output = trained
    lines = LINE.findall(output)
    assert [int(step) for step, *_ in lines] == [10, 20, 30, 40]
    scalars = read_scalars(str(folder))
    for name, column, unit in (
        ("loss", 1, 1),
        ("masked_lm_loss", 2, 1),
        ("masked_lm_accuracy", 3, 100),
    ):
        shown = [float(line[column]) / unit for line in lines]
        assert [value for _, value in scalars[name]] == pytest.approx(shown, abs=1e-4)
    # The rate of the last of the ten steps: schedule(9), schedule(19), ...
    assert [value for _, value in scalars["learning_rate"]] == pytest.approx(
        [1e-3 * (1 - step / 40) for step in (9, 19, 29, 39)]
    )
    losses = [float(line[1]) for line in lines]
    assert losses[-1] < losses[0]
    assert "Initial weights: all 46 variables are random; --init_checkpoint starts from" in output
    assert f"Evaluating {folder}/model.ckpt-40 on at most 800 examples" in output


def test_evaluation_writes_googles_file(trained):
    folder, _ = trained
    lines = (folder / "eval_results.txt").read_text().splitlines()
    values = dict(line.split(" = ") for line in lines)
    assert list(values) == [
        "global_step",
        "loss",
        "masked_lm_accuracy",
        "masked_lm_loss",
        "next_sentence_accuracy",
        "next_sentence_loss",
    ]
    assert values["global_step"] == "40"
    total = float(values["masked_lm_loss"]) + float(values["next_sentence_loss"])
    assert float(values["loss"]) == pytest.approx(total, rel=0.05)


def test_what_is_trained_already_is_left_alone(trained, pretrain):
    folder, _ = trained
    files = sorted(path.name for path in folder.iterdir())
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    environment = {"TF_CONFIG": json.dumps(cluster)}
    output = pretrain(folder, "--do_train", environment=environment).stdout
    assert "TF_CONFIG describes a cluster of 2 process(es), which is not used" in output
    assert f"Nothing to train: {folder}/model.ckpt-40 has had 40 steps already" in output
    assert sorted(path.name for path in folder.iterdir()) == files


def finite_checkpoints(folder):
    """The steps of a folder's checkpoints, in all of which all is finite."""
    from bert_wwm.compat import tf

    state = tf.train.get_checkpoint_state(str(folder))
    for checkpoint in state.all_model_checkpoint_paths:
        reader = tf.train.load_checkpoint(checkpoint)
        for name in reader.get_variable_to_shape_map():
            assert np.isfinite(reader.get_tensor(name)).all(), (checkpoint, name)
    return [int(path.rpartition("-")[2]) for path in state.all_model_checkpoint_paths]


def test_a_loss_that_is_no_number_ends_it(pretrain, tmp_path):
    flags = ("--do_train", "--learning_rate=1e30", "--save_checkpoints_steps=1")
    error = pretrain(tmp_path / "m", *flags, status=1, num_hidden_layers=1).stderr
    step, good = re.search(
        r"error: step (\d+): the loss or its gradients are no finite numbers; the last good "
        r"checkpoint is .*/model\.ckpt-(\d+)\. ",
        error,
    ).groups()
    assert "--stop_on_nan=False passes such steps over" in error
    assert 1 < int(step) < 10 and int(good) in (int(step) - 1, int(step))
    assert finite_checkpoints(tmp_path / "m")[-1] in (int(step) - 1, int(step))


def test_steps_without_finite_numbers_are_passed_over(pretrain, tmp_path):
    flags = ("--do_train", "--learning_rate=1e30", "--stop_on_nan=False")
    output = pretrain(tmp_path / "m", *flags, num_hidden_layers=1).stdout
    assert "step 40/40" in output
    assert output.count("10 steps skipped: no finite numbers") == 3
    assert finite_checkpoints(tmp_path / "m")[-1] == 40


def test_nothing_to_evaluate_is_told(pretrain, tmp_path):
    assert "holds no checkpoint" in pretrain(tmp_path / "m", "--do_eval", status=1).stderr


def test_it_goes_on_from_where_it_was(trained, pretrain, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(trained[0], folder)
    # So many checkpoints that the first, from which it goes on, is deleted on the way.
    output = pretrain(
        folder, "--do_train", "--do_eval", "--num_train_steps=50", "--save_checkpoints_steps=1"
    ).stdout
    assert "global_step = 50" in output
    assert not (folder / "model.ckpt-40.index").exists()
    assert f"Going on from {folder}/model.ckpt-40" in output
    assert "step 50/50" in output and "step 40/50" not in output


def test_it_starts_from_a_checkpoint_and_says_what_it_took(trained, pretrain, tmp_path):
    checkpoint = trained[0] / "model.ckpt-40"
    output = pretrain(
        tmp_path / "model",
        "--do_train",
        "--num_train_steps=10",
        f"--init_checkpoint={checkpoint}",
        "--optimizer=lamb",
        num_hidden_layers=1,
    ).stdout
    assert f"Initial weights from {checkpoint}" in output
    assert "bert/encoder/layer_0/* (16)" in output
    assert re.search(r"left in the checkpoint +16\n +bert/encoder/layer_1/\* \(16\)", output)


def test_a_checkpoint_that_does_not_fit_is_named(trained, pretrain, tmp_path):
    checkpoint = f"--init_checkpoint={trained[0] / 'model.ckpt-40'}"
    error = pretrain(tmp_path / "a", "--do_train", checkpoint, status=1, hidden_size=64).stderr
    assert "bert/embeddings/word_embeddings is float32 [" in error
    assert ", 64] in the model and float32 [" in error and ", 32] in the checkpoint" in error


def test_a_folder_with_another_model_is_not_gone_on_with(trained, pretrain, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(trained[0], folder)
    flags = ("--do_train", "--num_train_steps=50")
    assert "does not fit the model" in pretrain(folder, *flags, status=1, hidden_size=64).stderr
    error = pretrain(folder, *flags, "--optimizer=lamb", status=1).stderr
    assert "/lamb_m; expected the same model and optimizer, or another --output_dir" in error


def test_a_folder_that_another_process_trains_in_is_refused(pretrain, tmp_path):
    with locked(str(tmp_path / "m")):
        error = pretrain(tmp_path / "m", "--do_train", status=1).stderr
    assert f"{tmp_path / 'm'}: another process is writing there; wait for its end" in error


@pytest.mark.parametrize("flag", ["--do_train", "--do_eval"])
def test_a_release_is_not_written_into(pretrain, tmp_path, flag):
    write_variables(f"{tmp_path}/bert_model.ckpt", {"bert/weights": np.ones(2, np.float32)})
    before = sorted(path.name for path in tmp_path.iterdir())
    error = pretrain(tmp_path, flag, status=1).stderr
    assert f"--init_checkpoint={tmp_path}/bert_model.ckpt to start from them" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "flags, have, want",
    [
        (["--max_seq_length=64"], "max_seq_length = 32", "--max_seq_length is 64"),
        (["--masking_strategy=piece"], "strategy = wwm", "--masking_strategy is piece"),
        (["--do_lower_case=False"], "do_lower_case = True", "by its flag or its files, is False"),
    ],
)
def test_records_of_another_kind_are_refused(pretrain, tmp_path, flags, have, want):
    error = pretrain(tmp_path / "model", "--do_train", *flags, status=1).stderr
    assert have in error and want in error
    assert not (tmp_path / "model").exists()


def test_records_of_another_vocabulary_are_refused(pretrain, tmp_path):
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    model = tmp_path / "model"
    error = pretrain(model, "--do_train", f"--vocab_file={vocabulary}", status=1).stderr
    assert "vocab_sha256 = " in error and "the SHA-256 of --vocab_file is " in error
    error = pretrain(model, "--do_train", status=1, vocab_size=21128).stderr
    assert "vocab_size of --bert_config_file is 21128" in error


def test_broken_records_are_named_with_the_place(pretrain, records, tmp_path):
    copy = tmp_path / "a.tfrecord"
    content = bytearray(pathlib.Path(records).read_bytes())
    middle = len(content) // 2
    content[middle] ^= 0xFF
    copy.write_bytes(bytes(content))
    model = tmp_path / "model"
    error = pretrain(model, "--do_train", f"--input_file={copy}", status=1).stderr
    assert re.search(r"a\.tfrecord: record \d+ at byte \d+ is truncated or corrupt", error)
    copy.write_bytes(pathlib.Path(records).read_bytes()[:middle])
    error = pretrain(model, "--do_train", f"--input_file={copy}", status=1).stderr
    assert re.search(r"a\.tfrecord: record \d+ at byte \d+ is truncated or corrupt", error)
    shutil.copy(manifest_path(records), tmp_path)
    error = pretrain(model, "--do_train", f"--input_file={copy}", status=1).stderr
    assert "its manifest says" in error


def test_a_later_record_of_another_length_is_named(pretrain, records, tmp_path, corpus, vocab_file):
    other = tmp_path / "b.tfrecord"
    launcher.run(
        "create_pretraining_data_wwm.py",
        f"--input_file={corpus}",
        f"--output_file={other}",
        f"--vocab_file={vocab_file}",
        "--segmenter=characters",
    )
    both = tmp_path / "both"
    both.write_bytes(pathlib.Path(records).read_bytes() + other.read_bytes())
    error = pretrain(tmp_path / "m", "--do_train", f"--input_file={both}", status=1).stderr
    assert "has 128 values of input_ids, but the flags ask for 32" in error


def test_heads_that_were_never_trained_are_not_evaluated(trained, pretrain, tmp_path):
    from bert_wwm.compat import tf

    with tf.Graph().as_default(), tf.Session() as session:
        reader = tf.train.load_checkpoint(str(trained[0]))
        for name in reader.get_variable_to_shape_map():
            if name.startswith("bert/") and "adam" not in name:
                tf.get_variable(name, initializer=reader.get_tensor(name))
        session.run(tf.global_variables_initializer())
        encoder = tf.train.Saver().save(session, str(tmp_path / "encoder"))
    flags = ("--do_eval", f"--init_checkpoint={encoder}")
    error = pretrain(tmp_path / "m", *flags, status=1).stderr
    assert "cls/predictions/output_bias" in error and "nothing to evaluate before" in error


def test_googles_records_are_taken_on_trust_but_for_their_shapes(
    trained, pretrain, records, tmp_path
):
    copy = tmp_path / "a.tfrecord"
    shutil.copy(records, copy)
    checkpoint = f"--init_checkpoint={trained[0]}"
    output = pretrain(tmp_path / "m", "--do_eval", f"--input_file={copy}", checkpoint).stdout
    assert "has no manifest" in output
    evaluated = (tmp_path / "m" / "eval_results.txt").read_text()
    assert (
        evaluated.splitlines()[1:] == (trained[0] / "eval_results.txt").read_text().splitlines()[1:]
    )
    flags = (f"--input_file={copy}", "--max_seq_length=64")
    error = pretrain(tmp_path / "m", "--do_eval", *flags, status=1).stderr
    assert "record 0 has 32 values of input_ids, but the flags ask for 64" in error


def test_packed_records_need_their_manifest(pretrain, packed_records, tmp_path):
    copy = tmp_path / "a.tfrecord"
    shutil.copy(packed_records.replace("*", "0"), copy)
    error = pretrain(tmp_path / "m", "--do_train", f"--input_file={copy}", status=1).stderr
    assert "a.tfrecord: holds packed instances, but no manifest says how many; expected " in error
    assert f"{manifest_path(str(copy))}, which was written with it" in error


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "nothing to do; expected --do_train, --do_eval or both"),
        (["--do_train", "--input_file=nothing"], "nothing: no such file"),
        (["--do_train", "--optimizer=sgd"], "value should be one of <adamw|lamb>"),
        (["--do_train", "--output_dir="], "--output_dir=: expected a folder"),
        (["--do_train", "--use_tpu"], "--use_tpu needs --tpu_name or --master"),
        (["--do_train", "--train_batch_size=0"], "0 is not a positive integer"),
        (["--do_train", "--eval_every_steps=5"], "--eval_every_steps needs --eval_input_file"),
        (["--do_train", "--init_layers=1"], "--init_layers needs --init_checkpoint"),
        (
            ["--do_train", "--init_layers=1,x", "--init_checkpoint=m"],
            "--init_layers: 'x' is no number",
        ),
        (["--do_train", "--allow_random_init=a"], "--allow_random_init needs --init_checkpoint"),
        (["--do_train", "--init_checkpoint=none"], "none: no such checkpoint"),
        (["--do_train", "--init_checkpoint=run[1]"], "--init_checkpoint=run[1]: TensorFlow can't"),
        (["--do_train", "--output_dir=run[1]/a"], "expected a path without"),
        (
            ["--do_eval", "--use_tpu", "--master=x", "--eval_batch_size=12"],
            "--eval_batch_size=12 can't be divided evenly by --num_tpu_cores=8",
        ),
        (
            ["--do_train", "--use_tpu", "--master=x", "--distribution_strategy=mirrored"],
            "--use_tpu and --distribution_strategy: expected one of the two",
        ),
        (
            ["--do_train", "--use_tpu", "--master=x", "--use_float16"],
            "--use_float16: is for GPUs; expected --use_bfloat16 on a TPU",
        ),
    ],
)
def test_bad_flags_are_named(pretrain, tmp_path, flags, message):
    assert message in pretrain(tmp_path / "model", *flags, status=1).stderr


def test_the_flags_list_what_the_tables_hold():
    from bert_wwm.masking.strategies import STRATEGIES

    text = launcher.run(PROGRAM, "--help", status=1).stdout
    assert f"<{'|'.join(OPTIMIZERS.names())}>" in text
    assert f"<{'|'.join(STRATEGIES.names())}>" in text


def test_a_missing_or_broken_configuration_is_named(records, tmp_path):
    for text, message in (
        (None, "no such file"),
        ("{", "bert_config.json:1: broken at column 2"),
        (
            '{"vocab_size": 9, "num_attention_heads": 5}',
            "is not a multiple of num_attention_heads 5",
        ),
        (
            '{"vocab_size": 9, "max_position_embeddings": 64}',
            "is more than max_position_embeddings",
        ),
        ('{"vocab_size": 9, "hidden_size": "16"}', "hidden_size is '16'; expected a positive int"),
        ('{"vocab_size": 9, "hidden_act": "swish"}', "hidden_act: "),
    ):
        path = tmp_path / "bert_config.json"
        if text is not None:
            path.write_text(text)
        error = launcher.run(
            PROGRAM,
            f"--input_file={records}",
            f"--output_dir={tmp_path / 'm'}",
            f"--bert_config_file={path}",
            "--do_train",
            status=1,
        ).stderr
        assert message in error


def test_fill_mask_uses_the_model(trained, vocab_file, bert_config, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("语言\t7\n模型\t3\n中\n鿿\n", encoding="utf-8")
    flags = (
        f"--bert_config_file={bert_config()}",
        f"--init_checkpoint={trained[0]}",
        f"--vocab_file={vocab_file}",
        "--text=使用[MASK][MASK]模型[MASK]",
    )
    lines = launcher.run(
        "scripts/fill_mask.py", *flags, f"--words_file={words}"
    ).stdout.splitlines()
    assert lines[0] == "使用[MASK][MASK]模型[MASK]"
    assert sorted(lines[1].split()[::2]) == ["模型", "语言"]
    assert lines[2].split()[::2] == ["中"]
    lines = launcher.run("scripts/fill_mask.py", *flags, "--num_candidates=3").stdout.splitlines()
    assert [len(line.split()) for line in lines[1:]] == [6, 6]
    probabilities = [float(number) for number in lines[1].split()[1::2]]
    assert probabilities == sorted(probabilities, reverse=True)
    error = launcher.run("scripts/fill_mask.py", *flags, "--text=无", status=1).stderr
    assert "no blank; expected [MASK]" in error
    error = launcher.run("scripts/fill_mask.py", *flags, "--beam_size=0", status=1).stderr
    assert "--beam_size=0" in error


def test_fill_mask_tells_the_tags_of_a_lert_model(trained, vocab_file, bert_config, tmp_path):
    from bert_wwm.compat import tf

    with tf.Graph().as_default(), tf.Session() as session:
        reader = tf.train.load_checkpoint(str(trained[0]))
        for name in reader.get_variable_to_shape_map():
            if name.startswith(("bert/", "cls/")) and "adam" not in name:
                tf.get_variable(name, initializer=reader.get_tensor(name))
        for task, likely in (("pos", {0: 0.8, 1: 0.15, 2: 0.05}), ("ner", {0: 1.0})):
            count = {"pos": 28, "ner": 13}[task]
            bias = [math.log(likely.get(label, 1e-9)) for label in range(count)]
            with tf.variable_scope(f"cls/predictions/output_{task}_layer"):
                tf.get_variable("kernel", initializer=tf.zeros([32, count]))
                tf.get_variable("bias", initializer=tf.constant(bias))
        session.run(tf.global_variables_initializer())
        lert = tf.train.Saver().save(session, str(tmp_path / "lert"))
    output = launcher.run(
        "scripts/fill_mask.py",
        f"--bert_config_file={bert_config()}",
        f"--init_checkpoint={lert}",
        f"--vocab_file={vocab_file}",
        "--text=使用[MASK][MASK]模型[MASK]",
    ).stdout
    tags = "pos n 0.80  v 0.15   ner O 1.00"
    lines = output.splitlines()
    assert [lines[index] for index in (2, 3, 5)] == [
        f"    [MASK] {number}   {tags}" for number in (1, 2, 1)
    ]
    assert len(lines) == 6


def test_inspect_records_shows_words_and_masks(records, vocab_file):
    flags = (f"--input_file={records}", f"--vocab_file={vocab_file}")
    plain = launcher.run("scripts/inspect_records.py", *flags, "--num_examples=2").stdout
    assert plain.count("a.tfrecord record") == 2
    assert re.search(r"\[.\]", plain) and "\033[" not in plain
    assert (
        "\033[41m" in launcher.run("scripts/inspect_records.py", *flags, "--colour=always").stdout
    )


def test_build_vocabulary(corpus, tmp_path):
    path = tmp_path / "vocab.txt"
    launcher.run("scripts/build_vocabulary.py", f"--input_file={corpus}", f"--output_file={path}")
    pieces = path.read_text(encoding="utf-8").split("\n")
    assert pieces[0] == "[PAD]" and pieces[100:104] == ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert {"中", "国", "bert"} <= set(pieces)
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    error = launcher.run(
        "scripts/build_vocabulary.py", f"--input_file={empty}", f"--output_file={path}", status=1
    ).stderr
    assert "no text" in error


def test_batches_that_the_devices_cannot_share_are_refused(pretrain, tmp_path):
    flags = ("--do_train", "--num_accumulation_steps=3")
    error = pretrain(tmp_path / "model", *flags, status=1).stderr
    assert "1 device(s) x 3 accumulation step(s); expected a multiple of 3" in error
    assert not (tmp_path / "model").exists()


def test_the_best_of_several_evaluations_is_kept(trained, pretrain, records, tmp_path):
    """And between evaluations it trains as without any: the seed is the same."""
    folder = tmp_path / "model"
    flags = ("--do_train", f"--eval_input_file={records}", "--eval_every_steps=20")
    output = pretrain(folder, *flags, "--best_metric=masked_lm_accuracy").stdout
    steps = re.findall(r"^step (\d+): held out  loss [\d.]+  masked_lm ", output, re.MULTILINE)
    assert steps == ["20", "40"]
    got, want = (
        re.findall(r"^step \d+/.* gradient [\d.]+", text, re.M) for text in (output, trained[1])
    )
    assert got == want and len(want) == 4
    summary = json.loads((folder / "training_summary.json").read_text())
    assert (summary["first_step"], summary["last_step"], summary["examples"]) == (0, 40, 320)
    assert not summary["stopped"] and summary["checkpoint"] == f"{folder}/model.ckpt-40"
    assert [str(results["step"]) for results in summary["evaluations"]] == steps
    best = max(results["masked_lm_accuracy"] for results in summary["evaluations"])
    assert summary["best"] == json.loads((folder / "best" / "best.json").read_text())
    assert (summary["best"]["metric"], summary["best"]["value"]) == ("masked_lm_accuracy", best)
    assert f"Best masked_lm_accuracy so far: {best:.4f} at step {summary['best']['step']}" in output


def test_an_unknown_metric_is_refused(pretrain, records, tmp_path):
    flags = ("--do_train", f"--eval_input_file={records}", "--eval_every_steps=20")
    error = pretrain(tmp_path / "m", *flags, "--best_metric=f1", status=1).stderr
    assert error.startswith("run_pretraining.py: error: --best_metric=f1: unknown; known for these")
    assert "masked_lm_accuracy" in error and not (tmp_path / "m").exists()


def test_a_layer_starts_from_the_one_that_is_named(trained, pretrain, tmp_path):
    from bert_wwm.compat import tf

    given = tf.train.load_checkpoint(str(trained[0]))
    flags = ("--do_train", "--num_train_steps=1", "--learning_rate=0")
    origin = f"--init_checkpoint={trained[0] / 'model.ckpt-40'}"
    output = pretrain(tmp_path / "m", *flags, origin, "--init_layers=1", num_hidden_layers=1).stdout
    assert "bert/encoder/layer_0 <- bert/encoder/layer_1 (16)" in output
    made = tf.train.load_checkpoint(str(tmp_path / "m"))
    names = [name for name, _ in tf.train.list_variables(str(tmp_path / "m")) if "adam" not in name]
    assert len(names) > 20
    for name in set(names) - {"global_step"}:
        source = name.replace("layer_0", "layer_1")
        np.testing.assert_array_equal(made.get_tensor(name), given.get_tensor(source), name)
    error = pretrain(tmp_path / "n", *flags, origin, "--init_layers=1", status=1).stderr
    assert "--init_layers: 1 are 1 layers; expected 2" in error
