"""The table of tasks, with all rows in it."""

from bert_wwm.tasks import (  # noqa: F401  fill it
    choice_tasks,
    reading_tasks,
    sentence_tasks,
    tagging_tasks,
)
from bert_wwm.tasks.task import TASKS, list_tasks

USERS_TASK = "tsv"  # a table of the user's own, which has no row

__all__ = ["TASKS", "USERS_TASK", "list_tasks"]
