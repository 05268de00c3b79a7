"""A PaddleNLP folder: what ``paddlenlp.transformers.BertModel.from_pretrained`` loads.

Names and layouts are those of PaddleNLP 2.8 (paddlenlp/transformers/bert/modeling.py). Paddle keeps
the matrix of a dense layer as [in, out], like Google, and writes weights as a pickled dictionary of
arrays, which takes no Paddle.
"""

import json
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from bert_wwm.convert import model_config, names
from bert_wwm.convert.inventory import Written
from bert_wwm.convert.pretrained import Pretrained
from bert_wwm.convert.tokenizer_files import SPECIAL
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError
from bert_wwm.text.vocabulary import PAD

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

# PaddleNLP's classes that have another name than Hugging Face's, or none.
_BASE_CLASS = "BertModel"
_CLASSES = {
    "BertForPreTraining": "BertForPretraining",
    "BertForNextSentencePrediction": _BASE_CLASS,
}
_GELU = "gelu"
_ACTIVATIONS = (_GELU, "relu", "tanh")
_TANH_FORMS = (model_config.TANH_FORM, "gelu_tanh")
_TANH_NOTE = (
    "PaddleNLP computes the exact form of GELU only, the model was trained with the tanh form: "
    "hidden states differ in the third or fourth decimal"
)


def write_folder(folder: str, model: Pretrained) -> Written:
    """Writes config.json, model_state.pdparams, vocab.txt and tokenizer_config.json."""
    name = _CLASSES.get(model.architecture, model.architecture)
    activation = str(model.config.get("hidden_act", _GELU)).lower()
    paddles = _GELU if activation.startswith(_GELU) else activation
    if paddles not in _ACTIVATIONS:
        raise ConfigError(
            f"hidden_act {activation!r} has no counterpart in PaddleNLP; expected one of "
            f"{', '.join(_ACTIVATIONS)}"
        )
    sizes = (*model_config.SIZES, *model_config.PROPORTIONS)
    config = {
        "architectures": [name],
        "model_type": "bert",
        **{key: model.config[key] for key in sizes if key in model.config},
        "hidden_act": paddles,
        "layer_norm_eps": model_config.LAYER_NORM_EPSILON,
        "pad_token_id": model.vocabulary.index(PAD),
        "pool_act": "tanh",
        **model_config.describe_labels(model.label_names),
    }
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": model.do_lower_case}
    parts = list_needed_parts(model)
    converted = {google: paddle_name(google) for google in model.variables(parts)}
    if name == _BASE_CLASS:
        converted = {google: paddle.removeprefix(_BASE) for google, paddle in converted.items()}
    files.make_folder(folder)
    with files.atomic_path(f"{folder}/{_WEIGHTS}") as path, open(path, "wb") as stream:
        _Pickler(stream, _PICKLE_PROTOCOL).dump(_weights(model.tensors, converted))
    for file, text in {
        "config.json": _to_text(config),
        "tokenizer_config.json": _to_text({**tokenizer, **SPECIAL}),
        "vocab.txt": "".join(f"{piece}\n" for piece in model.vocabulary),
    }.items():
        files.write_text(f"{folder}/{file}", text)
    why_skipped = f"PaddleNLP's {name} has no such tensor"
    notes = [_TANH_NOTE] if activation in _TANH_FORMS else []
    return Written(f"PaddleNLP's {name}", converted, why_skipped, notes)


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


def list_needed_parts(model: Pretrained) -> list[str]:
    """Returns the parts that ``write_folder`` needs whole."""
    is_base = _CLASSES.get(model.architecture) == _BASE_CLASS
    parts = () if is_base else names.ARCHITECTURES[model.architecture].parts
    return [names.ENCODER, names.POOLER, *parts]


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


def _weights(tensors: Mapping[str, np.ndarray], converted: Mapping[str, str]) -> dict[str, Any]:
    """Returns float32 arrays by Paddle's names."""
    weights = {}
    for google, paddle in converted.items():
        tensor = tensors[google].T if google.endswith(_TRANSPOSED) else tensors[google]
        weights[paddle] = np.ascontiguousarray(tensor, np.float32)
    if all(other in weights for other in _TIED.values()):
        weights.update({name: weights[other] for name, other in _TIED.items()})
    return weights


def _to_text(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
