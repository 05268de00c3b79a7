"""Results of fine-tuning: the published ones, and those that the programs leave."""

import glob
import itertools
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import is_number, read_json
from bert_wwm.tasks.table import TASKS

RESULTS_FILE = "results.json"
SPLITS = ("dev", "test", "challenge")
Place = tuple[str, str]  # (split, metric)


class Score(NamedTuple):
    """A metric over the runs of a model, in percent; None where it is not known."""

    max: float | None = None
    mean: float | None = None
    std: float | None = None


class Source(NamedTuple):
    """Where numbers were published, and what else there is to know of them."""

    title: str
    url: str
    note: str = ""


class TaskInfo(NamedTuple):
    """How the results of a task are shown.

    Attributes:
        title: as in the papers.
        group: the table that it belongs to.
        metrics: which are shown, in this order.
        note: on the published results, a sentence.
    """

    title: str
    group: str
    metrics: tuple[str, ...]
    note: str = ""


class Results(NamedTuple):
    """The results of a model on a task.

    Attributes:
        task: its name.
        model: its name.
        scores: by split and metric.
        sources: keys of what published them, by split and metric; empty for own results.
        path: the file of own results; "" for published ones.
        num_runs: of own results; 0 for published ones.
        runs: each run's values by split and metric, of own results.
        settings: what own results were trained with, by the flags' names.
    """

    task: str
    model: str
    scores: Mapping[Place, Score]
    sources: Mapping[Place, str] = {}
    path: str = ""
    num_runs: int = 0
    runs: Mapping[Place, list[float]] = {}
    settings: Mapping[str, Any] = {}


class Published(NamedTuple):
    """The published results, a model and a task each, in the order of the file."""

    tasks: dict[str, TaskInfo]
    sources: dict[str, Source]
    results: list[Results]


def load_published(path: str) -> Published:
    """Reads the published results.

    Args:
        path: a JSON file of ``sources`` (by key), ``tasks`` (by name) and ``results`` (of a model,
            task, split and metric each: ``max`` and ``mean`` in percent, or one of them, and the
            key of their ``source``).

    Raises:
        DataError: the file is missing, or not of this form.
    """
    values = _read_object(path)
    try:
        sources = {key: Source(**source) for key, source in values["sources"].items()}
        tasks = {
            name: TaskInfo(**{**task, "metrics": tuple(task["metrics"])})
            for name, task in values["tasks"].items()
        }
        rows = [_published_row(path, number, row) for number, row in enumerate(values["results"])]
        described = [(t.title, t.group, t.note, *t.metrics) for t in tasks.values()]
        named = [(task, model, *place, source) for task, model, place, _, source in rows]
        for text in itertools.chain(*sources.values(), *described, *named):
            if not isinstance(text, str):
                raise TypeError(f"{text!r} is not a text")
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a file of published results ({error!r})") from None
    found: dict[tuple[str, str], Results] = {}
    for number, (task, model, place, score, source) in enumerate(rows):
        where = f"{path}: results[{number}]"
        if task not in tasks or source not in sources:
            raise DataError(
                f"{where}: of task {task!r} and source {source!r}; expected ones that the file "
                "describes"
            )
        results = found.setdefault((task, model), Results(task, model, {}, {}))
        if place in results.scores:
            raise DataError(f"{where}: {model}, {task}, {' '.join(place)} for the second time")
        found[task, model] = results._replace(
            scores={**results.scores, place: score}, sources={**results.sources, place: source}
        )
    return Published(tasks, sources, list(found.values()))


def _published_row(
    path: str, number: int, row: Mapping[str, Any]
) -> tuple[str, str, Place, Score, str]:
    where = f"{path}: results[{number}]"
    score = _score(where, {name: row[name] for name in ("max", "mean") if name in row})
    return row["task"], row["model"], (row["split"], row["metric"]), score, row["source"]


def find_results(patterns: Sequence[str]) -> list[str]:
    """Returns the files of results that patterns name, each once.

    Args:
        patterns: files, folders, or globs of either; of a folder, each ``results.json`` in it and
            in the folders below. In a bucket: files, or globs of files.

    Raises:
        DataError: a pattern names nothing, or a folder without results.
    """
    found: list[str] = []
    for pattern in patterns:
        if files.is_remote(pattern):
            found += files.find([pattern])
            continue
        names = [pattern] if os.path.exists(pattern) else files.glob(pattern)
        if not names:
            raise DataError(f"{pattern}: no such file; expected a {RESULTS_FILE}, or its folder")
        for name in names:
            found += _below(name) if os.path.isdir(name) else [name]
    return list(dict.fromkeys(os.path.normpath(p) if not files.is_remote(p) else p for p in found))


def _below(folder: str) -> list[str]:
    pattern = os.path.join(glob.escape(folder), "**", RESULTS_FILE)
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise DataError(f"{folder}: no {RESULTS_FILE} in it; expected what fine-tuning wrote")
    return found


def load_results(path: str) -> Results:
    """Reads what a fine-tuning program left: ``results.json``.

    A model without a name is called as the folder of the file.

    Raises:
        DataError: the file is missing, or not of this form.
    """
    try:
        return _own_results(path, _read_object(path))
    except DataError as error:
        raise DataError(f"{error}. The fine-tuning's command writes it again") from None


