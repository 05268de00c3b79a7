"""A kind of tasks and its data, as a fine-tuning run needs them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core.errors import DataError
from bert_wwm.finetuning.objective import TaskObjective
from bert_wwm.model.bert import BertConfig
from bert_wwm.tasks.features import FeatureTable
from bert_wwm.tasks.featurize import Featurizer
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from bert_wwm.finetuning.served import Served

# Of each sequence of a table what the model says, by name.
Outputs = Sequence[Mapping[str, np.ndarray]]

TRAIN, DEV, TEST = SPLITS = ("train", "dev", "test")


class Split(NamedTuple):
    """A file of a task.

    Attributes:
        name: ``train``, ``dev`` or ``test``.
        path: where it was read.
        examples: those of it that are usable.
        table: their features.
        key: the same for the same features.
    """

    name: str
    path: str
    examples: Sequence[Any]
    table: FeatureTable
    key: str


class Job:
    """Examples to features, outputs to predictions, scores and files; a subclass for each kind.

    Attributes:
        has_labels: whether the examples' labels are the classes that the model is made for.
        task: the row of the table.
        featurizer: makes features of examples.
        objective: the heads.
        labels: the classes or tags; empty where there are none.
        decoding: what predictions depend on besides features and weights, as JSON knows it.
    """

    has_labels = False
    task: Task
    featurizer: Featurizer
    objective: TaskObjective
    labels: Sequence[str] = ()
    decoding: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        task: Any,
        tokenizer: Tokenizer,
        max_seq_length: int,
        labels: Sequence[str] = (),
        **options: Any,
    ):
        """Makes the job.

        Args:
            task: the row of the table.
            tokenizer: of the model.
            max_seq_length: tokens of a sequence, at most.
            labels: the classes or tags.
            options: what the kind's program has flags for.
        """
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
        """Returns what a client needs to know, besides what it does of every kind.

        Args:
            task: the row of the table; None for a table of the user's own.
            settings: those that the run has recorded.
            known: returns what is recorded or the user says: of the name of a flag, and, by
                keyword, of its ``default``.
        """
        return {}

    @classmethod
    def build_answers(
        cls, config: BertConfig, served: "Served", inputs: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Builds encoder and head, for serving; see ``build_signature``."""
        raise NotImplementedError

    def usable(self, name: str, examples: Sequence[Any]) -> Sequence[Any]:
        """Returns those of a file's examples that a split is made of; ``test`` is of all."""
        return examples

    def check(
        self, name: str, path: str, examples: Sequence[Any], log: Callable[[str], None]
    ) -> None:
        """Looks whether the examples of a split fit what the model is to predict.

        Args:
            name: ``train``, ``dev`` or ``test``.
            path: their file, for messages.
            examples: those of it that are usable.
            log: takes what the user should know.

        Raises:
            DataError: they don't, or ``train`` or ``dev`` doesn't tell what is true.
        """

    def notes(self, split: Split) -> Iterator[str]:
        """Yields what the user should know of the features of a split, a sentence at a time."""
        return iter(())

    def decode(self, split: Split, outputs: Outputs) -> Any:
        """Returns predictions.

        Args:
            split: what they are of.
            outputs: of each row of its table what the model says.
        """
        raise NotImplementedError

    def score(self, split: Split, predictions: Any) -> dict[str, float]:
        """Returns the task's scores in percent, and further figures, by name.

        Empty where the file doesn't tell what is true.
        """
        raise NotImplementedError

    def files(self, split: Split, predictions: Any) -> dict[str, str]:
        """Returns the files that predictions are handed on in: contents by name."""
        raise NotImplementedError

    def submission(self, split: Split, predictions: Sequence[Any]) -> dict[str, str]:
        """Returns the file that the task's benchmark takes, if it takes one: contents by name.

        Args:
            split: what the predictions are of.
            predictions: of each example the label or the tags.
        """
        if self.task.submission is None:
            return {}
        begin = "dev_" if split.name == DEV else ""
        lines = self.task.submission(split.examples, predictions)
        return {f"{begin}{self.task.name}_predict.json": lines_of(lines)}

    def result_lines(self, scores: dict[str, float]) -> dict[str, float]:
        """Returns what ``eval_results.txt`` holds, by name."""
        return scores


def lines_of(lines: Any) -> str:
    """Returns the text of a file of lines."""
    return "".join(f"{line}\n" for line in lines)


def nothing_told(name: str, path: str, truth: str) -> DataError:
    """Returns the error of a file for ``train`` or ``dev`` that doesn't tell what is true.

    Args:
        name: of the split.
        path: the file.
        truth: what its examples lack, such as ``a label``.
    """
    expected = "some to learn from"
    if name == DEV:
        expected = "some to evaluate by, or --do_predict instead of --do_eval"
    return DataError(f"{path}: no example has {truth}; expected {expected}")
