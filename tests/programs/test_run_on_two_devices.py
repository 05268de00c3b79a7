"""Fine-tuning on two devices that share each batch, against one device with all of it."""

import launcher
import numpy as np
import pytest
from finetuning_runs import chnsenticorp, entities, questions, reviews

from bert_wwm.compat import tf
from bert_wwm.report.curves import read_scalars

ON_TWO_DEVICES = "tests/programs/on_two_devices.py"
FLAGS = (
    *("--do_train", "--do_eval", "--do_predict"),
    *("--max_seq_length=32", "--train_batch_size=4", "--num_train_epochs=1"),
    *("--learning_rate=2e-3", "--log_every_steps=1", "--save_checkpoints_steps=2"),
)
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def sentiments(count, seed):
    return chnsenticorp(reviews(count, seed))


def read_weights(folder):
    reader = tf.train.load_checkpoint(str(folder))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def list_files(folder):
    names = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in names if "events" not in name}


@pytest.mark.parametrize(
    "program, make_file, flags, killed_at",
    [
        ("run_squad.py", questions, "--doc_stride=8", "step 5/"),
        pytest.param(
            *("run_ner.py", entities, "--task_name=ner --num_runs=2", None), marks=pytest.mark.long
        ),
        pytest.param(
            *("run_classifier.py", sentiments),
            *("--task_name=chnsenticorp --num_accumulation_steps=2", None),
            marks=pytest.mark.long,
        ),
    ],
)
def test_two_devices_train_as_one(
    program, make_file, flags, killed_at, bert_config, vocab_file, tmp_path
):
    """Also where a training is killed and resumed."""
    config = bert_config(**NO_DROPOUT, num_hidden_layers=1)
    flags = [*flags.split(), *FLAGS, f"--bert_config_file={config}", f"--vocab_file={vocab_file}"]
    for seed, (name, count) in enumerate({"train": 24, "eval": 9, "predict": 5}.items()):
        path = tmp_path / name
        path.write_text(make_file(count, seed), encoding="utf-8")
        flags.append(f"--{name}_file={path}")
    one, two = (tmp_path / name for name in ("one", "two"))
    launcher.run(program, *flags, f"--output_dir={one}")
    mirrored = (ON_TWO_DEVICES, program, *flags, f"--output_dir={two}")
    mirrored += ("--distribution_strategy=mirrored",)
    if killed_at:
        launcher.interrupt(*mirrored, at=killed_at)
    output = launcher.output(*mirrored)
    assert (f"Going on from {two}/model.ckpt-" in output) == bool(killed_at)
    assert list_files(two) == list_files(one)
    for best in one.rglob("best"):
        run = best.relative_to(one).parent
        curves, expected_curves = (read_scalars(str(folder / run)) for folder in (two, one))
        for name in ("loss", "tokens", "padding_skipped"):
            found, expected = dict(curves[name]), dict(expected_curves[name])
            assert max(found) == max(expected) >= 6
            # A kill loses what was not yet written.
            assert found == pytest.approx({step: expected[step] for step in found}, abs=1e-4)
        weights, expected = read_weights(two / run / "best"), read_weights(best)
        assert weights.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(weights[name], value, atol=2e-5, err_msg=name)
