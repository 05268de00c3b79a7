import json
import pathlib
import re
import shutil

import pytest

from bert_wwm.core.shards import manifest_path
from bert_wwm.report.curves import read_scalars
from bert_wwm.train.optimizers import OPTIMIZERS

PROGRAM = "run_pretraining.py"
CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 32,
    "initializer_range": 0.02,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
}


@pytest.fixture(scope="session")
def vocab_size(vocab_file):
    return len(pathlib.Path(vocab_file).read_text(encoding="utf-8").split())


@pytest.fixture(scope="session")
def pretrain(run, records, vocab_size, tmp_path_factory):
    """Runs the program on a small model; returns its result."""
    folder = tmp_path_factory.mktemp("config")

    def run_program(output_dir, *flags, status=0, **changes):
        config = folder / "bert_config.json"
        config.write_text(json.dumps({**CONFIG, "vocab_size": vocab_size, **changes}))
        return run(
            PROGRAM,
            f"--input_file={records}",
            f"--output_dir={output_dir}",
            f"--bert_config_file={config}",
            "--max_seq_length=32",
            "--max_predictions_per_seq=5",
            "--train_batch_size=8",
            "--num_train_steps=40",
            "--num_warmup_steps=4",
            "--learning_rate=1e-3",
            "--log_every_steps=10",
            *flags,
            status=status,
        )

    return run_program


