"""LTP's word segmentation models: finding, checking, loading and running them.

A model is a folder, or a hub repository that holds the same files:

- config.json: ``nerual`` (LTP's spelling) tells a neural model from a perceptron one;
- perceptron: the files that ``tasks`` names, here only ``tasks["cws"]`` (cws_model.bin);
- neural: pytorch_model.bin or model.safetensors, and the tokenizer (vocab.txt and the like).

A perceptron model runs on the package ltp-extension alone. A neural one needs ltp and torch.
"""

import json
import os
import re
from importlib import metadata
from typing import Dict, List, Protocol, Sequence

from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError, ConfigError

DEFAULT_MODEL = "LTP/legacy"

_CONFIG = "config.json"
_SAFE_WEIGHTS = "model.safetensors"
_PICKLED_WEIGHTS = "pytorch_model.bin"
_WEIGHTS = ("cws_model.bin", _SAFE_WEIGHTS, _PICKLED_WEIGHTS)

# The names that a config.json of LTP's released or trained models calls. LTP itself calls any
# function that the file names, so a model from elsewhere could run any command.
_HARMLESS_TARGET = re.compile(
    r"ltp_core\.models\.("
    r"ltp_model\.LTPModule"
    r"|utils\.(transformer\.)?load_transformers"
    r"|processor\.(NOP|TokenOnly|WordsOnly|ClsOnly|WordsWithHead)"
    r"|components\.token\.(MLP|RelTransformer|Biaffine)TokenClassifier"
    r"|components\.graph\.BiaffineClassifier"
    r"|components\.sent\.MLPClassifier"
    r")"
)

# Sentences of a neural batch; they are sorted by length first, so that little is padding.
_BATCH_SIZE = 32
# The most tokens, [CLS] and [SEP] included, that LTP reads. All that follows becomes part of the
# last word.
_MAX_TOKENS = 512
# Where a longer sentence is best cut: after the last of these, the first kind found.
_CUTS = ("。！？!?\n", "；;：:", "，,、", " \t\u3000")


class Model(Protocol):
    """A loaded word segmentation model."""

    def words(self, sentences: Sequence[str]) -> List[List[str]]:
        """Returns the words of each sentence, which may lack white space and control characters."""

    def describe(self) -> Dict[str, object]:
        """Returns what tells this model from others, ready for JSON."""


def load(model: str, parallelism: bool = True) -> Model:
    """Finds and loads a model; what isn't in the hub's local cache yet is downloaded.

    Args:
        model: a folder that holds a config.json, or a hub id such as ``LTP/legacy``.
        parallelism: whether a perceptron model may use all cores.

    Raises:
        ConfigError: the model can't be found or reached, isn't one of LTP's, or needs a package
            that isn't installed.
        CheckpointError: its weights are broken or incomplete.
    """
    folder = os.path.expanduser(model)
    if not os.path.isdir(folder):
        folder = _folder_from_hub(model)
    config_path = os.path.join(folder, _CONFIG)
    config = _read_config(config_path)
    if config["nerual"]:
        return NeuralModel(folder, config)
    tasks = config.get("tasks")
    if not isinstance(tasks, dict) or not isinstance(tasks.get("cws"), str):
        raise ConfigError(f"{config_path}: no word segmentation; expected a file name at tasks.cws")
    return PerceptronModel(os.path.join(folder, tasks["cws"]), parallelism)


def _folder_from_hub(model: str) -> str:
    """Returns the folder of a hub's model in the local cache, downloaded if it isn't there yet."""
    # What doesn't look like owner/name can only be a path; a hub isn't asked for it.
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", model):
        raise ConfigError(_unavailable(model, "there is no such folder"))
    try:
        import huggingface_hub
    except ImportError:
        reason = "there is no such folder, and no package huggingface_hub to download it with"
        raise ConfigError(_unavailable(model, reason)) from None
    # OSError is the base of the hub's and the network's errors, ValueError that of bad names.
    try:
        folder = os.path.dirname(
            huggingface_hub.hf_hub_download(model, _CONFIG, local_files_only=True)
        )
        if any(os.path.exists(os.path.join(folder, name)) for name in _WEIGHTS):
            return folder
    except (OSError, ValueError):
        pass  # Not in the cache.
    try:
        return huggingface_hub.snapshot_download(
            model, allow_patterns=[*_WEIGHTS, "*.json", "vocab.txt"]
        )
    except (OSError, ValueError) as error:
        reason = f"there is no such folder, nor can the hub give it ({type(error).__name__})"
        raise ConfigError(_unavailable(model, reason)) from None


