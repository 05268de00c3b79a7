"""Finds a model that is given in any form: which flags name it, and which files it has."""

import os
import re
from typing import NamedTuple

from bert_wwm.convert import archive, forms
from bert_wwm.core.errors import ConfigError

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


class Source(NamedTuple):
    """A model to convert.

    Attributes:
        flags: the flags of convert_checkpoint.py that name it.
        files: its files, sorted; none for a name on the Hugging Face hub.
    """

    flags: list[str]
    files: list[str]


def find_source(model: str, config_file: str | None, vocab_file: str | None) -> Source:
    """Finds a model by its name on the hub, folder, checkpoint prefix or release's ``.zip``.

    Args:
        model: the value of --model.
        config_file: the configuration of a TensorFlow checkpoint; by default the one beside it.
        vocab_file: its vocabulary; by default the one beside it.

    Raises:
        ConfigError: there is no such file or folder, and it can't be a name on the hub.
        DataError: a folder holds a checkpoint, but not one configuration and one vocabulary.
    """
    if os.path.isdir(model):
        if _is_hugging_face(model):
            folder = forms.folder_of_weights(model)
            return Source([f"--hf_model={model}"], _files_in(folder))
        found = _files_in(model)
        if os.path.join(model, "checkpoint") not in found:  # a release, whose names differ
            model, beside, vocab_beside = archive.find_model(model)
            config_file, vocab_file = config_file or beside, vocab_file or vocab_beside
    elif model.endswith(".zip"):
        found = [model]
        if _is_hugging_face(model):
            return Source([f"--hf_model={model}"], found)
    elif os.path.exists(f"{model}.index"):
        found = [path for path in (model, f"{model}.index") if os.path.exists(path)]
    elif _HUB_NAME.fullmatch(model):
        return Source([f"--hf_model={model}"], [])
    else:
        raise ConfigError(
            f"--model={model}: no such file or folder; expected a checkpoint's prefix, a folder, a "
            "release's .zip, or a name on the Hugging Face hub"
        )
    flags = [f"--tf_checkpoint={model}", "--weights_only"]
    for name, path in (("bert_config_file", config_file), ("vocab_file", vocab_file)):
        if path:
            flags.append(f"--{name}={path}")
            found.append(path)
    return Source(flags, sorted(set(found)))


def _is_hugging_face(model: str) -> bool:
    """True for a folder or .zip with weights of Hugging Face's libraries.

    If it has a TensorFlow checkpoint too, weights in a folder within it are an export.
    """
    found = forms.find(model)
    if found.weights:
        return not found.checkpoints or "/" not in found.weights[0]
    return not found.checkpoints and os.path.exists(os.path.join(model, "config.json"))


def _files_in(folder: str) -> list[str]:
    paths = (os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name[0] != ".")
    return [path for path in paths if os.path.isfile(path)]
