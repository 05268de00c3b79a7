"""A PaddleNLP folder: what ``paddlenlp.transformers.BertModel.from_pretrained`` loads.

Names and layouts are those of PaddleNLP 2.8 (paddlenlp/transformers/bert/modeling.py). Paddle keeps
the matrix of a dense layer as [in, out], like Google, and writes weights as a pickled dictionary of
arrays, which takes no Paddle.
"""

import json
import pickle
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bert_wwm.convert import architectures, names
from bert_wwm.convert.pretrained import Pretrained
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError, ConfigError
from bert_wwm.text.vocabulary import CLS, MASK, PAD, SEP, UNK

_WEIGHTS = "model_state.pdparams"
_PICKLE_PROTOCOL = 4  # that of paddle.save

# What modules are called where it isn't Hugging Face's name; the longer one first.
_MODULES = (
    ("bert.encoder.layer.", "bert.encoder.layers."),
    ("attention.self.query", "self_attn.q_proj"),
    ("attention.self.key", "self_attn.k_proj"),
    ("attention.self.value", "self_attn.v_proj"),
    ("attention.output.dense", "self_attn.out_proj"),
    ("attention.output.LayerNorm", "norm1"),
    ("intermediate.dense", "linear1"),
    ("output.dense", "linear2"),
    ("output.LayerNorm", "norm2"),
    ("embeddings.LayerNorm", "embeddings.layer_norm"),
    ("predictions.transform.dense", "predictions.transform"),
    ("predictions.transform.LayerNorm", "predictions.layer_norm"),
    ("predictions.bias", "predictions.decoder.bias"),
    ("qa_outputs", "classifier"),
)
# Dense layers whose matrix Google keeps as [out, in].
_TRANSPOSED = "output_weights"
# The masked LM's output layer has arrays of other names too; pickled, they are there once.
_TIED = {
    "cls.predictions.decoder_bias": "cls.predictions.decoder.bias",
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
}
_BASE = "bert."  # left out where there is no head

# PaddleNLP's class for each of Hugging Face's; what has another becomes a BertModel.
_CLASSES = {
    "BertForQuestionAnswering": "BertForQuestionAnswering",
    "BertForTokenClassification": "BertForTokenClassification",
    "BertForSequenceClassification": "BertForSequenceClassification",
    "BertForPreTraining": "BertForPretraining",
    "BertForMaskedLM": "BertForMaskedLM",
    "BertModel": "BertModel",
}
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu",
    "gelu_tanh": "gelu",
    "gelu_erf": "gelu",
    "relu": "relu",
    "tanh": "tanh",
}
_TANH_FORM = ("gelu_new", "gelu_tanh")
_SIZES = (
    "attention_probs_dropout_prob",
    "hidden_dropout_prob",
    "hidden_size",
    "initializer_range",
    "intermediate_size",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "type_vocab_size",
    "vocab_size",
)


class Written(NamedTuple):
    """What became of a model's tensors.

    Attributes:
        converted: Paddle's name of each, by Google's.
        skipped: why the others have no place there, by Google's name.
        notes: what else the folder's user should know, in sentences.
    """

    converted: dict[str, str]
    skipped: dict[str, str]
    notes: list[str]


def write_folder(folder: str, pretrained: Pretrained) -> Written:
    """Writes config.json, model_state.pdparams, vocab.txt and tokenizer_config.json.

    ``architecture_of`` says which class loads it.

    Args:
        folder: where to.
        pretrained: the model; has the parts that ``architecture_of`` says.

    Raises:
        CheckpointError: a tensor of the encoder or of a head is missing, or of another shape.
        ConfigError: Paddle's BERT has no such activation.
    """
    tensors = pretrained.tensors
    architecture, parts = architecture_of(pretrained)
    config = _config(pretrained, architecture)
    wanted = pretrained.variables(parts)
    _check(tensors, wanted, architecture)
    converted = {name: paddle_name(name) for name in wanted}
    if architecture == "BertModel":
        converted = {name: paddle[len(_BASE) :] for name, paddle in converted.items()}
    reason = f"PaddleNLP's {architecture} has no such tensor"
    skipped = {name: reason for name in tensors if name not in converted}
    notes = []
    if _activation(pretrained) in _TANH_FORM:
        notes.append(
            "PaddleNLP computes the exact form of GELU only, the model was trained with the tanh "
            "form: hidden states differ in the third or fourth decimal"
        )

    files.make_folder(folder)
    _write_json(f"{folder}/config.json", config)
    with files.atomic_path(f"{folder}/{_WEIGHTS}") as path, open(path, "wb") as stream:
        _Pickler(stream, _PICKLE_PROTOCOL).dump(_weights(tensors, converted))
    files.write_text(
        f"{folder}/vocab.txt", "".join(f"{piece}\n" for piece in pretrained.vocabulary)
    )
    _write_json(f"{folder}/tokenizer_config.json", _tokenizer_config(pretrained))
    return Written(converted, skipped, notes)


