"""The folder for PaddleNLP: names, layouts and what else its loader reads.

Expected names are those of the classes' ``state_dict`` in PaddleNLP 2.8, written down here.
"""

import io
import json
import pickle
import pickletools

import numpy as np
import pytest
from release_models import PARTS, VOCABULARY, config, random_model

from bert_wwm.convert import names, paddle
from bert_wwm.convert.inventory import describe_tensors
from bert_wwm.convert.pretrained import Pretrained
from bert_wwm.core.errors import ConfigError

ENCODER = {
    "embeddings.word_embeddings.weight": (len(VOCABULARY), 12),
    "embeddings.position_embeddings.weight": (16, 12),
    "embeddings.token_type_embeddings.weight": (2, 12),
    "embeddings.layer_norm.weight": (12,),
    "embeddings.layer_norm.bias": (12,),
    "pooler.dense.weight": (12, 12),
    "pooler.dense.bias": (12,),
}
for number in (0, 1):
    for module in ("q_proj", "k_proj", "v_proj", "out_proj"):
        ENCODER[f"encoder.layers.{number}.self_attn.{module}.weight"] = (12, 12)
        ENCODER[f"encoder.layers.{number}.self_attn.{module}.bias"] = (12,)
    ENCODER[f"encoder.layers.{number}.linear1.weight"] = (12, 20)
    ENCODER[f"encoder.layers.{number}.linear1.bias"] = (20,)
    ENCODER[f"encoder.layers.{number}.linear2.weight"] = (20, 12)
    ENCODER[f"encoder.layers.{number}.linear2.bias"] = (12,)
    for module in ("norm1", "norm2"):
        ENCODER[f"encoder.layers.{number}.{module}.weight"] = (12,)
        ENCODER[f"encoder.layers.{number}.{module}.bias"] = (12,)
MASKED_LM = {
    "cls.predictions.decoder_bias": (len(VOCABULARY),),
    "cls.predictions.transform.weight": (12, 12),
    "cls.predictions.transform.bias": (12,),
    "cls.predictions.layer_norm.weight": (12,),
    "cls.predictions.layer_norm.bias": (12,),
    "cls.predictions.decoder.weight": (len(VOCABULARY), 12),
    "cls.predictions.decoder.bias": (len(VOCABULARY),),
}
PAIR = {"cls.seq_relationship.weight": (12, 2), "cls.seq_relationship.bias": (2,)}
CLASSES = {"classifier.weight": (12, 3), "classifier.bias": (3,)}
SPAN = {"classifier.weight": (12, 2), "classifier.bias": (2,)}


