"""LTP's models, which find words and tag them: finding, checking, loading and running them.

A model is a folder, or a hub repository that holds the same files:

- config.json: ``nerual`` (LTP's spelling) tells a neural model from a perceptron one;
- perceptron: the files that ``tasks`` names, one a task: ``tasks["cws"]`` (cws_model.bin), ...;
- neural: pytorch_model.bin or model.safetensors, and the tokenizer (vocab.txt and the like).

Tasks go by LTP's names: cws (words), pos (parts of speech), ner (names), dep (relation of a word to
its head in the dependency tree).

A perceptron model runs on the package ltp-extension alone. A neural one needs ltp and torch.
"""

import functools
import os
import re
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import (
    Any,
    NamedTuple,
    Protocol,
)

from bert_wwm.core import files, stand_ins
from bert_wwm.core.errors import CheckpointError, ConfigError, DataError
from bert_wwm.core.json_files import read_json
from bert_wwm.segmentation import perceptron_file

DEFAULT_MODEL = "LTP/legacy"
# Sentences of a neural batch; they are sorted by length first, so that little is padding.
DEFAULT_BATCH_SIZE = 32

# What is made use of; neural models do more.
TASKS = ("cws", "pos", "ner", "dep")
# The classes of ltp_extension.perceptron.
_PERCEPTRONS = {"cws": "CWSModel", "pos": "POSModel", "ner": "NERModel"}

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

# The most tokens, [CLS] and [SEP] included, that LTP reads. All that follows becomes part of the
# last word.
_MAX_TOKENS = 512
# Where a longer sentence is best cut: after the last of these, the first kind found.
_CUTS = ("。！？!?\n", "；;：:", "，,、", " \t\u3000")


class Tagged(NamedTuple):
    """The words of a sentence, which may lack white space and control characters, and their tags.

    Attributes:
        words: the words.
        tags: for each task a list as long as ``words``, in LTP's labels. pos: n, v, wp, ...; ner:
            O, S-Ns, B-Ni, ..., the word's place in a name and what it names; dep: SBV, HED, ...
    """

    words: list[str]
    tags: dict[str, list[str]]


class Model(Protocol):
    """A loaded model."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those of ``TASKS`` that the model does; cws is always among them."""

    @property
    def checked(self) -> frozenset[str]:
        """The tasks whose files were checked as wholes, for ``load`` in another process."""

    def words(self, sentences: Sequence[str]) -> list[list[str]]:
        """Returns the words of each sentence, which may lack white space and control characters."""

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Tagged]:
        """Returns the words of each sentence, as ``words`` does, with their tags of some tasks.

        Raises:
            ConfigError: the model doesn't do one of the tasks, or tags nothing in it (cws).
            CheckpointError: the file of a task is missing or broken.
        """

    def describe(self) -> dict[str, object]:
        """Returns what tells this model's segmentation from others, ready for JSON."""

    def tag_files(self, tasks: Sequence[str]) -> dict[str, str]:
        """Returns name and SHA-256 of the files that tags hang on beside that of ``describe``.

        Raises:
            ConfigError, CheckpointError: as ``annotate`` does.
        """


def load(
    model: str,
    parallelism: bool = True,
    device: str | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    checked: frozenset[str] = frozenset(),
) -> Model:
    """Finds and loads a model; what isn't in the hub's local cache yet is downloaded.

    A perceptron's files for tags are looked for and loaded when they are first needed.

    Args:
        model: a folder that holds a config.json, or a hub id such as ``LTP/legacy``.
        parallelism: whether the model may use all cores. If not, a neural model restricts
            PyTorch to one thread, in all of the process.
        device: where a neural model runs, by PyTorch's name (``cpu``, ``cuda``, ``cuda:1``);
            None: on the GPU if there is one. Perceptrons don't look at it.
        batch_size: how many sentences a neural model reads at a time.
        checked: the tasks whose files another process of this run has checked.

    Raises:
        ConfigError: the model can't be found or reached, isn't one of LTP's, or needs a package
            or a device that isn't there; or the batch size is below 1.
        CheckpointError: its weights are broken or incomplete.
    """
    if batch_size < 1:
        raise ConfigError(f"batch size {batch_size} of the LTP model; expected 1 or more")
    folder = os.path.expanduser(model)
    if folder != os.fsencode(folder).decode("utf-8", "replace"):
        raise ConfigError(f"{folder}: is not UTF-8; LTP expects the name of a folder in UTF-8")
    find_file: Callable[[str], str] = functools.partial(os.path.join, folder)
    if not os.path.isdir(folder):
        folder = _folder_from_hub(model)
        find_file = functools.partial(_file_from_hub, model, folder)
    config_path = os.path.join(folder, _CONFIG)
    config = _read_config(config_path)
    if config["nerual"]:
        return NeuralModel(model, folder, config, parallelism, device, batch_size)
    tasks = config.get("tasks")
    if not isinstance(tasks, dict) or not isinstance(tasks.get("cws"), str):
        raise ConfigError(f"{config_path}: no word segmentation; expected a file name at tasks.cws")
    names = {task: tasks[task] for task in _PERCEPTRONS if isinstance(tasks.get(task), str)}
    return PerceptronModel(model, names, find_file, parallelism, checked)


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


