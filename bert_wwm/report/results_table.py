"""Tables of results as in the papers, in Markdown: models by splits, ``max (mean)`` of the runs."""

import html
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bert_wwm.core.output import escape
from bert_wwm.report.results import (
    SPLITS,
    Place,
    Published,
    Results,
    Score,
    TaskInfo,
    describe_tasks,
    same_model,
)

_UNKNOWN = "–"
_METRICS = {"em": "EM", "f1": "F1", "accuracy": "Accuracy"}
_SETTINGS = {
    "max_seq_length": "length",
    "train_batch_size": "batch",
    "num_train_epochs": "epochs",
    "learning_rate": "learning rate",
}


class Table(NamedTuple):
    """The results on a group of tasks.

    Attributes:
        title: the group.
        metrics: what a cell holds.
        header: names of the columns, that of the models first.
        rows: the cells of each model.
        notes: on own and on published results, in Markdown.
    """

    title: str
    metrics: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]


class ModelRow(NamedTuple):
    """A model's results by task; own ones, or published ones."""

    label: str
    is_own: bool
    by_task: dict[str, Results]


def format_score(score: Score) -> str:
    """Writes a score as HFL does: the maximum, and in brackets the mean: ``67.4 (66.5)``."""
    parts = [f"{score.max:.1f}"] if score.max is not None else []
    if score.mean is not None:
        parts.append(f"({score.mean:.1f})")
    return " ".join(parts) or _UNKNOWN


def format_scores(scores: Sequence[Score]) -> str:
    """Writes the scores of a cell: ``67.4 (66.5) / 87.2 (86.5)``; a dash where none is known."""
    parts = [format_score(score) for score in scores]
    return _UNKNOWN if set(parts) <= {_UNKNOWN} else " / ".join(parts)


def metric_title(metric: str) -> str:
    """Returns what a metric is called in tables and plots."""
    return _METRICS.get(metric, metric)


def model_rows(
    published: Published, own: Sequence[Results], tasks: Sequence[str]
) -> list[ModelRow]:
    """Returns the results on some tasks by model, in the order of the published ones.

    Own results stand below the published ones of the same model, or at the end. Where a model has
    several own results on a task, they are called by their folders too.
    """
    theirs: dict[str, ModelRow] = {}
    for results in published.results:
        if results.task in tasks:
            row = theirs.setdefault(results.model, ModelRow(results.model, False, {}))
            row.by_task[results.task] = results
    ours: dict[str, ModelRow] = {}
    for results, label in zip(own, _own_labels(own)):
        if results.task in tasks:
            ours.setdefault(label, ModelRow(label, True, {})).by_task[results.task] = results
    found: list[ModelRow] = []
    for row in theirs.values():
        found.append(row)
        models = {label: next(iter(mine.by_task.values())).model for label, mine in ours.items()}
        same = [label for label, model in models.items() if same_model(model, row.label)]
        found += [ours.pop(label) for label in same]
    return [*found, *ours.values()]


def _own_labels(own: Sequence[Results]) -> list[str]:
    places = [(results.model, results.task) for results in own]
    repeated = {model for model, task in places if places.count((model, task)) > 1}
    folders = [os.path.dirname(results.path) or "." for results in own]
    names = [os.path.basename(folder) for folder in folders]
    labels = []
    for results, folder, name in zip(own, folders, names):
        which = f", {name if names.count(name) == 1 else folder}"
        labels.append(f"{results.model} (own{which if results.model in repeated else ''})")
    return labels


def make_tables(published: Published, own: Sequence[Results]) -> list[Table]:
    """Returns a table for each group of tasks that there are results of.

    Raises:
        DataError: own results have none of the metrics that are published of their task.
    """
    groups = by_group(describe_tasks(published, own))
    return [
        _make_table(title, tasks, model_rows(published, own, list(tasks)), published)
        for title, tasks in groups.items()
    ]


def by_group(tasks: Mapping[str, TaskInfo]) -> dict[str, dict[str, TaskInfo]]:
    """Returns the tasks of each table, by its title."""
    groups: dict[str, dict[str, TaskInfo]] = {}
    for name, task in tasks.items():
        groups.setdefault(task.group, {})[name] = task
    return groups


