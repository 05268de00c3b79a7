"""Distinguishes a folder or archive with a TensorFlow checkpoint from one of Hugging Face's."""

import os
import posixpath
from typing import NamedTuple

from bert_wwm.convert import archive, hf_weights
from bert_wwm.core.errors import ConfigError, DataError

# The flags of programs that read a model of either form.
CHECKPOINT_FLAG, HUGGING_FACE_FLAG = "tf_checkpoint", "hf_model"


class Forms(NamedTuple):
    """What a folder or an archive holds, by names relative to it.

    Attributes:
        checkpoints: the indices of TensorFlow checkpoints.
        weights: for each folder with weights of Hugging Face's libraries one file of these. The
            weights at the top hide those in folders within.
    """

    checkpoints: list[str]
    weights: list[str]


def find(path: str) -> Forms:
    """Looks for models in a folder, or in a ``.zip`` without unpacking it.

    Raises:
        DataError: the archive is missing or broken.
    """
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
    """Raises ConfigError where a model in a folder or an archive is given to the other flag.

    Args:
        flag: the flag it is given to, ``CHECKPOINT_FLAG`` or ``HUGGING_FACE_FLAG``.
        path: the flag's value; the name of a model on the hub or a checkpoint's prefix is fine.
    """
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
    """Returns the folder that holds the weights: this one, or the only one within it that does.

    Raises:
        DataError: several folders within it do.
    """
    if hf_weights.choose(os.listdir(folder)):
        return folder
    within = [posixpath.dirname(name) for name in find(folder).weights]
    if len(within) > 1:
        raise DataError(
            f"{folder}: several folders hold weights ({', '.join(within)}); expected one of them"
        )
    return os.path.join(folder, *within)