def _file_from_hub(model: str, folder: str, name: str) -> str:
    """Returns the path of a file in the folder of a hub's model, downloaded if it isn't there yet.

    What was only used to segment came without the files of other tasks.
    """
    path = os.path.join(folder, name)
    if os.path.exists(path):
        return path
    import huggingface_hub

    commit = os.path.basename(folder)
    try:
        return huggingface_hub.hf_hub_download(model, name, revision=commit)
    except (OSError, ValueError) as error:
        reason = f"{name} isn't in the cache, nor can the hub give it ({type(error).__name__})"
        raise ConfigError(_unavailable(model, reason)) from None


def _unavailable(model: str, reason: str) -> str:
    return (
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


def _check_tags(model: str, offered: Sequence[str], asked: Sequence[str]) -> None:
    """Raises ConfigError where tags are asked for that a model doesn't give."""
    tagging = [task for task in offered if task != "cws"]
    for task in asked:
        if task not in tagging:
            raise ConfigError(
                f"LTP model {model!r} has no tags of the task {task!r}; "
                f"it offers {', '.join(tagging) or 'none'}"
            )


class PerceptronModel:
    """Averaged perceptrons, in Rust: over characters for words, over words for tags."""

    def __init__(
        self,
        name: str,
        file_names: dict[str, str],
        find_file: Callable[[str], str],
        parallel: bool,
        checked: frozenset[str],
    ):
        """Checks the file of the segmentation model; all are loaded when they are first needed.

        Args:
            name: what the model is called, for errors.
            file_names: the file of each task.
            find_file: gives the path of a file.
            parallel: whether all cores may be used.
            checked: the tasks whose files are known to be whole.
        """
        self._name = name
        self._file_names = file_names
        self._find_file = find_file
        self._parallel = parallel
        self._loaded: dict[str, Any] = {}
        self.checked = checked
        self._check("cws")

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(
            task for task in self._file_names if set(self._needed([task])) <= set(self._file_names)
        )

    @staticmethod
    def _needed(tasks: Sequence[str]) -> list[str]:
        """Returns the tasks that some tasks take, in order: for names also parts of speech."""
        return ["pos", "ner"] if "ner" in tasks else list(tasks)

    def _model(self, task: str) -> Any:
        """Returns the model of a task, loaded when it is first asked for."""
        if task not in self._loaded:
            self._loaded[task] = _load_perceptron(self._check(task), _PERCEPTRONS[task])
        return self._loaded[task]

    def _check(self, task: str) -> str:
        """Returns the file of a task. Raises CheckpointError where it is not whole."""
        path = self._find_file(self._file_names[task])
        if task not in self.checked:
            perceptron_file.read(path, task)
            self.checked |= {task}
        return path

    def words(self, sentences: Sequence[str]) -> list[list[str]]:
        return self._model("cws").batch_predict(list(sentences), parallelism=self._parallel)

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Tagged]:
        _check_tags(self._name, self.tasks, tasks)
        words = self.words(sentences)
        found: dict[str, list[list[str]]] = {}
        for task in self._needed(tasks):
            # Names are found by words and parts of speech.
            inputs = [words, found["pos"]] if task == "ner" else [words]
            found[task] = self._model(task).batch_predict(*inputs, parallelism=self._parallel)
        return [
            Tagged(of_sentence, {task: found[task][number] for task in tasks})
            for number, of_sentence in enumerate(words)
        ]

    def describe(self) -> dict[str, object]:
        return {
            "kind": "perceptron",
            "sha256": files.sha256(self._find_file(self._file_names["cws"])),
            "ltp_extension": metadata.version("ltp-extension"),
        }

    def tag_files(self, tasks: Sequence[str]) -> dict[str, str]:
        _check_tags(self._name, self.tasks, tasks)
        needed = self._needed(tasks)
        for task in needed:
            self._check(task)
        names = [self._file_names[task] for task in needed]
        return {name: files.sha256(self._find_file(name)) for name in names}


