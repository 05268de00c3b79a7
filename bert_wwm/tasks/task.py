"""The table of tasks: one row each, in the module of its kind."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import (
    Any,
    NamedTuple,
)

from bert_wwm.core.registry import Registry
from bert_wwm.tasks.kinds import KINDS

Note = Callable[[str], None]  # takes what the user should know, a sentence at a time

KIND_OF_USERS_TASK = "sentence"  # that of a table of the user's own, which has no row


class Settings(NamedTuple):
    """The settings that a task is fine-tuned with: flags of the same names."""

    max_seq_length: int
    train_batch_size: int
    num_train_epochs: float
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Task:
    """A task: where its data is, what it predicts, how it is trained for and scored.

    Attributes:
        name, title: as in --task_name, and as in the papers.
        kind: a name in ``KINDS``.
        files: the names of its files ``train``, ``dev`` and ``test`` in --data_dir, the usual one
            first; a split may have none.
        read: reads a file, and notes what the user should know: what was left out or looks wrong.
            It may raise DataError.
        score: scores predictions: examples, and of each the predicted label, tags, or answer.
            Returns fractions of 100 by name.
        metrics: the scores that are reported, in this order; the first decides which checkpoint is
            best, unless ``best_metric`` does.
        settings, source: the paper's, defaults of the flags, and where they are from.
        labels: what there is to predict; None: the labels of the training data.
        small_learning_rate: the peak for small models.
        submission: yields the lines of the file that the task's benchmark takes,
            ``NAME_predict.json``, from examples and of each the predicted label or tags.
        shows_labels: whether the labels of a file are worth counting.
    """

    name: str
    title: str
    kind: str
    files: Mapping[str, tuple[str, ...]]
    read: Callable[[str, Note], list[Any]]
    score: Callable[[Sequence[Any], Sequence[Any]], dict[str, float]]
    metrics: tuple[str, ...]
    settings: Settings
    source: str
    labels: tuple[str, ...] | None = None
    best_metric: str | None = None
    small_learning_rate: float = 1e-4
    submission: Callable[[Sequence[Any], Sequence[Any]], Iterator[str]] | None = None
    shows_labels: bool = True

    def settings_for(self, small: bool) -> Settings:
        """Returns the settings for a released model of 12 layers and more, or for a small one.

        Small ones, such as RBT3, want a higher rate and more epochs (HFL's MiniRBT, README: 1e-4,
        but 5e-5 for OCNLI; epochs searched among 2, 3, 5 and 10).
        """
        if not small:
            return self.settings
        return self.settings._replace(
            learning_rate=self.small_learning_rate, num_train_epochs=_SMALL_EPOCHS
        )


_SMALL_EPOCHS = 5.0

TASKS: Registry[Task] = Registry("task")


def add(task: Task) -> Task:
    """Adds a row to the table."""
    return TASKS.add(task.name, task)


def tasks_of(program: str) -> list[str]:
    """Returns the names of the tasks that a program fine-tunes for."""
    return [name for name in TASKS.names() if KINDS[TASKS[name].kind].program == program]
