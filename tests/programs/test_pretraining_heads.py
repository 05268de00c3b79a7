"""What pretraining predicts, by what the records hold."""

import re

import launcher
import numpy as np
import pytest

from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.records.checks import decode_features
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import frame, read_records
from bert_wwm.records.schema import pretraining_schema

SHORT = ("--do_train", "--num_train_steps=6", "--num_warmup_steps=2", "--log_every_steps=3")


def made(corpus, vocab_file, path, *flags):
    """Records of the small corpus, as the model of these tests takes them."""
    launcher.run(
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


def test_compressed_records_without_a_pairs_label(pretrain, corpus, vocab_file, tmp_path):
    shards = ("--compression=GZIP", "--num_output_shards=2", "--pairing=contiguous")
    inputs = made(corpus, vocab_file, tmp_path / "a", *shards)
    output = pretrain(tmp_path / "model", inputs, *SHORT, "--do_eval", num_hidden_layers=1).stdout
    assert "step 6/6" in output and "masked_lm_accuracy" in output
    assert "next_sentence" not in output


def checkpoint_names(folder):
    from bert_wwm.compat import tf

    return {name for name, _ in tf.train.list_variables(str(folder)) if name.startswith("cls/")}


def test_permuted_records_train_their_own_head(pretrain, corpus, vocab_file, tmp_path):
    inputs = made(corpus, vocab_file, tmp_path / "a", "--masking_strategy=pert")
    output = pretrain(tmp_path / "model", inputs, *SHORT, "--do_eval", num_hidden_layers=1).stdout
    assert re.search(r"step 6/6  loss [\d.]+  position [\d.]+ \(", output)
    assert "masked_lm" not in output and "position_accuracy = " in output
    names = checkpoint_names(tmp_path / "model")
    assert "cls/permutation/output_bias" in names
    assert not [name for name in names if name.startswith("cls/predictions")]


def test_swapped_segments_train_sentence_order(pretrain, corpus, vocab_file, tmp_path):
    inputs = made(corpus, vocab_file, tmp_path / "a", "--pairing=sop")
    output = pretrain(tmp_path / "model", inputs, *SHORT, "--do_eval", num_hidden_layers=1).stdout
    assert re.search(r"step 6/6  loss [\d.]+  masked_lm .* sentence_order [\d.]+ \(", output)
    assert "sentence_order_accuracy = " in output and "next_sentence" not in output
    assert "cls/seq_relationship/output_weights" in checkpoint_names(tmp_path / "model")


def test_without_the_loss_of_pairs_their_head_is_left_out(pretrain, tmp_path):
    flags = (*SHORT, "--sentence_pair_loss=False")
    output = pretrain(tmp_path / "model", *flags, num_hidden_layers=1).stdout
    assert "masked_lm" in output and "next_sentence" not in output
    names = checkpoint_names(tmp_path / "model")
    assert not [name for name in names if name.startswith("cls/seq_relationship")]


def test_a_loss_of_pairs_that_records_lack_is_refused(pretrain, corpus, vocab_file, tmp_path):
    inputs = made(corpus, vocab_file, tmp_path / "a", "--pairing=contiguous")
    flags = (inputs, *SHORT, "--sentence_pair_loss")
    error = pretrain(tmp_path / "model", *flags, status=1).stderr
    assert "holds no labels of pairs; expected records made with --pairing=nsp or sop" in error


@pytest.fixture(scope="session")
def lert_records(records, tmp_path_factory):
    """The records with parts of speech and entities drawn at random."""
    rng = np.random.default_rng(3)
    tasks = [INVENTORIES[task] for task in ("pos", "ner")]
    schema = pretraining_schema(32, 5, True, [task.feature for task in tasks])
    decoded = [decode_features(record, records) for record in read_records(records)]
    features = {
        field.name: np.array([record[field.name] for record in decoded])
        for field in pretraining_schema(32, 5)
    }
    for task in tasks:
        features[task.feature] = rng.integers(0, len(task.labels), [len(decoded), 5])
    path = tmp_path_factory.mktemp("lert") / "lert.tfrecord"
    path.write_bytes(b"".join(map(frame, encode_examples(features, schema))))
    return str(path)


def test_records_with_linguistic_labels_train_their_heads(pretrain, lert_records, tmp_path):
    flags = (f"--input_file={lert_records}", *SHORT, "--do_eval", "--lert_end_steps=1,100")
    output = pretrain(tmp_path / "a", *flags, num_hidden_layers=1).stdout
    line = output.partition("step 6/6")[2].split("\n")[0]
    heads = {name: float(loss) for name, loss in re.findall(r"(\w+) ([\d.]+) \([\d.]+ %\)", line)}
    assert list(heads) == ["masked_lm", "pos", "ner", "next_sentence"]
    # From its first step on the tags' loss counts in full, and the entities' hardly as yet.
    loss = heads["masked_lm"] + heads["pos"] + heads["next_sentence"] + 0.04 * heads["ner"]
    assert float(re.match(r"  loss ([\d.]+)", line)[1]) == pytest.approx(loss, abs=0.05)
    assert "pos_accuracy = " in output and "ner_loss = " in output
    names = checkpoint_names(tmp_path / "a")
    assert {"cls/predictions/output_pos_layer/kernel", "cls/predictions/output_ner_layer/bias"} <= (
        names
    )


def test_steps_that_are_not_one_for_each_label_are_refused(pretrain, lert_records, tmp_path):
    flags = (f"--input_file={lert_records}", *SHORT, "--lert_end_steps=5,6,7")
    error = pretrain(tmp_path / "a", *flags, status=1).stderr
    assert "--lert_end_steps has 3 number(s) of steps" in error and "pos, ner" in error
    assert not (tmp_path / "a").exists()


def test_records_of_another_kind_are_not_evaluated_on(pretrain, lert_records, tmp_path):
    flags = ("--do_train", f"--eval_input_file={lert_records}")
    error = pretrain(tmp_path / "m", *flags, status=1).stderr
    assert re.search(r"--eval_input_file holds .*pos_labels.*expected records of one kind", error)
    assert not (tmp_path / "m").exists()