class _Pickler(pickle._Pickler):
    """Writes arrays as numpy 1 does, whatever the version: before 1.26 it can't read numpy 2's."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if name == "_reconstruct":
            self.save("numpy.core.multiarray")
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
            self.memoize(obj)
        else:
            super().save_global(obj, name)


def architecture_of(pretrained: Pretrained) -> tuple[str, list[str]]:
    """Returns PaddleNLP's class for a model, and the parts that it consists of."""
    name = architectures.architecture_of(names.parts_of(pretrained.tensors), pretrained.kind)
    name = name if name in _CLASSES else "BertModel"
    parts = [names.ENCODER, names.POOLER, *architectures.ARCHITECTURES[name].parts]
    return _CLASSES[name], list(dict.fromkeys(parts))


def paddle_name(google: str) -> str:
    """Returns Paddle's name of a tensor of BERT, ``bert.`` included.

    Example:
        paddle_name("bert/encoder/layer_3/output/dense/kernel")
        -> "bert.encoder.layers.3.linear2.weight"
    """
    name = names.to_hugging_face(google) or ""
    for theirs, paddles in _MODULES:
        name = name.replace(theirs, paddles)
    return name


def _check(tensors: Mapping[str, np.ndarray], wanted: Mapping[str, list[int]], what: str) -> None:
    """Raises CheckpointError where a tensor is missing, or has another shape."""
    for name, shape in wanted.items():
        if name not in tensors:
            raise CheckpointError(
                f"the model lacks {name}, which PaddleNLP's {what} would make up; expected all "
                f"{len(wanted)} of its tensors"
            )
        if list(tensors[name].shape) != shape:
            raise CheckpointError(
                f"{name} has the shape {list(tensors[name].shape)}; expected {shape} by the "
                "configuration"
            )


def _weights(tensors: Mapping[str, np.ndarray], converted: Mapping[str, str]) -> dict[str, Any]:
    """Returns float32 arrays by Paddle's names."""
    weights = {}
    for google, paddle in converted.items():
        tensor = tensors[google]
        weights[paddle] = np.ascontiguousarray(
            tensor.T if google.endswith(_TRANSPOSED) else tensor, np.float32
        )
    if all(other in weights for other in _TIED.values()):
        weights.update({name: weights[other] for name, other in _TIED.items()})
    return weights


def _config(pretrained: Pretrained, architecture: str) -> dict[str, Any]:
    activation = _activation(pretrained)
    if activation not in _ACTIVATIONS:
        raise ConfigError(
            f"hidden_act {activation!r} has no counterpart in PaddleNLP; expected one of "
            f"{', '.join(_ACTIVATIONS)}"
        )
    return {
        "architectures": [architecture],
        "model_type": "bert",
        **{key: pretrained.config[key] for key in _SIZES if key in pretrained.config},
        "hidden_act": _ACTIVATIONS[activation],
        "layer_norm_eps": 1e-12,
        "pad_token_id": pretrained.vocabulary.index(PAD),
        "pool_act": "tanh",
        **_labels(pretrained),
    }


def _labels(pretrained: Pretrained) -> dict[str, Any]:
    if not pretrained.num_classes:
        return {}
    numbers = range(pretrained.num_classes)
    labels = pretrained.labels or [f"LABEL_{number}" for number in numbers]
    return {
        "id2label": {str(number): label for number, label in zip(numbers, labels)},
        "label2id": {label: number for number, label in zip(numbers, labels)},
    }


def _activation(pretrained: Pretrained) -> str:
    return str(pretrained.config.get("hidden_act", "gelu")).lower()


def _tokenizer_config(pretrained: Pretrained) -> dict[str, Any]:
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": pretrained.do_lower_case,
        "pad_token": PAD,
        "unk_token": UNK,
        "cls_token": CLS,
        "sep_token": SEP,
        "mask_token": MASK,
    }


def _write_json(path: str, values: dict[str, Any]) -> None:
    files.write_text(path, json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