def _unavailable(model: str, reason: str) -> str:
    return (
        f"LTP model {model!r}: {reason}. What can be done: "
        "(1) download the model where the hub can be reached (huggingface.co/LTP), copy its "
        "folder, and give --ltp_model=FOLDER; "
        "(2) train one with scripts/train_ltp_model.py and give --ltp_model=FOLDER; "
        "(3) use --segmenter=rjieba, characters or presegmented"
    )


def _read_config(path: str) -> dict:
    if not os.path.isfile(path):
        raise ConfigError(f"{path}: no such file; expected the folder of an LTP model")
    try:
        config = json.loads(files.read_bytes(path))
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON ({error})") from None
    if not isinstance(config, dict) or not isinstance(config.get("nerual"), bool):
        raise ConfigError(
            f'{path}: not a model of LTP 4; expected "nerual": false (perceptron) or true (neural)'
        )
    return config


class PerceptronModel:
    """An averaged perceptron over characters, in Rust."""

    def __init__(self, path: str, parallelism: bool):
        from ltp_extension.perceptron import CWSModel

        if not _is_whole_avro(path):
            raise CheckpointError(
                f"{path}: missing, cut short or of another kind; expected LTP's cws_model.bin"
            )
        try:
            self._model = CWSModel.load(path)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]  # A backtrace follows.
            raise CheckpointError(
                f"{path}: no perceptron segmentation model of LTP ({reason})"
            ) from None
        self._path = path
        self._parallelism = parallelism

    def words(self, sentences: Sequence[str]) -> List[List[str]]:
        return self._model.batch_predict(list(sentences), parallelism=self._parallelism)

    def describe(self) -> Dict[str, object]:
        return {
            "kind": "perceptron",
            "sha256": files.sha256(self._path),
            "ltp_extension": metadata.version("ltp-extension"),
        }


def _is_whole_avro(path: str) -> bool:
    """Tells an Avro file, the perceptron's format, from anything else and from a part of one.

    On a part the library doesn't raise, it ends the process. A whole file ends in the 16 random
    bytes that its header ends in.
    """
    if not os.path.isfile(path):
        return False
    content = files.read_bytes(path)
    return content.startswith(b"Obj\x01") and content.find(content[-16:], 0, -16) > 0


