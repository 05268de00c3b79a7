"""LTP's models, which find words and tag them: where they are, and what kind they are.

A model is a folder, or a hub repository that holds the same files:

- config.json: ``nerual`` (LTP's spelling) distinguishes neural models from perceptrons;
- perceptron: the files that ``tasks`` names, one a task: ``tasks["cws"]`` (cws_model.bin), ...;
- neural: pytorch_model.bin or model.safetensors, and the tokenizer (vocab.txt and the like).

A perceptron model needs only the package ltp-extension, a neural one ltp and torch.
"""

import functools
import os
import re
from collections.abc import Callable

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import read_json
from bert_wwm.segmentation.ltp_model import CONFIG, Model
from bert_wwm.segmentation.ltp_neural import WEIGHTS, NeuralModel
from bert_wwm.segmentation.ltp_perceptron import CLASSES, PerceptronModel

DEFAULT_MODEL = "LTP/legacy"
# Sentences of a neural batch; they are sorted by length first, so that little is padding.
DEFAULT_BATCH_SIZE = 32

_FILES_FOR_WORDS = ("cws_model.bin", *WEIGHTS)


def load(
    model: str,
    parallelism: bool = True,
    device: str | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> Model:
    """Finds and loads a model; what isn't in the hub's local cache yet is downloaded.

    Args:
        model: a folder that holds a config.json, or a hub id such as ``LTP/legacy``.
        parallelism: whether the model may use all cores, without which words and tags are the same.
            If not, a neural model restricts PyTorch to one thread, in all of the process.
        device: where a neural model runs, by PyTorch's name (``cpu``, ``cuda``, ``cuda:1``);
            None: on the GPU if there is one. Perceptrons ignore it.
        batch_size: how many sentences a neural model reads at a time.

    Raises ConfigError for the model, and CheckpointError for its weights.
    """
    if batch_size < 1:
        raise ConfigError(f"batch size {batch_size} of the LTP model; expected 1 or more")
    folder = os.path.expanduser(model)
    if folder != os.fsencode(folder).decode("utf-8", "replace"):
        raise ConfigError(f"{folder}: is not UTF-8; LTP expects the name of a folder in UTF-8")
    find_file: Callable[[str], str] = functools.partial(os.path.join, folder)
    if not os.path.isdir(folder):
        folder = _find_in_hub(model)
        find_file = functools.partial(_find_file_in_hub, model, folder)
    config_path = os.path.join(folder, CONFIG)
    config = _read_config(config_path)
    if config["nerual"]:
        return NeuralModel(model, folder, config, parallelism, device, batch_size)
    tasks = config.get("tasks")
    if not isinstance(tasks, dict) or not isinstance(tasks.get("cws"), str):
        raise ConfigError(f"{config_path}: no word segmentation; expected a file name at tasks.cws")
    names = {task: tasks[task] for task in CLASSES if isinstance(tasks.get(task), str)}
    return PerceptronModel(model, names, find_file, parallelism)


def _find_in_hub(model: str) -> str:
    """Returns the folder of a hub's model in the local cache, downloaded if it isn't there yet."""
    # What doesn't look like owner/name can only be a path; a hub isn't asked for it.
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", model):
        raise _unavailable(model, "there is no such folder")
    import huggingface_hub

    # OSError is the base of the hub's and the network's errors, ValueError that of bad names.
    try:
        config = huggingface_hub.hf_hub_download(model, CONFIG, local_files_only=True)
        folder = os.path.dirname(config)
        if any(os.path.exists(os.path.join(folder, name)) for name in _FILES_FOR_WORDS):
            return folder
    except (OSError, ValueError):
        pass  # Not in the cache.
    try:
        return huggingface_hub.snapshot_download(
            model, allow_patterns=[*_FILES_FOR_WORDS, "*.json", "vocab.txt"]
        )
    except (OSError, ValueError) as error:
        reason = f"there is no such folder, nor can the hub give it ({type(error).__name__})"
        raise _unavailable(model, reason) from None


def _find_file_in_hub(model: str, folder: str, name: str) -> str:
    """Returns the path of a file in the folder of a hub's model, downloaded if it isn't there yet.

    A model that was only used for words came without the files of other tasks.
    """
    path = os.path.join(folder, name)
    if os.path.exists(path):
        return path
    import huggingface_hub

    try:
        return huggingface_hub.hf_hub_download(model, name, revision=os.path.basename(folder))
    except (OSError, ValueError) as error:
        reason = f"{name} isn't in the cache, nor can the hub give it ({type(error).__name__})"
        raise _unavailable(model, reason) from None


def _unavailable(model: str, reason: str) -> ConfigError:
    return ConfigError(
        f"LTP model {model!r}: {reason}. What can be done: "
        "(1) download the model where the hub can be reached (huggingface.co/LTP), copy its "
        "folder, and give --ltp_model=FOLDER; "
        "(2) train one with scripts/train_ltp_model.py and give --ltp_model=FOLDER; "
        "(3) use --segmenter=rjieba, characters or presegmented, or for English --segmenter=none"
    )


def _read_config(path: str) -> dict:
    if not os.path.isfile(path):
        raise ConfigError(f"{path}: no such file; expected the folder of an LTP model")
    try:
        config = read_json(path)
    except DataError as error:
        raise ConfigError(str(error)) from None
    if not isinstance(config, dict) or not isinstance(config.get("nerual"), bool):
        raise ConfigError(
            f'{path}: not a model of LTP 4; expected "nerual": false (perceptron) or true (neural)'
        )
    return config
