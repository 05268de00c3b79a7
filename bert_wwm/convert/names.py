"""What a BERT consists of: its tensors in Google's names and Hugging Face's, and their classes."""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bert_wwm.tasks.kinds import KINDS

# The parts that a model may have, one by one.
ENCODER = "encoder"
POOLER = "pooler"
MASKED_LM = "masked language model"
PAIR = "pair of segments"
CLASSIFIER = "classifier"
SPAN = "span of the answer"

# The letters of shapes, by their names in the configuration; C is the number of classes.
_SIZES = {
    "V": "vocab_size",
    "H": "hidden_size",
    "I": "intermediate_size",
    "P": "max_position_embeddings",
    "T": "type_vocab_size",
}

# What a module's tensors are called there and here, and whether the matrix is transposed.
_KINDS: Mapping[str, Sequence[tuple[str, str, bool]]] = {
    "embedding": [("", ".weight", False)],
    "dense": [("/kernel", ".weight", True), ("/bias", ".bias", False)],
    "norm": [("/gamma", ".weight", False), ("/beta", ".bias", False)],
    "linear": [("output_weights", ".weight", False), ("output_bias", ".bias", False)],
    "bias": [("output_bias", ".bias", False)],
}

# Part, kind, Google's name, Hugging Face's, and the matrix's shape in Google's layout: kernels are
# [in, out], `output_weights` [out, in]. The last size is a bias's, but of `linear` the first.
_MODULES = [
    (ENCODER, "embedding", "bert/embeddings/word_embeddings", "", "VH"),
    (ENCODER, "embedding", "bert/embeddings/token_type_embeddings", "", "TH"),
    (ENCODER, "embedding", "bert/embeddings/position_embeddings", "", "PH"),
    (ENCODER, "norm", "bert/embeddings/LayerNorm", "", "H"),
    (ENCODER, "dense", "bert/encoder/layer_{n}/attention/self/query", "", "HH"),
    (ENCODER, "dense", "bert/encoder/layer_{n}/attention/self/key", "", "HH"),
    (ENCODER, "dense", "bert/encoder/layer_{n}/attention/self/value", "", "HH"),
    (ENCODER, "dense", "bert/encoder/layer_{n}/attention/output/dense", "", "HH"),
    (ENCODER, "norm", "bert/encoder/layer_{n}/attention/output/LayerNorm", "", "H"),
    (ENCODER, "dense", "bert/encoder/layer_{n}/intermediate/dense", "", "HI"),
    (ENCODER, "dense", "bert/encoder/layer_{n}/output/dense", "", "IH"),
    (ENCODER, "norm", "bert/encoder/layer_{n}/output/LayerNorm", "", "H"),
    (POOLER, "dense", "bert/pooler/dense", "", "HH"),
    (MASKED_LM, "dense", "cls/predictions/transform/dense", "", "HH"),
    (MASKED_LM, "norm", "cls/predictions/transform/LayerNorm", "", "H"),
    (MASKED_LM, "bias", "cls/predictions/", "", "V"),
    (PAIR, "linear", "cls/seq_relationship/", "", "2H"),
    (CLASSIFIER, "linear", "", "classifier", "CH"),
    (SPAN, "linear", "cls/squad/", "qa_outputs", "2H"),
]

# The masked LM's output layer of Hugging Face, which is the word embeddings and the bias again.
TIED = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}

_GOOGLE_LAYER = re.compile(r"(?<=^bert/encoder/layer_)(0|[1-9]\d*)(?=/)")
_HUGGING_FACE_LAYER = re.compile(r"(?<=^bert\.encoder\.layer\.)(0|[1-9]\d*)(?=\.)")


class Row(NamedTuple):
    """A tensor, by its names in google-research/bert and PyTorch; ``{n}`` is the layer's number."""

    part: str
    google: str
    hugging_face: str
    transposed: bool  # between the two
    shape: str  # in Google's layout


def _list_rows() -> Iterator[Row]:
    for part, kind, google, hugging_face, shape in _MODULES:
        there = hugging_face or google.rstrip("/").replace("layer_{n}", "layer/{n}")
        for google_end, end, transposed in _KINDS[kind]:
            size = shape
            if google_end.endswith("bias"):
                size = shape[0] if kind == "linear" else shape[-1]
            yield Row(part, google + google_end, there.replace("/", ".") + end, transposed, size)


ROWS: Sequence[Row] = [*_list_rows()]
PARTS = [*dict.fromkeys(row.part for row in ROWS)]
_BY_GOOGLE = {row.google: row for row in ROWS}
_BY_HUGGING_FACE = {row.hugging_face: row for row in ROWS}