def _load_perceptron(path: str, kind: str) -> Any:
    """Loads a file of LTP's by one of the classes in ``_PERCEPTRONS``."""
    from ltp_extension import perceptron

    try:
        return getattr(perceptron, kind).load(path)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]  # A backtrace follows.
        raise CheckpointError(f"{path}: not LTP's perceptron {kind} ({reason})") from None


class NeuralModel:
    """A Transformer encoder with a head for each task, in PyTorch.

    LTP's own loader isn't used: it unpickles the weights, which can run any command on older
    versions of PyTorch; it calls whatever config.json names; and it leaves weights that the file
    lacks random without saying so.
    """

    def __init__(
        self,
        name: str,
        folder: str,
        config: dict,
        parallelism: bool,
        device: str | None,
        batch_size: int,
    ):
        """Loads the model; ``name`` is what it is called in errors, for the rest see ``load``."""
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
        self.checked: frozenset[str] = frozenset()
        self._config_path = os.path.join(folder, _CONFIG)
        _check_targets(config, self._config_path)
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        _check_device(device)
        if not parallelism:
            torch.set_num_threads(1)
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
        self._ltp.to(device)
        self._ltp.eval()
        network = self._ltp.model
        self.tasks = tuple(
            task
            for task in TASKS
            if task in network.task_heads
            and task in network.processor
            and task in self._ltp.supported_tasks  # Those that have labels.
        )
        if "cws" not in self.tasks:
            raise ConfigError(f"{self._config_path}: no word segmentation; expected a head 'cws'")
        self._name = name
        self._batch_size = batch_size
        positions = self._ltp.model.backbone.config.max_position_embeddings
        self._limit = min(_MAX_TOKENS, positions) - 2  # Without [CLS] and [SEP].

    def _restore(self, path: str) -> None:
        import pickle

        import safetensors
        import safetensors.torch
        import torch

        if os.path.isfile(path):
            stand_ins.refuse(path, CheckpointError)
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

    def words(self, sentences: Sequence[str]) -> list[list[str]]:
        return [tagged.words for tagged in self.annotate(sentences, ())]

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Tagged]:
        """Returns words and tags; see ``Model``.

        A sentence too long for LTP is tagged part by part: no name goes from one part to the next,
        and each part has a dependency tree of its own, so that there is a HED in each.
        """
        _check_tags(self._name, self.tasks, tasks)
        parts = [
            (number, part)
            for number, sentence in enumerate(sentences)
            for part in self._parts(sentence)
        ]
        found: dict[int, Tagged] = {}
        order = sorted(range(len(parts)), key=lambda index: len(parts[index][1]))
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            found.update(zip(batch, self._run([parts[index][1] for index in batch], tasks)))
        result = [Tagged([], {task: [] for task in tasks}) for _ in sentences]
        for index, (number, _) in enumerate(parts):
            result[number].words.extend(found[index].words)
            for task, tags in found[index].tags.items():
                result[number].tags[task].extend(tags)
        return result

    def _run(self, batch: list[str], tasks: Sequence[str]) -> list[Tagged]:
        """Returns words and tags of texts that are short enough and hold a word each."""
        output = self._ltp.pipeline(batch, tasks=["cws", *tasks], raw_format=True)
        tags = {task: output[task] for task in tasks}
        if "dep" in tags:
            tags["dep"] = [tree["label"] for tree in tags["dep"]]
        return [
            Tagged(words, {task: tags[task][number] for task in tasks})
            for number, words in enumerate(output["cws"])
        ]

    def _parts(self, sentence: str) -> list[str]:
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

    def _offsets(self, text: str) -> list[tuple]:
        encoded = self._ltp.tokenizer(
            text,
            add_special_tokens=False,
            truncation=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        return encoded["offset_mapping"]

    def describe(self) -> dict[str, object]:
        return {
            "kind": "neural",
            "sha256": files.sha256(self._weights),
            "ltp": metadata.version("ltp"),
        }

    def tag_files(self, tasks: Sequence[str]) -> dict[str, str]:
        _check_tags(self._name, self.tasks, tasks)
        # The heads' weights are in the file of ``describe``, the names of their labels are here.
        return {_CONFIG: files.sha256(self._config_path)}


def _check_device(device: str) -> None:
    """Raises ConfigError where a tensor can't be put on a device and read back."""
    import torch

    try:
        torch.zeros(1, device=device).cpu()
    except (AssertionError, ImportError, RuntimeError) as error:
        reason = str(error).partition(". ")[0] or type(error).__name__
        raise ConfigError(
            f"PyTorch can't use the device {device!r} ({reason}); expected cpu, cuda, cuda:1, ..."
        ) from None


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
