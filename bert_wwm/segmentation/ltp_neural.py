"""LTP's neural models, by the packages ltp and torch."""

import os
import re
from collections.abc import Sequence
from importlib import metadata

from bert_wwm.core import files, stand_ins
from bert_wwm.core.errors import CheckpointError, ConfigError
from bert_wwm.segmentation.ltp_model import CONFIG, TASKS, Model, Tagged

WEIGHTS = "model.safetensors", "pytorch_model.bin"

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

# The maximum number of tokens, [CLS] and [SEP] included, that LTP reads. All that follows becomes
# part of the last word.
_MAX_TOKENS = 512
# Where a longer sentence is best cut: after the last of these, the first kind found.
_CUTS = ("。！？!?\n", "；;：:", "，,、", " \t\u3000")


class NeuralModel(Model):
    """A Transformer encoder with a head for each task, in PyTorch.

    LTP's own loader isn't used: it unpickles the weights, which can run any command on older
    versions of PyTorch; it calls whatever config.json names; and weights that the file lacks stay
    random without a message.
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
        """Loads the model; see ``ltp.load``."""
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
        self.name = name
        self._config_path = os.path.join(folder, CONFIG)
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
        safe, pickled = (os.path.join(folder, name) for name in WEIGHTS)
        self._weights = safe if os.path.exists(safe) else pickled
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

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Tagged]:
        """Returns words and tags.

        A sentence too long for LTP is tagged part by part: no name continues in the next part,
        and each part has a dependency tree of its own, so that there is a HED in each.
        """
        self._check_tags(tasks)
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
        """Cuts a sentence into parts that LTP reads whole, without those it sees nothing in.

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
        self._check_tags(tasks)
        # The heads' weights are in the file of ``describe``, the names of their labels are here.
        return {CONFIG: files.sha256(self._config_path)}


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
