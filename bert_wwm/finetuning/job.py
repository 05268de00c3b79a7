"""A kind of tasks and its data, as a fine-tuning run needs them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core.errors import DataError
from bert_wwm.finetuning.objective import TaskObjective
from bert_wwm.model.bert import BertConfig
from bert_wwm.tasks.features import FeatureTable
from bert_wwm.tasks.featurize import Featurizer
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer

# The model's outputs for each sequence of a table, by name.
Outputs = Sequence[Mapping[str, np.ndarray]]

TRAIN, DEV, TEST = SPLITS = ("train", "dev", "test")


class Split(NamedTuple):
    """A file of a task, and its features."""

    name: str  # ``train``, ``dev`` or ``test``
    path: str
    examples: Sequence[Any]  # the usable ones
    table: FeatureTable
    key: str  # the same for the same features


class Job:
    """Examples to features, outputs to predictions, scores and files; a subclass for each kind.

    ``labels`` are the classes or tags, empty for kinds without ``has_labels``.
    """

    has_labels = False  # the model is made for the labels of the examples
    target: str  # what an example needs to be learned from or scored, in words: "a label"
    # What predictions depend on besides features and weights, as JSON knows it.
    decoding: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self, task: Any, tokenizer: Tokenizer, max_seq_length: int, labels: Sequence[str] = ()
    ):
        self.task = task
        self.max_seq_length = max_seq_length
        self.labels = list(labels)
        self.featurizer = self.make_featurizer(tokenizer)
        self.objective = self.make_objective(task, len(labels))

    def make_featurizer(self, tokenizer: Tokenizer) -> Featurizer:
        """Returns what makes features of the task's examples."""
        raise NotImplementedError

    @classmethod
    def make_objective(cls, task: Any, num_labels: int) -> TaskObjective:
        """Returns the heads for a task."""
        raise NotImplementedError

    @classmethod
    def find_labels(cls, path: str, examples: Sequence[Any]) -> list[str]:
        """Returns the labels of training examples, for tasks that don't define them."""
        raise NotImplementedError

    @classmethod
    def served_facts(
        cls, task: Task | None, settings: Mapping[str, Any], known: Callable[..., Any]
    ) -> dict[str, Any]:
        """Returns what else a client needs to know of a model of this kind.

        ``task`` is None for a table of the user's own, ``settings`` are those that the run has
        recorded. ``known`` returns the value of a flag: the recorded one, the user's, or
        ``default``.
        """
        if not cls.has_labels:
            return {}
        labels = known("labels", default=task and task.labels)
        return {"labels": tuple(label.strip() for label in labels)}

    @classmethod
    def build_answers(
        cls, config: BertConfig, facts: Mapping[str, Any], inputs: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Builds encoder and head, for serving; ``facts`` are those of ``served_facts``."""
        raise NotImplementedError

    def usable(self, name: str, examples: Sequence[Any]) -> Sequence[Any]:
        """Returns those of a file's examples that a split is made of; ``test`` is of all."""
        return examples

    def check(
        self, name: str, path: str, examples: Sequence[Any], log: Callable[[str], None]
    ) -> None:
        """Checks that the usable examples of a split fit what the model is to predict.

        Raises DataError if they don't, or if ``train`` or ``dev`` has no labels.
        """
        if name == TEST or any(example.labels for example in examples):
            return
        expected = "some to learn from"
        if name == DEV:
            expected = "some to evaluate by, or --do_predict instead of --do_eval"
        raise DataError(f"{path}: no example has {self.target}; expected {expected}")

    def notes(self, split: Split) -> Iterator[str]:
        """Yields what the user should know of the features of a split, a sentence at a time."""
        return iter(())

    def decode(self, split: Split, outputs: Outputs) -> Any:
        """Returns predictions; ``outputs`` are those of each row of the split's table."""
        raise NotImplementedError

    def score(self, split: Split, predictions: Any) -> dict[str, float]:
        """Returns scores in percent, and further figures; none if the file has no labels."""
        raise NotImplementedError

    def files(self, split: Split, predictions: Any) -> dict[str, str]:
        """Returns the files that predictions are handed on in: contents by name."""
        raise NotImplementedError

    def submission(self, split: Split, predictions: Sequence[Any]) -> dict[str, str]:
        """Returns the file that the task's benchmark takes, if it takes one: contents by name."""
        if self.task.submission is None:
            return {}
        begin = "dev_" if split.name == DEV else ""
        lines = self.task.submission(split.examples, predictions)
        return {f"{begin}{self.task.name}_predict.json": join_lines(lines)}

    def result_lines(self, scores: dict[str, float]) -> dict[str, float]:
        """Returns what ``eval_results.txt`` holds, by name."""
        return scores


def join_lines(lines: Iterable[str]) -> str:
    """Returns the text of a file of lines."""
    return "".join(f"{line}\n" for line in lines)
