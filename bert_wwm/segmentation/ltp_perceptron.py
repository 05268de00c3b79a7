"""LTP's perceptron models, by the package ltp-extension."""

from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError
from bert_wwm.segmentation import perceptron_file
from bert_wwm.segmentation.ltp_model import Model, Tagged

# The classes of ltp_extension.perceptron.
CLASSES = {"cws": "CWSModel", "pos": "POSModel", "ner": "NERModel"}


class PerceptronModel(Model):
    """Averaged perceptrons, in Rust: over characters for words, over words for tags.

    The file of each task is checked and loaded when it is first needed, that for words checked at
    once. A copy in another process doesn't check again. ``find_file`` returns the path of a file.
    """

    def __init__(
        self,
        name: str,
        file_names: dict[str, str],
        find_file: Callable[[str], str],
        parallelism: bool,
    ):
        self.name = name
        self._file_names = file_names
        self._find_file = find_file
        self._parallelism = parallelism
        self._checked: dict[str, str] = {}  # paths
        self._loaded: dict[str, Any] = {}
        self.tasks = tuple(
            task for task in file_names if set(_list_needed([task])) <= set(file_names)
        )
        self._check("cws")

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_loaded": {}}

    def _check(self, task: str) -> str:
        """Returns the file of a task. Raises CheckpointError if it is missing or damaged."""
        if task not in self._checked:
            path = self._find_file(self._file_names[task])
            perceptron_file.read(path, task)
            self._checked[task] = path
        return self._checked[task]

    def _predict(self, task: str, *inputs: Sequence) -> list[list[str]]:
        if task not in self._loaded:
            self._loaded[task] = load_perceptron(self._check(task), task)
        return self._loaded[task].batch_predict(*inputs, parallelism=self._parallelism)

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Tagged]:
        self._check_tags(tasks)
        words = self._predict("cws", list(sentences))
        found: dict[str, list[list[str]]] = {}
        for task in _list_needed(tasks):
            inputs = [words, found["pos"]] if task == "ner" else [words]
            found[task] = self._predict(task, *inputs)
        return [
            Tagged(words_of_one, {task: found[task][number] for task in tasks})
            for number, words_of_one in enumerate(words)
        ]

    def describe(self) -> dict[str, object]:
        return {
            "kind": "perceptron",
            "sha256": files.sha256(self._check("cws")),
            "ltp_extension": metadata.version("ltp-extension"),
        }

    def tag_files(self, tasks: Sequence[str]) -> dict[str, str]:
        self._check_tags(tasks)
        return {
            self._file_names[task]: files.sha256(self._check(task)) for task in _list_needed(tasks)
        }


def _list_needed(tasks: Sequence[str]) -> list[str]:
    """Returns the tasks that some tasks need, in order: names are found by parts of speech."""
    return ["pos", "ner"] if "ner" in tasks else list(tasks)


def load_perceptron(path: str, task: str) -> Any:
    """Loads a file by one of the ``CLASSES``. Raises CheckpointError if LTP can't."""
    from ltp_extension import perceptron

    try:
        return getattr(perceptron, CLASSES[task]).load(path)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]  # A backtrace follows.
        raise CheckpointError(f"{path}: not LTP's perceptron {CLASSES[task]} ({reason})") from None