class Architecture(NamedTuple):
    """A class of Hugging Face's, by the parts of the model that it has."""

    parts: Collection[str]  # those that it loads
    also: Collection[str] = ()  # what its folder may hold too: other classes load it from there


# A model is the first of these whose heads it has.
ARCHITECTURES: Mapping[str, Architecture] = {
    "BertForQuestionAnswering": Architecture((ENCODER, SPAN)),
    "BertForSequenceClassification": Architecture((ENCODER, POOLER, CLASSIFIER)),
    "BertForTokenClassification": Architecture((ENCODER, CLASSIFIER)),
    "BertForMultipleChoice": Architecture((ENCODER, POOLER, CLASSIFIER)),
    "BertForPreTraining": Architecture((ENCODER, POOLER, MASKED_LM, PAIR)),
    # Without a pooler, BertModel would start with a random one.
    "BertForMaskedLM": Architecture((ENCODER, MASKED_LM), also=(POOLER,)),
    "BertForNextSentencePrediction": Architecture((ENCODER, POOLER, PAIR)),
    "BertModel": Architecture((ENCODER, POOLER)),
}
# The class of a fine-tuned classifier by the kind of its task, and of a class the first kind.
CLASSIFIER_CLASSES: Mapping[str, str] = {
    name: KINDS[name].hugging_face
    for name in KINDS.names()
    if CLASSIFIER in ARCHITECTURES[KINDS[name].hugging_face].parts
}
CLASSIFIER_KINDS: Mapping[str, str] = {
    name: kind for kind, name in reversed(list(CLASSIFIER_CLASSES.items()))
}


def find_row(google: str) -> Row | None:
    """Returns the row of a tensor by Google's name, or None where BERT has no such tensor."""
    return _find(_BY_GOOGLE, _GOOGLE_LAYER, google)[0]


def to_hugging_face(google: str) -> str | None:
    """Returns Hugging Face's name of a tensor, or None where BERT has no such tensor.

    Example:
        to_hugging_face("bert/encoder/layer_3/output/dense/kernel")
        -> "bert.encoder.layer.3.output.dense.weight"
    """
    row, number = _find(_BY_GOOGLE, _GOOGLE_LAYER, google)
    return row and row.hugging_face.replace("{n}", number)


def to_google(hugging_face: str) -> str | None:
    """Returns Google's name of a tensor; the inverse of ``to_hugging_face``."""
    row, number = _find(_BY_HUGGING_FACE, _HUGGING_FACE_LAYER, hugging_face)
    return row and row.google.replace("{n}", number)


def _find(rows: Mapping[str, Row], layer: "re.Pattern[str]", name: str) -> tuple[Row | None, str]:
    """Returns the row of a name, and the number of its layer or ""."""
    if "{n}" in name:
        return None, ""
    number = layer.search(name)
    return rows.get(layer.sub("{n}", name)), number[0] if number else ""


def find_parts(google_names: Iterable[str]) -> list[str]:
    """Returns the parts that some tensors belong to, whole or not, in the order of the table."""
    found = {row.part for row in map(find_row, google_names) if row}
    return [part for part in PARTS if part in found]


def count_layers(google_names: Iterable[str]) -> int:
    """Returns how many layers some tensors belong to."""
    found = [_find(_BY_GOOGLE, _GOOGLE_LAYER, name) for name in google_names]
    return len({number for row, number in found if row and number})


def variables(
    config: Mapping[str, Any], parts: Iterable[str], num_classes: int = 2
) -> dict[str, list[int]]:
    """Returns Google's names and shapes of a model's tensors, layer by layer in the table's order.

    ``num_classes`` are the outputs of its classifier.
    """
    sizes = {letter: config[name] for letter, name in _SIZES.items()}
    sizes.update({"C": num_classes, "2": 2})
    wanted = set(parts)
    found: dict[str, list[int]] = {}
    rows = [row for row in ROWS if row.part in wanted]
    for are_of_layers, group in itertools.groupby(rows, lambda row: "{n}" in row.google):
        members = list(group)
        for number in range(config["num_hidden_layers"] if are_of_layers else 1):
            for row in members:
                name = row.google.replace("{n}", str(number))
                found[name] = [sizes[size] for size in row.shape]
    return found


def choose_architecture(parts: Collection[str], kind: str) -> str:
    """Returns the class for a model with these parts: all of its heads, or the fine-tuned one.

    Without a kind, a classifier is treated as one of whole texts.
    """
    found = next(
        name
        for name, architecture in ARCHITECTURES.items()
        if {*architecture.parts} - {ENCODER, POOLER} <= {*parts}
    )
    return CLASSIFIER_CLASSES.get(kind, found) if found in CLASSIFIER_KINDS else found
