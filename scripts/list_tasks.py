"""Prints the fine-tuning tasks: their programs, scores, default settings and files.

Example:
  python scripts/list_tasks.py --markdown
"""

from collections.abc import Callable

from absl import flags

from bert_wwm.cli import app
from bert_wwm.tasks.kinds import KINDS
from bert_wwm.tasks.sentence_tasks import user_task
from bert_wwm.tasks.table import TASKS
from bert_wwm.tasks.task import Task

FLAGS = flags.FLAGS

flags.DEFINE_bool("markdown", False, "Whether to print a Markdown table, as in the README.")


def _rate(rate: float) -> str:
    mantissa, exponent = f"{rate:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _small(task: Task) -> str:
    settings = task.settings_for(small=True)
    return f"{_rate(settings.learning_rate)}, {settings.num_train_epochs:g} epochs"


def _metrics(task: Task) -> str:
    """The scores; the first decides which checkpoint is best."""
    best = task.best_metric or task.metrics[0]
    return ", ".join([best, *(name for name in task.metrics if name != best)])


COLUMNS: dict[str, Callable[[Task], str]] = {
    "name": lambda task: task.name,
    "task": lambda task: task.title,
    "program": lambda task: KINDS[task.kind].program,
    "scores": _metrics,
    "tokens": lambda task: str(task.settings.max_seq_length),
    "batch": lambda task: str(task.settings.train_batch_size),
    "epochs": lambda task: f"{task.settings.num_train_epochs:g}",
    "rate": lambda task: _rate(task.settings.learning_rate),
    "small models": _small,
    "files": lambda task: ", ".join(names[0] for names in task.files.values() if names),
    "settings from": lambda task: task.source,
}


def main(_) -> None:
    rows = [TASKS[name] for name in TASKS.names()]
    tasks = [task for kind in KINDS.names() for task in rows if task.kind == kind]
    tasks.append(user_task(["text"], "label"))
    lines = [[cell(task) for cell in COLUMNS.values()] for task in tasks]
    if FLAGS.markdown:
        for line in [list(COLUMNS), ["---"] * len(COLUMNS), *lines]:
            print(f"| {' | '.join(line)} |")
        return
    lines = [list(COLUMNS), *lines]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


if __name__ == "__main__":
    app.run(main)