class _Arrays(pickle.Unpickler):
    """Unpickles nothing but arrays."""

    def find_class(self, module: str, name: str):
        assert (module, name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
        return super().find_class(module, name)


def _weights(folder) -> dict[str, np.ndarray]:
    return _Arrays(io.BytesIO((folder / "model_state.pdparams").read_bytes())).load()


def _json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def _model(head: str) -> Pretrained:
    """A model with some head, or all of pretraining, or none."""
    parts = {
        "pretraining": PARTS,
        "masked_lm": PARTS[:3],
        "none": PARTS[:2],
        "sentence": [*PARTS[:2], names.CLASSIFIER],
        "tagging": [*PARTS[:2], names.CLASSIFIER],
        "span": [*PARTS[:2], names.SPAN],
    }[head]
    tensors = random_model(config(), [p for p in parts if p != names.CLASSIFIER]).tensors
    if names.CLASSIFIER in parts:
        tensors["output_weights"] = np.arange(36, dtype=np.float32).reshape(3, 12)
        tensors["output_bias"] = np.arange(3, dtype=np.float32)
    return Pretrained(tensors, config(), list(VOCABULARY), kind=head)


def _prefixed(tensors):
    return {f"bert.{name}": shape for name, shape in tensors.items()}


@pytest.mark.parametrize(
    ("head", "architecture", "expected"),
    [
        ("pretraining", "BertForPretraining", {**_prefixed(ENCODER), **MASKED_LM, **PAIR}),
        ("masked_lm", "BertForMaskedLM", {**_prefixed(ENCODER), **MASKED_LM}),
        ("none", "BertModel", ENCODER),
        ("sentence", "BertForSequenceClassification", {**_prefixed(ENCODER), **CLASSES}),
        ("tagging", "BertForTokenClassification", {**_prefixed(ENCODER), **CLASSES}),
        ("span", "BertForQuestionAnswering", {**_prefixed(ENCODER), **SPAN}),
    ],
)
def test_each_class_gets_its_tensors_and_no_others(tmp_path, head, architecture, expected):
    model = _model(head)
    written = paddle.write_folder(str(tmp_path / "model"), model)

    weights = _weights(tmp_path / "model")
    assert {name: tensor.shape for name, tensor in weights.items()} == expected
    assert {tensor.dtype for tensor in weights.values()} == {np.dtype("<f4")}
    assert _json(tmp_path / "model" / "config.json")["architectures"] == [architecture]
    assert not {*model.tensors} - {*written.names}
    tied = {"cls.predictions.decoder_bias", "cls.predictions.decoder.weight"}
    assert set(written.names.values()) == set(expected) - tied


def test_values_are_the_same_and_only_the_heads_matrices_turn(tmp_path):
    model = _model("pretraining")
    written = paddle.write_folder(str(tmp_path), model)
    weights = _weights(tmp_path)
    for google, name in written.names.items():
        tensor = model.tensors[google]
        turned = google == "cls/seq_relationship/output_weights"
        np.testing.assert_array_equal(weights[name], tensor.T if turned else tensor)
    np.testing.assert_array_equal(
        weights["cls.predictions.decoder.weight"], model.tensors["bert/embeddings/word_embeddings"]
    )
    np.testing.assert_array_equal(
        weights["cls.predictions.decoder_bias"], model.tensors["cls/predictions/output_bias"]
    )


def test_the_tied_matrix_is_written_once(tmp_path):
    paddle.write_folder(str(tmp_path), _model("pretraining"))
    data = (tmp_path / "model_state.pdparams").read_bytes()
    row = random_model(config()).tensors["bert/embeddings/word_embeddings"].tobytes()
    assert data.count(row) == 1
    assert max(opcode.proto for opcode, _, _ in pickletools.genops(data)) == 4


def test_the_files_beside_the_weights(tmp_path):
    model = _model("none")
    model.do_lower_case = False
    model.config.update(hidden_act="gelu_erf", type_vocab_size=2)
    written = paddle.write_folder(str(tmp_path), model)
    assert _json(tmp_path / "config.json") == {
        "architectures": ["BertModel"],
        "model_type": "bert",
        **{key: value for key, value in config().items() if key != "hidden_act"},
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "pool_act": "tanh",
    }
    assert _json(tmp_path / "tokenizer_config.json")["tokenizer_class"] == "BertTokenizer"
    assert _json(tmp_path / "tokenizer_config.json")["do_lower_case"] is False
    assert (tmp_path / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1] == VOCABULARY
    assert not written.notes


def test_labels_are_in_the_configuration(tmp_path):
    model = _model("sentence")
    model.labels = ["正", "中", "负"]
    paddle.write_folder(str(tmp_path), model)
    values = _json(tmp_path / "config.json")
    assert values["id2label"] == {"0": "正", "1": "中", "2": "负"}
    assert values["label2id"] == {"正": 0, "中": 1, "负": 2}


def test_other_tensors_are_told(tmp_path):
    model = _model("pretraining")
    model.tensors["cls/predictions/output_pos_layer/kernel"] = np.zeros((12, 28), np.float32)
    written = paddle.write_folder(str(tmp_path), model)
    assert "cls/predictions/output_pos_layer/kernel" not in written.names
    assert "output_pos_layer" not in " ".join(_weights(tmp_path))
    assert (
        "output_pos_layer/kernel: PaddleNLP's BertForPretraining has no such tensor"
        in describe_tensors(model, written)
    )


def test_a_pair_head_alone_is_told(tmp_path):
    model = random_model(config(), [*PARTS[:2], names.PAIR])
    written = paddle.write_folder(str(tmp_path), model)
    assert {*model.tensors} - {*written.names} == {
        "cls/seq_relationship/output_weights",
        "cls/seq_relationship/output_bias",
    }
    assert _json(tmp_path / "config.json")["architectures"] == ["BertModel"]


@pytest.mark.parametrize("activation", ["gelu_new", "gelu_tanh"])
def test_the_tanh_form_of_gelu_is_told(tmp_path, activation):
    model = _model("none")
    model.config["hidden_act"] = activation
    assert "GELU" in paddle.write_folder(str(tmp_path), model).notes[0]


def test_an_activation_that_paddle_lacks_is_refused(tmp_path):
    model = _model("none")
    model.config["hidden_act"] = "linear"
    with pytest.raises(ConfigError, match="linear"):
        paddle.write_folder(str(tmp_path / "model"), model)
    assert not (tmp_path / "model").exists()


def test_mapped_files_and_half_precision_become_plain_float32(tmp_path):
    model = _model("none")
    name = "bert/pooler/dense/kernel"
    np.save(tmp_path / "kernel.npy", model.tensors[name].astype(np.float16))
    model.tensors[name] = np.load(tmp_path / "kernel.npy", mmap_mode="r")
    paddle.write_folder(str(tmp_path / "model"), model)
    found = _weights(tmp_path / "model")["pooler.dense.weight"]
    np.testing.assert_array_equal(found, model.tensors[name].astype(np.float32))
