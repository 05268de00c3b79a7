"""Finds the models in a folder, an archive or at the hub, and tells their forms apart."""

import os
import posixpath
import re
from typing import NamedTuple

from bert_wwm.convert import archive, hf_weights, tokenizer_files
from bert_wwm.core.errors import ConfigError, DataError

# The flags of programs that read a model of either form.
CHECKPOINT_FLAG, HUGGING_FACE_FLAG = "tf_checkpoint", "hf_model"
_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")  # of a model of the hub


class Forms(NamedTuple):
    """What a folder or an archive holds, by names relative to it."""

    checkpoints: list[str]  # the indices of TensorFlow checkpoints
    # One file for each folder with weights of Hugging Face's libraries; where there are some at the
    # top, for this alone.
    weights: list[str]


class Source(NamedTuple):
    """A model to convert."""

    flags: list[str]  # those of convert_checkpoint.py that name it
    files: list[str]  # sorted; none for a name on the Hugging Face hub


def find(path: str) -> Forms:
    """Looks for models in a folder, or in a ``.zip`` without unpacking it."""
    names = archive.names_in(path)
    by_folder: dict[str, list[str]] = {}
    for name in names:
        folder, base = posixpath.split(name)
        by_folder.setdefault(folder, []).append(base)
    weights = [
        posixpath.join(folder, name)
        for folder, held in by_folder.items()
        for name in hf_weights.choose(held)
    ]
    top = [name for name in weights if "/" not in name]
    return Forms([name for name in names if name.endswith(archive.CHECKPOINT)], top or weights)


def check_flag(flag: str, path: str) -> None:
    """Raises ConfigError where a folder or an archive is given to the flag of the other form."""
    if not (os.path.isdir(path) or path.endswith(".zip")):
        return
    found = find(path)
    if flag == CHECKPOINT_FLAG and found.weights and not found.checkpoints:
        raise ConfigError(
            f"--{flag}={path}: holds {found.weights[0]}, weights of Hugging Face's libraries, and "
            f"no TensorFlow checkpoint; expected --{HUGGING_FACE_FLAG}={path}"
        )
    if flag == HUGGING_FACE_FLAG and found.checkpoints and not found.weights:
        name = found.checkpoints[0]
        prefix = os.path.join(path, name.removesuffix(archive.CHECKPOINT))
        expected = prefix if os.path.isdir(path) else path
        raise ConfigError(
            f"--{flag}={path}: holds {name}, a TensorFlow checkpoint, and no weights of Hugging "
            f"Face's libraries; expected --{CHECKPOINT_FLAG}={expected}"
        )


def folder_of_weights(folder: str) -> str:
    """Returns the folder that holds the weights: this one, or the only one within it that does."""
    if hf_weights.choose(os.listdir(folder)):
        return folder
    within = [posixpath.dirname(name) for name in find(folder).weights]
    if len(within) > 1:
        raise DataError(
            f"{folder}: several folders hold weights ({', '.join(within)}); expected one of them"
        )
    return os.path.join(folder, *within)


def find_source(model: str, config_file: str | None, vocab_file: str | None) -> Source:
    """Finds a model by its name on the hub, folder, checkpoint prefix or release's ``.zip``.

    The configuration and the vocabulary of a checkpoint are by default those beside it.
    """
    if os.path.isdir(model):
        if _is_hugging_face(model):
            folder = folder_of_weights(model)
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
    elif _ID.fullmatch(model):
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
    found = find(model)
    if found.weights:
        return not found.checkpoints or "/" not in found.weights[0]
    return not found.checkpoints and os.path.exists(os.path.join(model, "config.json"))


def _files_in(folder: str) -> list[str]:
    paths = (os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name[0] != ".")
    return [path for path in paths if os.path.isfile(path)]


def find_folder(path_or_id: str) -> str:
    """Returns the folder of a model; one that isn't there is looked for on the hub.

    Only what a conversion reads is downloaded, of the weights one form. Without a network, the
    files of an earlier download do.
    """
    if os.path.isdir(path_or_id):
        return path_or_id
    if os.path.exists(path_or_id) or not _ID.fullmatch(path_or_id):
        raise DataError(
            f"{path_or_id}: no such folder; expected one, a .zip, or a model of the hub"
        )
    import huggingface_hub
    from huggingface_hub import utils

    try:
        patterns = _patterns(huggingface_hub.list_repo_files(path_or_id))
        return huggingface_hub.snapshot_download(path_or_id, allow_patterns=patterns)
    except (utils.HfHubHTTPError, utils.HFValidationError) as error:
        fault = f"the Hugging Face hub has no such model ({type(error).__name__})"
    except OSError as error:  # no network: the library's other errors are requests' or Python's
        fault = f"the Hugging Face hub can't be reached ({type(error).__name__})"
        try:
            return huggingface_hub.snapshot_download(path_or_id, local_files_only=True)
        except utils.LocalEntryNotFoundError:
            pass
    raise DataError(
        f"{path_or_id}: no such folder, and {fault}; expected a folder, or the name of a model "
        "there, such as hfl/chinese-roberta-wwm-ext"
    )


def _patterns(names: list[str]) -> list[str]:
    """Returns which of the hub's files to download."""
    patterns = ["config.json", hf_weights.SIDE_FILE, hf_weights.MODULES, *tokenizer_files.NAMES]
    for name in hf_weights.choose(names):
        stem, extension = os.path.splitext(name.removesuffix(hf_weights.INDEX))
        patterns += [name, f"{stem}-*{extension}"] if name.endswith(hf_weights.INDEX) else [name]
    return patterns
