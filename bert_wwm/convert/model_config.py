"""``bert_config.json`` and Hugging Face's ``config.json``: two ways to describe a BERT."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bert_wwm.convert.names import ARCHITECTURES
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import format_json, read_object

ARCHITECTURES_KEY = "architectures"
# Names of the two forms of GELU that both this toolkit's programs and transformers read so.
EXACT_FORM, TANH_FORM = "gelu", "gelu_new"
LAYER_NORM_EPSILON = 1e-12
# The values that a file may lack; google-research/bert has another number of segments.
_DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
}
_GOOGLES_SEGMENTS = 16
SIZES = ("vocab_size", *(name for name, value in _DEFAULTS.items() if isinstance(value, int)))
PROPORTIONS = tuple(name for name, value in _DEFAULTS.items() if isinstance(value, float))
# Of no effect on BERT; Google's Chinese model and what follows from it have them in either file.
_CARRIED = (
    *("directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers"),
    *("pooler_size_per_head", "pooler_type"),
)
# Hugging Face's configurations with another value are of no BERT that this toolkit knows.
_FIXED: Mapping[str, Any] = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "layer_norm_eps": LAYER_NORM_EPSILON,
    "pruned_heads": {},
}
_BOTH = {name: name for name in (EXACT_FORM, TANH_FORM, "relu", "tanh", "linear")}
_TO_HUGGING_FACE = {**_BOTH, "gelu_erf": EXACT_FORM, "gelu_tanh": TANH_FORM, "": "linear"}
_FROM_HUGGING_FACE = {
    **_BOTH,
    "gelu_python": EXACT_FORM,
    "gelu_fast": TANH_FORM,
    "gelu_pytorch_tanh": TANH_FORM,
}
# What else a config.json says: of no effect on the weights, or written again.
_IGNORED = (
    *("_name_or_path", ARCHITECTURES_KEY, "bos_token_id", "dtype", "eos_token_id"),
    *("gradient_checkpointing", "id2label", "label2id", "model_type", "num_labels"),
    *("output_past", "pad_token_id", "torch_dtype", "transformers_version", "use_cache"),
)


class HuggingFaceConfig(NamedTuple):
    """The content of a ``config.json``."""

    values: dict[str, Any]  # those of bert_config.json
    architecture: str  # the class that the weights are of, or "" without one
    labels: list[str]  # of a classifier's classes, where they have names
    others: list[str]  # the names of all else, which BERT's weights don't depend on


def read_google(path: str) -> dict[str, Any]:
    """Returns the values of a ``bert_config.json``, defaults for those that it lacks."""
    values = {**_DEFAULTS, "type_vocab_size": _GOOGLES_SEGMENTS, **_read_object(path)}
    _check(values, path, _TO_HUGGING_FACE)
    return values


def read_hugging_face(path: str) -> HuggingFaceConfig:
    """Reads a ``config.json``."""
    values = _read_object(path)
    kind = values.get("model_type", "bert")
    if kind != "bert":
        raise ConfigError(f"{path}: a model of type {kind}; expected bert")
    architecture = find_architecture(values, path)
    if architecture not in ("", *ARCHITECTURES):
        raise ConfigError(
            f"{path}: a model of class {architecture}; expected {', '.join(ARCHITECTURES)}"
        )
    for name, value in _FIXED.items():
        if values.get(name) not in (None, value):
            raise ConfigError(
                f"{path}: {name} is {values[name]!r}; expected {value!r}, as in every BERT of "
                "google-research/bert"
            )
    google = {name: values.get(name, default) for name, default in _DEFAULTS.items()}
    google["vocab_size"] = values.get("vocab_size")
    google.update((name, values[name]) for name in _CARRIED if name in values)
    _check(google, path, _FROM_HUGGING_FACE)
    google["hidden_act"] = _FROM_HUGGING_FACE[google["hidden_act"]]
    said = {*google, *_FIXED, *_IGNORED}
    others = [name for name in values if name not in said and values[name] is not None]
    return HuggingFaceConfig(google, architecture, _labels(values, path), others)


def find_architecture(values: Mapping[str, Any], path: str) -> str:
    """Returns the class that a configuration names first, or ""; raises ConfigError for no list."""
    named = values.get(ARCHITECTURES_KEY) or [""]
    if not isinstance(named, list) or not isinstance(named[0], str):
        raise ConfigError(f"{path}: architectures is {named!r}; expected a list of names")
    return named[0]


def to_hugging_face(
    values: Mapping[str, Any], architecture: str, pad_token_id: int, labels: Sequence[str] = ()
) -> dict[str, Any]:
    """Returns the values of ``config.json``, for those that ``with_gelu`` returns."""
    return {
        **{name: values[name] for name in ("vocab_size", *_DEFAULTS)},
        **{name: values[name] for name in _CARRIED if name in values},
        "hidden_act": _TO_HUGGING_FACE[str(values["hidden_act"]).lower()],
        ARCHITECTURES_KEY: [architecture],
        "classifier_dropout": None,
        "layer_norm_eps": LAYER_NORM_EPSILON,
        "model_type": "bert",
        "pad_token_id": pad_token_id,
        "position_embedding_type": "absolute",
        "use_cache": True,
        **describe_labels(labels),
    }


def describe_labels(labels: Sequence[str]) -> dict[str, Any]:
    """Returns what Hugging Face's and PaddleNLP's ``config.json`` say of a classifier's classes."""
    if not labels:
        return {}
    return {
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def with_gelu(values: Mapping[str, Any], form: str) -> dict[str, Any]:
    """Names the exact form ``gelu``, the tanh form ``gelu_new``; ``gelu`` alone meant ``form``."""
    activation = str(values["hidden_act"]).lower()
    if activation == "gelu":
        activation = f"gelu_{form}"
    return {**values, "hidden_act": _TO_HUGGING_FACE[activation]}


def to_text(values: Mapping[str, Any]) -> str:
    """Returns the text of a configuration file."""
    return format_json(dict(sorted(values.items())))


def _read_object(path: str) -> dict[str, Any]:
    if not files.exists(path):
        raise ConfigError(f"{path}: no such file; expected the configuration of a BERT")
    try:
        return read_object(path)
    except DataError as error:
        raise ConfigError(str(error)) from None


def _check(values: Mapping[str, Any], path: str, activations: Mapping[str, str]) -> None:
    """Raises ConfigError for values that no model can be built with."""
    for name in SIZES:
        size = values.get(name)
        if type(size) is not int or size < 1:
            raise ConfigError(f"{path}: {name} is {size!r}; expected a positive integer")
    for name in PROPORTIONS:
        if type(values[name]) not in (int, float) or not 0 <= values[name] < 1:
            raise ConfigError(f"{path}: {name} is {values[name]!r}; expected a fraction of 1")
    if values["hidden_size"] % values["num_attention_heads"]:
        raise ConfigError(
            f"{path}: hidden_size {values['hidden_size']} is not a multiple of "
            f"num_attention_heads {values['num_attention_heads']}"
        )
    if str(values["hidden_act"]).lower() not in activations:
        raise ConfigError(
            f"{path}: hidden_act is {values['hidden_act']!r}; expected one of "
            f"{', '.join(filter(None, activations))}"
        )


def _labels(values: Mapping[str, Any], path: str) -> list[str]:
    """Returns the names of the classes by id; nothing where they are just numbered."""
    named = values.get("id2label") or {}
    try:
        by_id = {int(index): str(label) for index, label in named.items()}
    except (AttributeError, ValueError):
        by_id = {-1: ""}
    if sorted(by_id) != list(range(len(by_id))):
        raise ConfigError(f"{path}: id2label is {named!r}; expected names by id, from 0 on")
    labels = [by_id[index] for index in range(len(by_id))]
    return [] if labels == [f"LABEL_{index}" for index in range(len(labels))] else labels
