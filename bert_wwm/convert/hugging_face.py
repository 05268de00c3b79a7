"""Folders of Hugging Face's libraries, there and back."""

import os
import re

import numpy as np

from bert_wwm.convert import (
    archive,
    forms,
    hf_weights,
    model_config,
    names,
    safetensors_file,
    tokenizer_files,
)
from bert_wwm.convert.inventory import Written
from bert_wwm.convert.pretrained import Pretrained, check
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError
from bert_wwm.text.vocabulary import PAD

CONFIG, WEIGHTS = "config.json", "model.safetensors"
# What HFL's packages for PyTorch have instead of config.json: bert_config.json, and as in those for
# TensorFlow bert_config_rbt3.json or macbert_base_config.json.
_RELEASE_CONFIG = re.compile(r"\w*[blp]ert\w*config\w*\.json")
_POSITIONS = ".position_ids"  # 0, 1, 2, ...: computed, and in old files all the same


def read_folder(path_or_id: str) -> Pretrained:
    """Reads a model of Hugging Face's BERT classes, of PyTorch or Keras.

    It is a folder, a release's ``.zip``, or a name on the hub. The weights are at the top of the
    folder or archive, or in the only folder within it that holds any.
    """
    if path_or_id.endswith(".zip") and not os.path.isdir(path_or_id):
        with archive.unpacked(path_or_id) as folder:
            return _read_folder(forms.folder_of_weights(folder))
    return _read_folder(forms.folder_of_weights(forms.find_folder(path_or_id)))


def _read_folder(folder: str) -> Pretrained:
    present = os.listdir(folder)
    releases = [name for name in present if _RELEASE_CONFIG.fullmatch(name)]
    config_name = releases[0] if CONFIG not in present and len(releases) == 1 else CONFIG
    config = model_config.read_hugging_face(os.path.join(folder, config_name))
    tokenizer = tokenizer_files.read(folder)
    weights = hf_weights.read(folder)
    model = Pretrained(
        {},
        config.values,
        tokenizer.vocabulary,
        tokenizer.do_lower_case,
        kind=names.CLASSIFIER_KINDS.get(config.architecture, ""),
        added_tokens=tokenizer.added,
        notes=[*weights.notes, *tokenizer.notes],
    )
    if config.others:
        model.notes.append(
            f"{config_name} says {', '.join(config.others)}, which have no place in this toolkit "
            "and are left out"
        )
    _sort_in(weights, model, folder)
    if model.num_classes:
        model.labels = config.labels
    side_file = os.path.join(folder, hf_weights.SIDE_FILE)
    if os.path.exists(side_file):
        for name, tensor in safetensors_file.read(side_file).items():
            if model.tensors.setdefault(name, tensor) is not tensor:
                raise CheckpointError(
                    f"{side_file}: {name} is among the weights beside it too; expected what they "
                    "lack"
                )
    check(model, folder)
    return model


def _sort_in(weights: hf_weights.Weights, model: Pretrained, folder: str) -> None:
    """Gives the weights Google's names and layout; what has none is skipped."""
    for name, tensor in weights.tensors.items():
        origin, tied = weights.origins[name], names.TIED.get(name)
        if tied in weights.tensors:
            if not hf_weights.is_identical(tensor, weights.tensors[tied]):
                raise CheckpointError(
                    f"{folder}: {origin} differs from {weights.origins[tied]}; expected the same "
                    "values, as BERT's output layer is tied to its word embeddings"
                )
            model.skipped[origin] = f"the same as {tied}"
            continue
        google = names.to_google(tied or name)
        if google:
            model.tensors[google] = _turn(google, tensor)
            model.origins[google] = origin
        elif name.endswith(_POSITIONS):
            model.skipped[origin] = "no weights: the numbers of the positions"
        else:
            model.skipped[origin] = "no part of BERT that this toolkit knows"


def _turn(google: str, tensor: np.ndarray) -> np.ndarray:
    """Returns a tensor in the other layout, Google's or Hugging Face's."""
    row = names.find_row(google)
    return np.ascontiguousarray(tensor.T) if row and row.transposed else tensor


def list_needed_parts(model: Pretrained) -> list[str]:
    """Returns the parts that ``write_folder`` needs whole."""
    return list(names.ARCHITECTURES[model.architecture].parts)


def write_folder(folder: str, model: Pretrained) -> Written:
    """Writes ``config.json``, the weights and the files of the tokenizer; no optimizer's state."""
    chosen = names.ARCHITECTURES[model.architecture]
    expected = model.variables([*chosen.parts, *chosen.also])
    inside = {name: names.to_hugging_face(name) for name in expected if name in model.tensors}
    files.make_folder(folder)
    tokenizer_files.write(
        folder,
        model.vocabulary,
        model.do_lower_case,
        model.config["max_position_embeddings"],
        model.added_tokens,
    )
    tensors = {there: _turn(google, model.tensors[google]) for google, there in inside.items()}
    safetensors_file.write(os.path.join(folder, WEIGHTS), tensors)
    beside = {google: model.tensors[google] for google in model.tensors if google not in inside}
    if beside:
        safetensors_file.write(os.path.join(folder, hf_weights.SIDE_FILE), beside)
    pad_token_id = model.vocabulary.index(PAD)
    values = model_config.to_hugging_face(
        model.config, model.architecture, pad_token_id, model.label_names
    )
    files.write_text(os.path.join(folder, CONFIG), model_config.to_text(values))
    return Written(f"a {model.architecture}", inside)
