"""The table of tasks: one row each, in the module of its kind."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bert_wwm.core.registry import Registry
from bert_wwm.tasks.kinds import KINDS

Note = Callable[[str], None]  # takes what the user should know, a sentence at a time

_SMALL_EPOCHS = 5.0

KIND_OF_USERS_TASK = "sentence"  # that of a table of the user's own, which has no row


class Settings(NamedTuple):
    """The settings that a task is fine-tuned with: flags of the same names."""

    max_seq_length: int
    train_batch_size: int
    num_train_epochs: float
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Task:
    """A task: where its data is, what it predicts, how it is trained for and scored."""

    name: str  # as in --task_name
    title: str  # as in the papers
    kind: str  # a name in ``KINDS``
    # The names of its files "train", "dev" and "test" in --data_dir, the usual ones first.
    files: Mapping[str, tuple[str, ...]]
    # Reads a file, and notes what was left out or looks wrong. It may raise DataError.
    read: Callable[[str, Note], list[Any]]
    # Scores the label, tags or answer predicted for each example: fractions of 100 by name.
    score: Callable[[Sequence[Any], Sequence[Any]], dict[str, float]]
    metrics: tuple[str, ...]  # the scores that are reported; the first one is the best_metric
    settings: Settings  # the paper's, defaults of the flags
    source: str  # of the settings
    labels: tuple[str, ...] | None = None  # to predict; None: those of the training data
    best_metric: str | None = None  # decides which checkpoint is best, instead of the first one
    small_learning_rate: float = 1e-4  # the peak for small models
    # Yields the lines of the benchmark's file, ``NAME_predict.json``, from what ``score`` takes.
    submission: Callable[[Sequence[Any], Sequence[Any]], Iterator[str]] | None = None
    shows_labels: bool = True  # those of a file are worth counting

    def settings_for(self, small: bool) -> Settings:
        """Returns the settings for a released model of 12 layers and more, or for a small one.

        Small ones, such as RBT3, need a higher learning rate and more epochs (HFL's MiniRBT,
        README: 1e-4, but 5e-5 for OCNLI; epochs searched among 2, 3, 5 and 10).
        """
        if not small:
            return self.settings
        return self.settings._replace(
            learning_rate=self.small_learning_rate, num_train_epochs=_SMALL_EPOCHS
        )


TASKS: Registry[Task] = Registry("task")


def add(*tasks: Task) -> None:
    """Adds rows to the table."""
    for task in tasks:
        TASKS.add(task.name, task)


def list_tasks(program: str) -> list[str]:
    """Returns the names of the tasks that a program fine-tunes for."""
    return [name for name in TASKS.names() if KINDS[TASKS[name].kind].program == program]