def _make_table(
    title: str, tasks: Mapping[str, TaskInfo], rows: Sequence[ModelRow], published: Published
) -> Table:
    header, columns = ["Model"], []
    for name, task in tasks.items():
        for split in SPLITS:
            column = [_cell(row.by_task.get(name), split, task.metrics) for row in rows]
            if set(column) != {_UNKNOWN}:
                header.append(split if task.title == title else f"{plain(task.title)} {split}")
                columns.append(column)
    labels = [f"**{plain(row.label)}**" if row.is_own else plain(row.label) for row in rows]
    metrics = dict.fromkeys(
        " / ".join(metric_title(metric) for metric in task.metrics) for task in tasks.values()
    )
    cells = [list(cells) for cells in zip(labels, *columns)]
    notes = [*_own_notes(tasks, rows), *_published_notes(tasks, rows, published)]
    return Table(title, ", ".join(metrics), header, cells, notes)


def _cell(results: Results | None, split: str, metrics: Sequence[str]) -> str:
    if results is None:
        return _UNKNOWN
    return format_scores([results.scores.get((split, metric), Score()) for metric in metrics])


def _own_notes(tasks: Mapping[str, TaskInfo], rows: Sequence[ModelRow]) -> list[str]:
    notes = []
    for row in rows:
        for name, results in row.by_task.items() if row.is_own else ():
            metrics = tasks[name].metrics
            runs = "1 run" if results.num_runs == 1 else f"{results.num_runs} runs"
            parts = [
                f"**{plain(row.label)}**, {plain(tasks[name].title)}: {runs}{_settings(results)}.",
                _deviations(results, metrics),
            ]
            of_others = [other.by_task.get(name) for other in rows if not other.is_own]
            parts += [
                _differences(results, other, metrics)
                for other in of_others
                if other and same_model(other.model, results.model)
            ]
            path = " ".join(escape(results.path).split()).replace("`", "'")
            parts.append(f"From `{path}`.")
            notes.append(" ".join(filter(None, parts)))
    return notes


def _settings(results: Results) -> str:
    known = [
        f"{title} {_plain_number(results.settings[name])}"
        for name, title in _SETTINGS.items()
        if results.settings.get(name) is not None
    ]
    return f" ({', '.join(known)})" if known else ""


def _plain_number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _deviations(results: Results, metrics: Sequence[str]) -> str:
    found = {
        place: f"{score.std:.2f}"
        for place, score in results.scores.items()
        if score.std is not None and results.num_runs > 1
    }
    texts = _by_place(found, metrics)
    return f"Standard deviation: {texts}." if texts else ""


def _differences(results: Results, other: Results, metrics: Sequence[str]) -> str:
    """Compares with the published results: means, or maxima where no means are published."""
    means, maxima = {}, {}
    for place, score in results.scores.items():
        theirs = other.scores.get(place, Score())
        if score.mean is not None and theirs.mean is not None:
            means[place] = f"{score.mean - theirs.mean:+.1f}"
        elif score.max is not None and theirs.max is not None:
            maxima[place] = f"{score.max - theirs.max:+.1f}"
    named = {"means": _by_place(means, metrics), "maxima": _by_place(maxima, metrics)}
    return " ".join(
        f"Against the published {name}: {texts}." for name, texts in named.items() if texts
    )


def _by_place(texts: Mapping[Place, str], metrics: Sequence[str]) -> str:
    """Writes a text of each split and metric: ``dev EM 0.5, F1 0.3, test EM 0.4, F1 0.3``."""
    parts = []
    for split in SPLITS:
        of_split = [
            f"{metric_title(metric)} {texts[split, metric]}"
            if len(metrics) > 1
            else texts[split, metric]
            for metric in metrics
            if (split, metric) in texts
        ]
        if of_split:
            parts.append(f"{split} {', '.join(of_split)}")
    return ", ".join(parts)


def _published_notes(
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
        widths = [max(3, *map(_width, column)) for column in zip(*rows)]
        rule = [":" + "-" * (widths[0] - 1), *(f":{'-' * (width - 2)}:" for width in widths[1:])]
        lines = [_line(row, widths) for row in [rows[0], rule, *rows[1:]]]
        parts += [f"## {plain(table.title)}", table.metrics, "\n".join(lines)]
        parts += ["\n".join(f"- {note}" for note in table.notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """Returns a text from a file as Markdown that shows it, whatever it holds."""
    one_line = " ".join(escape(text).split())
    return re.sub(r"([\\`*\[\]])", r"\\\1", html.escape(one_line, quote=False))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths)]
    return f"| {' | '.join(padded)} |"


def _width(text: str) -> int:
    """Columns of the terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
