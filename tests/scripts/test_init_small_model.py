"""The program that makes smaller starting points, as users run it."""

import json
import os
import pathlib

import launcher
import numpy as np
import pytest
from refusals import refusal

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.checkpoint import plan_restore

PROGRAM = "init_small_model.py"
LAYERS = 4


def _config(num_hidden_layers: int) -> dict[str, object]:
    return {
        "vocab_size": 50,  # keys in no order, one of them unknown: all stay as they are
        "directionality": "bidi",
        "hidden_size": 8,
        "num_hidden_layers": num_hidden_layers,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "max_position_embeddings": 16,
        "type_vocab_size": 2,
    }


def _variables(num_hidden_layers: int):
    """The variables of a model with heads, one of them of another type."""
    BertModel(BertConfig.from_dict(_config(num_hidden_layers)), False, tf.zeros([1, 4], tf.int32))
    tf.get_variable("cls/predictions/output_bias", [50])
    tf.get_variable("cls/predictions/output_pos_layer/kernel", [8, 28])
    tf.get_variable("cls/seq_relationship/output_weights", [2, 8], tf.float16)
    return tf.trainable_variables()


def _tensors(prefix: pathlib.Path) -> dict[str, np.ndarray]:
    reader = tf.train.NewCheckpointReader(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with a model of random weights, as a training leaves it."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "bert_config.json").write_text(json.dumps(_config(LAYERS)), encoding="utf-8")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(45))]
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    rng = np.random.default_rng(1)
    with tf.Graph().as_default(), tf.Session() as session:
        variables = _variables(LAYERS)
        slots = [
            tf.get_variable(f"{variable.op.name}/{slot}", variable.shape)
            for variable in variables
            for slot in ("adam_m", "adam_v")
        ]
        step = tf.train.get_or_create_global_step()
        session.run(tf.global_variables_initializer())
        for variable in variables:
            variable.load(rng.normal(size=variable.shape.as_list()), session)
        assert len(slots) == 2 * len(variables)
        tf.train.Saver().save(session, str(folder / "model.ckpt"), step, write_state=False)
    return folder


def _flags(model: pathlib.Path, output: pathlib.Path, num_hidden_layers: int):
    return [
        f"--bert_config_file={model}/bert_config.json",
        f"--init_checkpoint={model}/model.ckpt-0",
        f"--num_hidden_layers={num_hidden_layers}",
        f"--output_dir={output}",
    ]


@pytest.mark.parametrize("layers", [None, [0, 2, 3], [3, 1], [1, 1, 2, 2, 3, 3]])
def test_tensors_are_bit_by_bit_the_same(model, tmp_path: pathlib.Path, layers) -> None:
    flags = [f"--init_layers={','.join(map(str, layers))}"] if layers else []
    layers = layers or [0, 1]
    flags += [*_flags(model, tmp_path, len(layers)), f"--vocab_file={model}/vocab.txt"]
    ran = launcher.run(f"scripts/{PROGRAM}", *flags)
    assert ran.stderr == ""

    given, made = _tensors(model / "model.ckpt-0"), _tensors(tmp_path / "bert_model.ckpt")
    expected = {
        name: value
        for name, value in given.items()
        if "/layer_" not in name and "/adam_" not in name and name != "global_step"
    }
    for new, old in enumerate(layers):
        start = f"bert/encoder/layer_{old}/"
        for name, value in given.items():
            if name.startswith(start) and "/adam_" not in name:
                expected[f"bert/encoder/layer_{new}/{name[len(start) :]}"] = value
    assert len(expected) == 5 + 16 * len(layers) + 2 + 3
    assert made.keys() == expected.keys()
    for name, value in expected.items():
        assert (made[name].dtype, made[name].shape) == (value.dtype, value.shape)
        assert made[name].tobytes() == value.tobytes()

    config = json.loads((tmp_path / "bert_config.json").read_text(encoding="utf-8"))
    assert list(config.items()) == list(_config(len(layers)).items())
    assert (tmp_path / "vocab.txt").read_bytes() == (model / "vocab.txt").read_bytes()
    assert len(os.listdir(tmp_path)) == 4  # index and data of the checkpoint

    with tf.Graph().as_default():
        plan = plan_restore(_variables(len(layers)), str(tmp_path / "bert_model.ckpt"))
    assert set(plan.sources) == set(made)
    assert (plan.initialized, plan.unused, plan.optimizer_state) == ((), (), ())


def test_the_table_says_what_came_from_where(model, tmp_path: pathlib.Path) -> None:
    killed = json.dumps(_config(2), indent=2) + "\n"  # what a run left that was killed
    (tmp_path / "bert_config.json").write_text(killed, encoding="utf-8")
    flags = [*_flags(model, tmp_path, 2), "--init_layers=3,1"]
    assert launcher.output(f"scripts/{PROGRAM}", *flags).splitlines() == [
        f"Initial weights from {model}/model.ckpt-0",
        "  from the checkpoint         42",
        "    bert/embeddings/LayerNorm/beta",
        "    bert/embeddings/LayerNorm/gamma",
        "    bert/embeddings/position_embeddings",
        "    bert/embeddings/token_type_embeddings",
        "    bert/embeddings/word_embeddings",
        "    bert/pooler/dense/bias",
        "    bert/pooler/dense/kernel",
        "    cls/predictions/output_bias",
        "    cls/predictions/output_pos_layer/kernel",
        "    cls/seq_relationship/output_weights",
        "    bert/encoder/layer_0 <- bert/encoder/layer_3 (16)",
        "    bert/encoder/layer_1 <- bert/encoder/layer_1 (16)",
        "  from initialisers            0",
        "  left in the checkpoint      32",
        "    bert/encoder/layer_0/* (16)",
        "    bert/encoder/layer_2/* (16)",
        "  optimizer state, unused    149",
        f"Wrote 42 variables to {tmp_path}/bert_model.ckpt",
    ]


@pytest.mark.parametrize(
    "count, flags, message",
    [
        (5, [], "has no layer 4; expected some of 0, 1, 2, 3"),
        (2, ["--init_layers=0,7"], "has no layer 7; expected some of 0, 1, 2, 3"),
        (2, ["--init_layers=0,1,2"], "3 layers; expected as many as --num_hidden_layers=2"),
        (2, ["--init_layers=0,x"], "--init_layers=0,x: expected numbers"),
        (2, ["--init_layers=0,-1"], "--init_layers=0,-1: expected numbers"),
    ],
)
def test_wrong_layers_end_in_one_sentence(
    model, tmp_path: pathlib.Path, count: int, flags, message: str
) -> None:
    assert message in refusal(PROGRAM, *_flags(model, tmp_path / "out", count), *flags)
    assert not (tmp_path / "out").exists()


def test_the_configuration_is_that_of_the_checkpoint(model, tmp_path: pathlib.Path) -> None:
    config = tmp_path / "bert_config.json"
    config.write_text(json.dumps(_config(3)), encoding="utf-8")
    flags = _flags(model, tmp_path / "out", 2)
    error = refusal(PROGRAM, *flags, f"--bert_config_file={config}")
    assert f"has 4 layers under bert/encoder, but num_hidden_layers of {config} is 3" in error


def test_the_vocabulary_is_that_of_the_model(
    model, tmp_path: pathlib.Path, vocab_file: str
) -> None:
    flags = _flags(model, tmp_path / "out", 2)
    assert "vocab_size" in refusal(PROGRAM, *flags, f"--vocab_file={vocab_file}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["bert_model.ckpt.index", "bert_config.json", "vocab.txt"])
def test_nothing_is_overwritten(model, tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"kept")
    assert refusal(PROGRAM, *_flags(model, tmp_path, 2)) == (
        f"{tmp_path}/{name}: is there already; expected a folder without a model\n"
    )
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"kept"
