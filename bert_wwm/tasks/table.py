"""The table of tasks, with all rows in it."""

from bert_wwm.tasks import reading_tasks, sentence_tasks, tagging_tasks  # noqa: F401  fill it
from bert_wwm.tasks.task import TASKS, tasks_of

__all__ = ["TASKS", "tasks_of"]