def _own_results(path: str, values: dict[str, Any]) -> Results:
    task, runs = values.get("task"), values.get("runs", [])
    settings = values.get("settings") or {}
    model = values.get("model") or os.path.basename(os.path.dirname(files.absolute(path)))
    if not task or not isinstance(task, str) or not isinstance(model, str):
        raise DataError(f"{path}: task is {task!r}; expected the name of a task, and of a model")
    if not isinstance(settings, dict) or not isinstance(runs, list):
        raise DataError(f"{path}: settings or runs are no object or list; expected results")
    scores = {}
    for split in SPLITS:
        metrics = values.get(split) or {}
        if not isinstance(metrics, dict):
            raise DataError(f"{path}: {split} is {metrics!r}; expected its metrics")
        for metric, summary in metrics.items():
            if "loss" in metric:  # no percentage, and infinite where a run diverged
                continue
            score = _score(f"{path}: {split} {metric}", summary)
            if score != Score():
                scores[split, metric] = score
    if not scores:
        raise DataError(f"{path}: no results; expected some of dev or test")
    num_runs = values.get("num_runs", len(runs))
    if isinstance(num_runs, bool) or not isinstance(num_runs, int) or num_runs < 1:
        raise DataError(f"{path}: num_runs is {num_runs!r}; expected a positive number")
    by_run = {place: _values_of(path, runs, place) for place in scores}
    return Results(
        task,
        model,
        scores,
        path=path,
        num_runs=num_runs,
        runs={place: of_runs for place, of_runs in by_run.items() if of_runs},
        settings=settings,
    )


def _values_of(path: str, runs: Sequence[Any], place: Place) -> list[float]:
    """What the runs got of a metric, those that have it."""
    split, metric = place
    found = []
    for number, run in enumerate(runs):
        values = run.get(split) if isinstance(run, dict) else None
        if isinstance(values, dict) and metric in values:
            found.append(_number(f"{path}: runs[{number}] {split} {metric}", values[metric]))
    return found


def _score(where: str, values: Any) -> Score:
    if not isinstance(values, dict) or not {"max", "mean"} & set(values):
        raise DataError(f"{where}: is {values!r}; expected max, mean, or both, in percent")
    known = {name: values[name] for name in Score._fields if values.get(name) is not None}
    return Score(**{name: _number(f"{where} {name}", value) for name, value in known.items()})


def _number(where: str, value: Any) -> float:
    if not is_number(value) or not math.isfinite(value):
        shown = "a number that no float holds" if type(value) is int else repr(value)
        raise DataError(f"{where}: is {shown}; expected a number")
    return float(value)


def _read_object(path: str) -> dict[str, Any]:
    values = read_json(path)
    if not isinstance(values, dict):
        raise DataError(f"{path}: not a JSON object; expected results")
    return values


def select(
    published: Published, tasks: Sequence[str] | None, models: Sequence[str] | None
) -> Published:
    """Returns the published results of some tasks and models; None: of all.

    Raises:
        ConfigError: there are no published results of a model.
    """
    known = list(dict.fromkeys(results.model for results in published.results))
    for model in models or ():
        if not any(same_model(model, name) for name in known):
            raise ConfigError(
                f"no results of the model {model!r} are published; expected some of "
                f"{', '.join(known)}"
            )
    chosen = [
        results
        for results in published.results
        if (tasks is None or results.task in tasks)
        and (models is None or any(same_model(model, results.model) for model in models))
    ]
    return published._replace(results=chosen)


def describe_tasks(published: Published, own: Sequence[Results]) -> dict[str, TaskInfo]:
    """Returns the tasks that there are results of, those with published ones first.

    Raises:
        DataError: own results have none of the metrics that are published of their task.
    """
    present = [*published.results, *own]
    tasks = {
        name: task
        for name, task in published.tasks.items()
        if any(results.task == name for results in present)
    }
    for results in own:
        metrics = tuple(dict.fromkeys(metric for _, metric in results.scores))
        known = tasks.setdefault(results.task, _unpublished(results.task, metrics))
        if not set(metrics) & set(known.metrics):
            raise DataError(
                f"{results.path}: {results.task} by {', '.join(metrics)}; expected "
                f"{' and '.join(known.metrics)}"
            )
    return tasks


def _unpublished(name: str, metrics: tuple[str, ...]) -> TaskInfo:
    """Returns what is shown of a task that nobody has published results of."""
    if name not in TASKS.names():
        return TaskInfo(name, name, metrics)
    title = TASKS[name].title
    return TaskInfo(title, title, TASKS[name].metrics)


def records(results: Sequence[Results]) -> list[dict[str, Any]]:
    """Returns a flat object for each model, task, split and metric, to be written as JSON."""
    found = []
    for of_model in results:
        for (split, metric), score in of_model.scores.items():
            record: dict[str, Any] = {
                "model": of_model.model,
                "task": of_model.task,
                "split": split,
            }
            record.update(metric=metric, max=score.max, mean=score.mean)
            if of_model.path:
                record.update(std=score.std, num_runs=of_model.num_runs, file=of_model.path)
            else:
                record["source"] = of_model.sources[split, metric]
            found.append(record)
    return found


def same_model(name: str, other: str) -> bool:
    """True for names that differ in nothing but case and what stands between their parts."""
    return _plain(name) == _plain(other)


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())
