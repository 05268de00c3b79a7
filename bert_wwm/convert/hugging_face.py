"""Folders of Hugging Face's libraries, there and back."""

import os
import re

import numpy as np

from bert_wwm.convert import (
    archive,
    forms,
    hf_weights,
    hub,
    model_config,
    names,
    safetensors_file,
    tokenizer_files,
)
from bert_wwm.convert.architectures import ARCHITECTURES, architecture_of
from bert_wwm.convert.pretrained import Pretrained, as_float32, check
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError, ConfigError
from bert_wwm.text.vocabulary import PAD

CONFIG, WEIGHTS = "config.json", "model.safetensors"
# What HFL's packages for PyTorch have instead of config.json: bert_config.json, and as in those for
# TensorFlow bert_config_rbt3.json or macbert_base_config.json.
_RELEASE_CONFIG = re.compile(r"\w*[blp]ert\w*config\w*\.json")
_POSITIONS = ".position_ids"  # 0, 1, 2, ...: computed, and in old files all the same


def read_folder(path_or_id: str) -> Pretrained:
    """Reads a model of Hugging Face's BERT classes, of PyTorch or Keras.

    Args:
        path_or_id: a folder, a release's ``.zip``, or a name on the hub. The model is at the top of
            the folder or archive, or in the only folder within it that holds weights.

    Raises:
        DataError: there is no such model, or a file is missing or broken.
        ConfigError: it is no BERT, or PyTorch would be needed and is not installed.
        CheckpointError: weights, configuration and vocabulary don't fit each other.
    """
    if path_or_id.endswith(".zip") and not os.path.isdir(path_or_id):
        with archive.unpacked(path_or_id) as folder:
            return _read_folder(forms.folder_of_weights(folder))
    return _read_folder(forms.folder_of_weights(hub.folder_of(path_or_id)))


def _read_folder(folder: str) -> Pretrained:
    config_file = _config_in(folder)
    config = model_config.read_hugging_face(config_file)
    tokenizer = tokenizer_files.read(folder)
    weights = hf_weights.read(folder)
    model = Pretrained(
        {},
        config.values,
        tokenizer.vocabulary,
        tokenizer.do_lower_case,
        kind=config.kind,
        added_tokens=tokenizer.added,
        notes=[*weights.notes, *tokenizer.notes],
    )
    if config.others:
        model.notes.append(
            f"{os.path.basename(config_file)} says {', '.join(config.others)}, which have no place "
            "in this toolkit and are left out"
        )
    _sort_in(weights, model, folder)
    if model.num_classes:
        model.labels = config.labels
    side_file = os.path.join(folder, hf_weights.SIDE_FILE)
    if os.path.exists(side_file):
        for name, tensor in safetensors_file.read(side_file).tensors.items():
            if model.tensors.setdefault(name, tensor) is not tensor:
                raise CheckpointError(
                    f"{side_file}: {name} is among the weights beside it too; expected what they "
                    "lack"
                )
    as_float32(model, folder)
    check(model, folder)
    return model


def _config_in(folder: str) -> str:
    """Returns the path of ``config.json``, or of what HFL's packages have instead."""
    present = os.listdir(folder)
    if CONFIG not in present:
        instead = [name for name in present if _RELEASE_CONFIG.fullmatch(name)]
        if len(instead) == 1:
            return os.path.join(folder, instead[0])
    return os.path.join(folder, CONFIG)


def _sort_in(weights: hf_weights.Weights, model: Pretrained, folder: str) -> None:
    """Gives the weights Google's names and layout; what has none is skipped."""
    for name, tensor in weights.tensors.items():
        google, origin = names.to_google(name), weights.origins[name]
        tied = names.TIED.get(name)
        if google:
            transposed = names.row_of(google).transposed
            model.tensors[google] = np.ascontiguousarray(tensor.T) if transposed else tensor
            model.origins[google] = origin
        elif tied:
            if tied in weights.tensors and not hf_weights.identical(tensor, weights.tensors[tied]):
                raise CheckpointError(
                    f"{folder}: {origin} differs from {weights.origins[tied]}; expected the same "
                    "values, as BERT's output layer is tied to its word embeddings"
                )
            model.skipped[origin] = f"the same as {tied}"
        elif name.endswith(_POSITIONS):
            model.skipped[origin] = "no weights: the numbers of the positions"
        else:
            model.skipped[origin] = "no part of BERT that this toolkit knows"
    _take_tied(weights, model)


def _take_tied(weights: hf_weights.Weights, model: Pretrained) -> None:
    """Takes tensors that the files hold only under the name of the output layer."""
    for name, tied in names.TIED.items():
        google = names.to_google(tied)
        if name in weights.tensors and tied not in weights.tensors:
            model.tensors[google] = weights.tensors[name]
            model.origins[google] = weights.origins[name]
            del model.skipped[weights.origins[name]]


def architecture(model: Pretrained) -> str:
    """Returns the class of Hugging Face's that loads the model with its heads."""
    return architecture_of(names.parts_of(model.tensors), model.kind)


def written(model: Pretrained) -> dict[str, str]:
    """Returns which of the model's tensors go into the weights, with their names there.

    The others have no place in the class that loads the folder, and go into the side file.
    """
    chosen = ARCHITECTURES[architecture(model)]
    expected = model.variables([*chosen.parts, *chosen.also])
    return {name: names.to_hugging_face(name) for name in expected if name in model.tensors}


def write_folder(folder: str, model: Pretrained) -> list[str]:
    """Writes ``config.json``, the weights and the files of the tokenizer.

    Args:
        folder: where to; it is made if need be. What it holds of another model stays.
        model: its optimizer's state is not written.

    Returns:
        The names of the files.

    Raises:
        CheckpointError: the model lacks what its class needs.
        DataError: the vocabulary is no BERT's.
    """
    name = architecture(model)
    needed = model.variables(ARCHITECTURES[name].parts)
    lacking = [tensor for tensor in needed if tensor not in model.tensors]
    if lacking:
        raise CheckpointError(f"{folder}: the model lacks {', '.join(lacking)} of {name}")
    files.make_folder(folder)
    tokenizer = tokenizer_files.write(
        folder,
        model.vocabulary,
        model.do_lower_case,
        model.config["max_position_embeddings"],
        model.added_tokens,
    )
    inside = written(model)
    tensors = {
        there: model.tensors[google].T if names.row_of(google).transposed else model.tensors[google]
        for google, there in inside.items()
    }
    safetensors_file.write(os.path.join(folder, WEIGHTS), tensors)
    beside = {google: model.tensors[google] for google in model.tensors if google not in inside}
    if beside:
        safetensors_file.write(os.path.join(folder, hf_weights.SIDE_FILE), beside)
    labels = model.labels or [f"LABEL_{number}" for number in range(model.num_classes)]
    values = model_config.to_hugging_face(model.config, name, model.vocabulary.index(PAD), labels)
    files.write_text(os.path.join(folder, CONFIG), model_config.to_text(values))
    _check_type(os.path.join(folder, CONFIG))
    return [CONFIG, WEIGHTS, *([hf_weights.SIDE_FILE] if beside else []), *tokenizer]


def _check_type(path: str) -> None:
    """Reads back what was written: classes of RoBERTa would load a BERT without its weights."""
    try:
        model_config.read_hugging_face(path)
    except ConfigError as error:
        raise AssertionError(f"an export that can't be read: {error}") from None
