"""Tables of results as in the papers, in Markdown: models by splits, ``max (mean)`` of the runs."""

import html
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bert_wwm.core.output import escape
from bert_wwm.report.results import (
    NO_RESULTS,
    SPLITS,
    Place,
    Published,
    Results,
    Score,
    TaskInfo,
    describe_tasks,
    is_same_model,
)

UNKNOWN = "–"
_METRICS = {"em": "EM", "f1": "F1", "accuracy": "Accuracy"}
_SETTINGS = {
    "max_seq_length": "length",
    "train_batch_size": "batch",
    "num_train_epochs": "epochs",
    "learning_rate": "learning rate",
}


class Table(NamedTuple):
    """A table: its title, the contents of a cell, names of the columns, rows of cells, notes."""

    title: str
    metrics: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]


class ModelRow(NamedTuple):
    """A model's results by task; own ones, or published ones."""

    label: str
    model: str
    is_own: bool
    by_task: dict[str, Results]

    @property
    def cell(self) -> str:
        """The label in Markdown; own ones stand out."""
        return f"**{plain(self.label)}**" if self.is_own else plain(self.label)

    def find(self, task: str, place: Place) -> Score:
        """Returns a score, of nothing where there is none."""
        return self.by_task.get(task, NO_RESULTS).scores.get(place, Score())


def format_score(score: Score) -> str:
    """Writes a score as HFL does: the maximum, and in brackets the mean: ``67.4 (66.5)``."""
    parts = [f"{score.max:.1f}"] if score.max is not None else []
    if score.mean is not None:
        parts.append(f"({score.mean:.1f})")
    return " ".join(parts) or UNKNOWN


def format_scores(scores: Sequence[Score]) -> str:
    """Writes the scores of a cell: ``67.4 (66.5) / 87.2 (86.5)``; a dash where none is known."""
    parts = [format_score(score) for score in scores]
    return UNKNOWN if set(parts) <= {UNKNOWN} else " / ".join(parts)


def name_metric(metric: str) -> str:
    """Returns the name of a metric in tables and plots."""
    return _METRICS.get(metric, metric)


def list_models(
    published: Published, own: Sequence[Results], tasks: Sequence[str]
) -> list[ModelRow]:
    """Returns the results on some tasks by model, in the order of the published ones.

    Own results follow the published ones of the same model, or come at the end. Where a model has
    several own results on a task, their labels name their folders too.
    """
    labelled = [(results.model, results) for results in published.results]
    rows: dict[str, ModelRow] = {}
    for label, results in [*labelled, *zip(_label_own(own), own)]:
        if results.task in tasks:
            row = ModelRow(label, results.model, bool(results.path), {})
            rows.setdefault(label, row).by_task[results.task] = results
    theirs = [row.model for row in rows.values() if not row.is_own]

    def find_place(row: ModelRow) -> int:
        same = (place for place, model in enumerate(theirs) if is_same_model(model, row.model))
        return next(same, len(theirs))

    return sorted(rows.values(), key=find_place)


def _label_own(own: Sequence[Results]) -> list[str]:
    places = [(results.model, results.task) for results in own]
    repeated = {model for model, task in places if places.count((model, task)) > 1}
    folders = [os.path.dirname(results.path) or "." for results in own]
    names = [os.path.basename(folder) for folder in folders]
    labels = []
    for results, folder, name in zip(own, folders, names):
        which = f", {name if names.count(name) == 1 else folder}"
        labels.append(f"{results.model} (own{which if results.model in repeated else ''})")
    return labels


def group_results(
    published: Published, own: Sequence[Results]
) -> list[tuple[str, dict[str, TaskInfo], list[ModelRow]]]:
    """Returns the title, the tasks and the models of each table that there are results for."""
    groups: dict[str, dict[str, TaskInfo]] = {}
    for name, task in describe_tasks(published, own).items():
        groups.setdefault(task.group, {})[name] = task
    return [
        (title, tasks, list_models(published, own, list(tasks))) for title, tasks in groups.items()
    ]


def make_tables(published: Published, own: Sequence[Results]) -> list[Table]:
    """Returns a table for each group of tasks that there are results of."""
    return [_make_table(published, *group) for group in group_results(published, own)]


def _make_table(
    published: Published, title: str, tasks: Mapping[str, TaskInfo], rows: Sequence[ModelRow]
) -> Table:
    header, columns = ["Model"], [[row.cell for row in rows]]
    for name, task in tasks.items():
        for split in SPLITS:
            column = [
                format_scores([row.find(name, (split, metric)) for metric in task.metrics])
                for row in rows
            ]
            if set(column) != {UNKNOWN}:
                header.append(split if task.title == title else f"{plain(task.title)} {split}")
                columns.append(column)
    metrics = dict.fromkeys(" / ".join(map(name_metric, task.metrics)) for task in tasks.values())
    cells = [list(cells) for cells in zip(*columns)]
    notes = [*_note_own(tasks, rows), *_note_published(tasks, rows, published)]
    return Table(title, ", ".join(metrics), header, cells, notes)