@pytest.fixture(scope="session")
def trained(pretrain, tmp_path_factory):
    """A model trained for 40 steps and evaluated; its folder, and what the program printed."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    return folder, pretrain(folder, "--do_train", "--do_eval").stdout


LINE = re.compile(
    r"step (\d+)/40  loss ([\d.]+)  MLM accuracy ([\d.]+)  learning rate ([\d.e-]+)  "
    r"[\d.]+ examples/s  \d+:\d\d left"
)


def test_a_line_every_n_steps_and_the_same_for_tensorboard(trained):
    folder, output = trained
    lines = LINE.findall(output)
    assert [int(step) for step, *_ in lines] == [10, 20, 30, 40]
    scalars = read_scalars(str(folder))
    for name, column in (("loss", 1), ("masked_lm_accuracy", 2)):
        shown = [float(line[column]) for line in lines]
        assert [value for _, value in scalars[name]] == pytest.approx(shown, abs=1e-4)
    # The rate of the last of the ten steps: schedule(9), schedule(19), ...
    assert [value for _, value in scalars["learning_rate"]] == pytest.approx(
        [1e-3 * (1 - step / 40) for step in (9, 19, 29, 39)]
    )
    losses = [float(line[1]) for line in lines]
    assert losses[-1] < losses[0]


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


@pytest.mark.slow
def test_a_second_run_with_the_same_seed_is_the_same(trained, pretrain, tmp_path):
    again = pretrain(tmp_path / "model", "--do_train").stdout
    speed = re.compile(r"[\d.]+ examples/s.*")
    want = [line for line in trained[1].splitlines() if line.startswith("step")]
    got = [line for line in again.splitlines() if line.startswith("step")]
    assert [speed.sub("", line) for line in got] == [speed.sub("", line) for line in want]


@pytest.mark.slow
def test_what_is_trained_already_is_left_alone(trained, pretrain):
    folder, _ = trained
    files = sorted(path.name for path in folder.iterdir())
    output = pretrain(folder, "--do_train").stdout
    assert f"Nothing to train: {folder}/model.ckpt-40 has had 40 steps already" in output
    assert sorted(path.name for path in folder.iterdir()) == files


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_told(pretrain, tmp_path):
    error = pretrain(tmp_path / "m", "--do_train", "--learning_rate=1e30", status=1).stderr
    assert "the loss is not a number any more; --learning_rate=1e+30 may be too high" in error


@pytest.mark.slow
def test_nothing_to_evaluate_is_told(pretrain, tmp_path):
    assert "holds no checkpoint" in pretrain(tmp_path / "m", "--do_eval", status=1).stderr


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_it_starts_from_a_checkpoint_and_says_what_it_took(trained, pretrain, tmp_path, optimizer):
    checkpoint = trained[0] / "model.ckpt-40"
    output = pretrain(
        tmp_path / "model",
        "--do_train",
        "--num_train_steps=10",
        f"--init_checkpoint={checkpoint}",
        f"--optimizer={optimizer}",
        num_hidden_layers=1,
    ).stdout
    assert f"Initial weights from {checkpoint}" in output
    assert "bert/encoder/layer_0/* (16)" in output
    assert re.search(r"left in the checkpoint +16\n +bert/encoder/layer_1/\* \(16\)", output)


def test_a_checkpoint_that_does_not_fit_is_named(trained, pretrain, tmp_path):
    checkpoint = f"--init_checkpoint={trained[0] / 'model.ckpt-40'}"
    error = pretrain(tmp_path / "a", "--do_train", checkpoint, status=1, hidden_size=64).stderr
    assert "bert/embeddings/word_embeddings is [" in error
    assert ", 64] in the model and [" in error and ", 32] in the checkpoint" in error


@pytest.mark.slow
def test_more_layers_than_the_checkpoint_are_refused(trained, pretrain, tmp_path):
    checkpoint = f"--init_checkpoint={trained[0] / 'model.ckpt-40'}"
    error = pretrain(tmp_path / "a", "--do_train", checkpoint, status=1, num_hidden_layers=3).stderr
    assert "lacks 16 variables of the encoder" in error and "layer_2" in error


@pytest.mark.slow
def test_a_folder_with_another_model_is_not_gone_on_with(trained, pretrain, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(trained[0], folder)
    flags = ("--do_train", "--num_train_steps=50")
    assert "does not fit the model" in pretrain(folder, *flags, status=1, hidden_size=64).stderr
    error = pretrain(folder, *flags, "--optimizer=lamb", status=1).stderr
    assert "/lamb_m; go on with the same model and optimizer" in error


@pytest.mark.parametrize(
    "flags, have, want",
    [
        (["--max_seq_length=64"], "max_seq_length = 32", "--max_seq_length is 64"),
        (["--masking_strategy=piece"], "strategy = wwm", "--masking_strategy is piece"),
    ],
)
def test_records_of_another_kind_are_refused(pretrain, tmp_path, flags, have, want):
    error = pretrain(tmp_path / "model", "--do_train", *flags, status=1).stderr
    assert have in error and want in error
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_records_of_another_vocabulary_are_refused(pretrain, tmp_path):
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    model = tmp_path / "model"
    error = pretrain(model, "--do_train", f"--vocab_file={vocabulary}", status=1).stderr
    assert "vocab_sha256 = " in error and "the SHA-256 of --vocab_file is " in error
    error = pretrain(model, "--do_train", status=1, vocab_size=21128).stderr
    assert "vocab_size of --bert_config_file is 21128" in error


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_later_record_of_another_length_is_named(
    pretrain, records, tmp_path, run, corpus, vocab_file
):
    other = tmp_path / "b.tfrecord"
    run(
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "nothing to do; expected --do_train, --do_eval or both"),
        (["--do_train", "--input_file=nothing"], "nothing: no such file"),
        (["--do_train", "--optimizer=sgd"], "value should be one of <adamw|lamb>"),
        (["--do_train", "--output_dir="], "--output_dir=: expected a folder"),
        (["--do_train", "--use_tpu"], "which TPU? expected --tpu_name or --master"),
        (["--do_train", "--gelu=relu"], "value should be one of <erf|tanh>"),
        (["--do_train", "--train_batch_size=0"], "0 is not a positive integer"),
    ],
)
def test_bad_flags_are_named(pretrain, tmp_path, flags, message):
    assert message in pretrain(tmp_path / "model", *flags, status=1).stderr


def test_the_flags_list_what_the_tables_hold(run):
    from bert_wwm.masking.strategies import STRATEGIES

    text = run(PROGRAM, "--help", status=1).stdout
    assert f"<{'|'.join(OPTIMIZERS.names())}>" in text
    assert f"<{'|'.join(STRATEGIES.names())}>" in text


@pytest.mark.slow
def test_a_missing_or_broken_configuration_is_named(run, records, tmp_path):
    for text, message in (
        (None, "no such file"),
        ("{", "bert_config.json: not a BERT configuration in JSON"),
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
        error = run(
            PROGRAM,
            f"--input_file={records}",
            f"--output_dir={tmp_path / 'm'}",
            f"--bert_config_file={path}",
            "--do_train",
            status=1,
        ).stderr
        assert message in error


def test_fill_mask_uses_the_model(run, trained, vocab_file, vocab_size, tmp_path):
    config = tmp_path / "bert_config.json"
    config.write_text(json.dumps({**CONFIG, "vocab_size": vocab_size}))
    words = tmp_path / "words.txt"
    words.write_text("语言\t7\n模型\t3\n中\n鿿\n", encoding="utf-8")
    flags = (
        f"--bert_config_file={config}",
        f"--init_checkpoint={trained[0]}",
        f"--vocab_file={vocab_file}",
        "--text=使用[MASK][MASK]模型[MASK]",
    )
    lines = run("scripts/fill_mask.py", *flags, f"--words_file={words}").stdout.splitlines()
    assert lines[0] == "使用[MASK][MASK]模型[MASK]"
    assert sorted(lines[1].split()[::2]) == ["模型", "语言"]
    assert lines[2].split()[::2] == ["中"]
    lines = run("scripts/fill_mask.py", *flags, "--num_candidates=3").stdout.splitlines()
    assert [len(line.split()) for line in lines[1:]] == [6, 6]
    error = run("scripts/fill_mask.py", *flags, "--text=无", status=1).stderr
    assert "no blank; expected [MASK]" in error


def test_inspect_records_shows_words_and_masks(run, records, vocab_file):
    flags = (f"--input_file={records}", f"--vocab_file={vocab_file}")
    plain = run("scripts/inspect_records.py", *flags, "--num_examples=2").stdout
    assert plain.count("a.tfrecord record") == 2
    assert re.search(r"\[.\]", plain) and "\033[" not in plain
    assert "\033[41m" in run("scripts/inspect_records.py", *flags, "--colour=always").stdout


def test_build_vocabulary(run, corpus, tmp_path):
    path = tmp_path / "vocab.txt"
    run("scripts/build_vocabulary.py", f"--input_file={corpus}", f"--output_file={path}")
    pieces = path.read_text(encoding="utf-8").split("\n")
    assert pieces[0] == "[PAD]" and pieces[100:104] == ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert {"中", "国", "bert"} <= set(pieces)
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    error = run(
        "scripts/build_vocabulary.py", f"--input_file={empty}", f"--output_file={path}", status=1
    ).stderr
    assert "no text" in error


def made(run, corpus, vocab_file, path, *flags):
    """Records of the small corpus, as the model of these tests takes them."""
    run(
        "create_pretraining_data_wwm.py",
        f"--input_file={corpus}",
        f"--output_file={path}",
        f"--vocab_file={vocab_file}",
        "--segmenter=none",
        "--max_seq_length=32",
        "--max_predictions_per_seq=5",
        "--num_workers=1",
        *flags,
    )
    return f"--input_file={path}*"


def test_compressed_records_without_a_pairs_label(run, pretrain, corpus, vocab_file, tmp_path):
    shards = ("--compression=GZIP", "--num_output_shards=2", "--pairing=contiguous")
    inputs = made(run, corpus, vocab_file, tmp_path / "a", *shards)
    output = pretrain(tmp_path / "model", inputs, "--do_train", "--do_eval").stdout
    assert "step 40/40" in output and "masked_lm_accuracy" in output
    assert "next_sentence" not in output


def test_records_with_labels_it_has_no_head_for(run, pretrain, corpus, vocab_file, tmp_path):
    inputs = made(run, corpus, vocab_file, tmp_path / "a", "--masking_strategy=pert")
    errors = pretrain(tmp_path / "model", inputs, "--do_train", status=1).stderr
    assert "hold target_positions, which this program can't train on" in errors
