"""Averages over tasks and figures relative to a base model, as in HFL's tables of small models.

ymcui/Chinese-BERT-wwm, README.md, 小参数量模型: the average is that of all figures (EM and F1 are
two). In the relative table it is in percent of the base model's average, and the classification
average is the mean of the percentages of the tasks with one figure.
"""

import statistics
from collections.abc import Mapping, Sequence

from bert_wwm.report.results import (
    NO_RESULTS,
    Published,
    Results,
    Score,
    TaskInfo,
    describe_tasks,
    is_same_model,
)
from bert_wwm.report.results_table import ModelRow, Table, list_models, plain

AVERAGED = ("cmrc2018", "drcd", "xnli", "chnsenticorp", "lcqmc", "bq")
BASE = "RoBERTa-wwm-ext"
_SPLITS = ("test", "dev")  # HFL's tables are of the test sets
_SOURCE = (
    "The figures that [ymcui/Chinese-BERT-wwm, README.md, 小参数量模型]"
    "(https://github.com/ymcui/Chinese-BERT-wwm) averages, on test sets there: maxima."
)

Figures = dict[str, list[float]]  # by task: a maximum for each metric, in percent


def average(figures: Figures) -> float:
    """Returns the mean of all figures of all tasks."""
    return statistics.fmean(figure for of_task in figures.values() for figure in of_task)


def compare(figures: Figures, base: Figures) -> tuple[Figures, float, float | None]:
    """Returns a model's figures in percent of a base model's, and two averages.

    The first is the average in percent of the base model's average; the second the mean of the
    percentages of the tasks with one metric, None without any.
    """
    relative = {
        task: [100 * figure / other for figure, other in zip(figures[task], base[task])]
        for task in figures
    }
    alone = [of_task[0] for of_task in relative.values() if len(of_task) == 1]
    classification = statistics.fmean(alone) if alone else None
    return relative, 100 * average(figures) / average(base), classification


def make_average_tables(published: Published, own: Sequence[Results]) -> list[Table]:
    """Returns two tables for each split: the figures with their average, and the relative ones.

    The columns are those of HFL's six tasks that own results exist for on that split, or all six
    without own results; the rows are the models with results on all of these.
    """
    described = describe_tasks(published, own)
    averaged = {name: described[name] for name in AVERAGED if name in described}
    tables = []
    for split in _SPLITS:
        tasks = {
            name: task
            for name, task in averaged.items()
            if not own or any(_find(found, split, task) for found in own if found.task == name)
        }
        rows = []
        for row in list_models(published, own, list(tasks)):
            figures = {
                name: _find(row.by_task.get(name, NO_RESULTS), split, task)
                for name, task in tasks.items()
            }
            if all(figures.values()):
                rows.append((row, figures))
        if len(tasks) > 1 and rows:
            tables += _make_tables(split, tasks, rows)
    return tables


def _find(results: Results, split: str, task: TaskInfo) -> list[float]:
    """Returns the maximum of each metric; none if one is not known."""
    maxima = [results.scores.get((split, metric), Score()).max for metric in task.metrics]
    known = [value for value in maxima if value is not None]
    return known if len(known) == len(maxima) else []


def _make_tables(
    split: str, tasks: Mapping[str, TaskInfo], rows: Sequence[tuple[ModelRow, Figures]]
) -> list[Table]:
    header = ["Model", *(plain(task.title) for task in tasks.values()), "Average"]
    cells = [[row.cell, *_write(figures), f"{average(figures):.3f}"] for row, figures in rows]
    tables = [Table(f"Average, {split}", "", header, cells, [_SOURCE])]
    bases = [(row.is_own, figures) for row, figures in rows if is_same_model(row.model, BASE)]
    if not bases:
        return tables
    cells = []
    for row, figures in rows:
        base = next((base for is_own, base in bases if is_own == row.is_own), bases[0][1])
        relative, mean, classification = compare(figures, base)
        cells.append([row.cell, *_write(relative, " %"), f"{mean:.1f} %"])
        if classification is not None:
            cells[-1].append(f"{classification:.2f} %")
    if len(cells[0]) > len(header):
        header = [*header, "Average of classification"]
    note = f"Own results are relative to own ones of {BASE} if there are any."
    return [*tables, Table(f"Relative to {BASE}, {split}", "", header, cells, [note])]


def _write(figures: Figures, unit: str = "") -> list[str]:
    """Writes a cell for each task."""
    return [" / ".join(f"{f:.1f}{unit}" for f in of_task) for of_task in figures.values()]