def _note_own(tasks: Mapping[str, TaskInfo], rows: Sequence[ModelRow]) -> list[str]:
    notes = []
    for row in rows:
        for name, results in row.by_task.items() if row.is_own else ():
            metrics = tasks[name].metrics
            runs = "1 run" if results.num_runs == 1 else f"{results.num_runs} runs"
            parts = [f"{row.cell}, {plain(tasks[name].title)}: {runs}{_list_settings(results)}."]
            deviations = {
                place: f"{score.std:.2f}"
                for place, score in results.scores.items()
                if score.std is not None and results.num_runs > 1
            }
            if texts := _write_by_place(deviations, metrics):
                parts.append(f"Standard deviation: {texts}.")
            for other in rows:
                if not other.is_own and is_same_model(other.model, row.model):
                    parts += _compare(results, other, metrics)
            path = " ".join(escape(results.path).split()).replace("`", "'")
            notes.append(" ".join([*parts, f"From `{path}`."]))
    return notes


def _list_settings(results: Results) -> str:
    values = {title: results.settings.get(name) for name, title in _SETTINGS.items()}
    known = [
        f"{title} {value:g}" if isinstance(value, float) else f"{title} {value}"
        for title, value in values.items()
        if value is not None
    ]
    return f" ({', '.join(known)})" if known else ""


def _compare(results: Results, other: ModelRow, metrics: Sequence[str]) -> list[str]:
    """Compares with the published results: means, or maxima where no means are published."""
    means, maxima = {}, {}
    for place, score in results.scores.items():
        theirs = other.find(results.task, place)
        if score.mean is not None and theirs.mean is not None:
            means[place] = f"{score.mean - theirs.mean:+.1f}"
        elif score.max is not None and theirs.max is not None:
            maxima[place] = f"{score.max - theirs.max:+.1f}"
    named = {"means": _write_by_place(means, metrics), "maxima": _write_by_place(maxima, metrics)}
    return [f"Against the published {name}: {texts}." for name, texts in named.items() if texts]


def _write_by_place(texts: Mapping[Place, str], metrics: Sequence[str]) -> str:
    """Writes a text of each split and metric: ``dev EM 0.5, F1 0.3, test EM 0.4, F1 0.3``."""
    parts = []
    for split in SPLITS:
        found = [
            f"{name_metric(metric)} " * (len(metrics) > 1) + texts[split, metric]
            for metric in metrics
            if (split, metric) in texts
        ]
        if found:
            parts.append(f"{split} {', '.join(found)}")
    return ", ".join(parts)


def _note_published(
    tasks: Mapping[str, TaskInfo], rows: Sequence[ModelRow], published: Published
) -> list[str]:
    theirs = [row for row in rows if not row.is_own]
    notes = [
        f"{task.title}: {task.note}"
        for name, task in tasks.items()
        if task.note and any(name in row.by_task for row in theirs)
    ]
    models: dict[str, dict[str, None]] = {}
    for row in theirs:
        for results in row.by_task.values():
            for key in results.sources.values():
                models.setdefault(key, {})[row.label] = None
    for key, labels in models.items():
        source = published.sources[key]
        note = f"{', '.join(labels)}: [{source.title}]({source.url})."
        notes.append(f"{note} {source.note}".strip())
    return notes


def render_markdown(tables: Sequence[Table]) -> str:
    """Returns tables as Markdown that is aligned for the terminal too."""
    parts = [
        "# Results of fine-tuning",
        "In percent: the maximum of the runs, and in brackets their mean.",
    ]
    for table in tables:
        rows = [[cell.replace("|", "\\|") for cell in row] for row in [table.header, *table.rows]]
        widths = [max(3, *map(_count_columns, column)) for column in zip(*rows)]
        rule = [":" + "-" * (widths[0] - 1), *(f":{'-' * (width - 2)}:" for width in widths[1:])]
        lines = [_pad(row, widths) for row in [rows[0], rule, *rows[1:]]]
        parts += [f"## {plain(table.title)}", table.metrics, "\n".join(lines)]
        parts += ["\n".join(f"- {note}" for note in table.notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """Returns a text from a file as Markdown that shows it, whatever it holds."""
    one_line = " ".join(escape(text).split())
    return re.sub(r"([\\`*\[\]])", r"\\\1", html.escape(one_line, quote=False))


def _pad(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - _count_columns(cell)) for cell, width in zip(cells, widths)]
    return f"| {' | '.join(padded)} |"


def _count_columns(text: str) -> int:
    """Columns of the terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