class NeuralModel:
    """A Transformer encoder with a segmentation head, in PyTorch, on the GPU if there is one.

    LTP's own loader isn't used: it unpickles the weights, which can run any command on older
    versions of PyTorch; it calls whatever config.json names; and it leaves weights that the file
    lacks random without saying so.
    """

    def __init__(self, folder: str, config: dict):
        try:
            import torch
            from ltp.nerual import LTP
            from transformers import AutoTokenizer
        except ImportError as error:
            raise ConfigError(
                f"a neural LTP model needs packages that aren't installed ({error.name}): "
                "pip install -e '.[ltp-neural]' in the checkout, or use a perceptron model "
                "(LTP/legacy)"
            ) from None
        _check_targets(config, os.path.join(folder, _CONFIG))
        try:
            self._ltp = LTP(config=config)
            self._ltp.tokenizer = AutoTokenizer.from_pretrained(
                folder, config=self._ltp.model.backbone.config, use_fast=True
            )
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ConfigError(
                f"{folder}: LTP can't build this model ({type(error).__name__}: {error})"
            ) from None
        self._weights = os.path.join(folder, _SAFE_WEIGHTS)
        if not os.path.exists(self._weights):
            self._weights = os.path.join(folder, _PICKLED_WEIGHTS)
        self._restore(self._weights)
        if torch.cuda.is_available():
            self._ltp.to("cuda")
        self._ltp.eval()
        positions = self._ltp.model.backbone.config.max_position_embeddings
        self._limit = min(_MAX_TOKENS, positions) - 2  # Without [CLS] and [SEP].

    def _restore(self, path: str) -> None:
        import pickle

        import safetensors
        import safetensors.torch
        import torch

        try:
            if path.endswith(".safetensors"):
                weights = safetensors.torch.load_file(path)
            else:
                weights = torch.load(path, map_location="cpu", weights_only=True)
            # Files of older versions hold buffers that newer ones don't have, so weights may be
            # left over; none may be missing.
            missing = self._ltp.model.load_state_dict(weights, strict=False).missing_keys
        except (
            OSError,
            EOFError,
            RuntimeError,
            TypeError,
            pickle.UnpicklingError,
            safetensors.SafetensorError,
        ) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(f"{path}: not the weights of this model ({reason})") from None
        if missing:
            raise CheckpointError(
                f"{path}: {len(missing)} weights are missing, among them {missing[0]}"
            )

    def words(self, sentences: Sequence[str]) -> List[List[str]]:
        words: List[List[str]] = [[] for _ in sentences]
        parts = [
            (number, part)
            for number, sentence in enumerate(sentences)
            for part in self._parts(sentence)
        ]
        found: Dict[int, List[str]] = {}
        order = sorted(range(len(parts)), key=lambda index: len(parts[index][1]))
        for start in range(0, len(order), _BATCH_SIZE):
            batch = order[start : start + _BATCH_SIZE]
            output = self._ltp.pipeline([parts[index][1] for index in batch], tasks=["cws"])
            found.update(zip(batch, output.cws))
        for index, (number, _) in enumerate(parts):
            words[number].extend(found[index])
        return words

    def _parts(self, sentence: str) -> List[str]:
        """Cuts a sentence into parts that LTP reads whole, and leaves out those it sees nothing in.

        A part is tokenized again once it is cut, as a cut within a Latin word changes its pieces.
        """
        starts = [start for start, _ in self._offsets(sentence)]
        if not starts:
            return []
        if len(starts) <= self._limit:
            return [sentence]
        parts = []
        begin, first = 0, 0
        while begin < len(sentence):
            if len(starts) - first <= self._limit:
                end = len(sentence)
            else:
                end = _best_cut(sentence, begin, starts[first + self._limit])
            parts.append(sentence[begin:end])
            begin = end
            while first < len(starts) and starts[first] < begin:
                first += 1
        return [piece for part in parts for piece in self._parts(part)]

    def _offsets(self, text: str) -> List[tuple]:
        encoded = self._ltp.tokenizer(
            text,
            add_special_tokens=False,
            truncation=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        return encoded["offset_mapping"]

    def describe(self) -> Dict[str, object]:
        return {
            "kind": "neural",
            "sha256": files.sha256(self._weights),
            "ltp": metadata.version("ltp"),
        }


def _best_cut(sentence: str, begin: int, end: int) -> int:
    """Returns where to end a part that starts at ``begin`` and must end at ``end`` or before.

    That is after the last full stop of its second half, else after a lesser mark, else at ``end``.
    """
    for marks in _CUTS:
        for position in range(end, (begin + end) // 2, -1):
            if sentence[position - 1] in marks:
                return position
    return max(end, begin + 1)


def _check_targets(node: object, path: str) -> None:
    """Raises ConfigError where a configuration names a function that LTP's models don't use."""
    if isinstance(node, dict):
        target = node.get("_ltp_target_")
        if target is not None and not _HARMLESS_TARGET.fullmatch(str(target)):
            raise ConfigError(
                f"{path}: names {target!r} to be called; that is none of LTP's model classes"
            )
        for value in node.values():
            _check_targets(value, path)
    elif isinstance(node, list):
        for value in node:
            _check_targets(value, path)
