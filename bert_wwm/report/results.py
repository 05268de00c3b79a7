"""Results of fine-tuning: the published ones, and those that the programs write."""

import glob
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import is_number, read_object
from bert_wwm.tasks.table import TASKS

RESULTS_FILE = "results.json"
SPLITS = ("dev", "test", "challenge")
Place = tuple[str, str]  # (split, metric)

# The folders of released checkpoints, such as chinese_wwm_ext_L-12_H-768_A-12.
_RELEASE = re.compile(r"^(?:chinese(?=[-_]))?(.*?)(?:[-_]L-\d+[-_]H-\d+[-_]A-\d+)?$")
_NAMES = {
    "": "bert",
    "wwm": "bertwwm",
    "wwmext": "bertwwmext",
    "robertawwmlargeext": "robertawwmextlarge",
    "ernie10": "ernie",
}


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
    """How the results of a task are shown."""

    title: str  # as in the papers
    group: str  # the table that it belongs to
    metrics: tuple[str, ...]  # which are shown, in this order
    note: str = ""  # a sentence on the published results


class Results(NamedTuple):
    """The results of a model on a task, by their names; those of own runs, or published ones."""

    task: str
    model: str
    scores: Mapping[Place, Score]
    sources: Mapping[Place, str] = {}  # keys of what published them
    path: str = ""  # the file of own results
    num_runs: int = 0  # of own results
    runs: Mapping[Place, list[float]] = {}  # each run's values, of own results
    settings: Mapping[str, Any] = {}  # of own results, by the flags' names


NO_RESULTS = Results("", "", {})


class Published(NamedTuple):
    """What is published: tasks and sources by name, results of a model and a task each.

    ``learning_rates`` holds, by model and task, those that differ from the task's own.
    """

    tasks: dict[str, TaskInfo]
    sources: dict[str, Source]
    results: list[Results]
    learning_rates: Mapping[str, Mapping[str, float]] = {}


def load_published(path: str) -> Published:
    """Reads configs/published_results.json."""
    values = read_object(path)
    scores: dict[tuple[str, str], dict[Place, Score]] = {}
    keys: dict[tuple[str, str], dict[Place, str]] = {}
    for row in values["results"]:
        subject, place = (row["task"], row["model"]), (row["split"], row["metric"])
        scores.setdefault(subject, {})[place] = Score(row.get("max"), row.get("mean"))
        keys.setdefault(subject, {})[place] = row["source"]
    tasks = {
        name: TaskInfo(**{**task, "metrics": tuple(task["metrics"])})
        for name, task in values["tasks"].items()
    }
    sources = {key: Source(**source) for key, source in values["sources"].items()}
    results = [Results(*subject, scores[subject], keys[subject]) for subject in scores]
    return Published(tasks, sources, results, values["learning_rates"])


def find_results(patterns: Sequence[str]) -> list[str]:
    """Returns the files of results that patterns name, each once.

    Patterns are files, folders, or globs of either; of a folder, each ``results.json`` in it and in
    the folders below. In a bucket: files, or globs of files.
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
            below = _find_below(name) if os.path.isdir(name) else [name]
            found += map(os.path.normpath, below)
    return list(dict.fromkeys(found))


def _find_below(folder: str) -> list[str]:
    pattern = os.path.join(glob.escape(folder), "**", RESULTS_FILE)
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise DataError(f"{folder}: no {RESULTS_FILE} in it; expected what fine-tuning wrote")
    return found


def load_results(path: str) -> Results:
    """Reads the ``results.json`` of a fine-tuning program.

    A model without a name gets the name of the file's folder.
    """
    try:
        return _parse_results(path, read_object(path))
    except DataError as error:
        raise DataError(f"{error}. The fine-tuning's command writes it again") from None


def _parse_results(path: str, values: dict[str, Any]) -> Results:
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
            if "loss" in metric:  # not a percentage, and infinite where a run diverged
                continue
            score = _parse_score(f"{path}: {split} {metric}", summary)
            if score != Score():
                scores[split, metric] = score
    if not scores:
        raise DataError(f"{path}: no results; expected some of dev or test")
    num_runs = values.get("num_runs", len(runs))
    if isinstance(num_runs, bool) or not isinstance(num_runs, int) or num_runs < 1:
        raise DataError(f"{path}: num_runs is {num_runs!r}; expected a positive number")
    by_run = {place: found for place in scores if (found := _find_values(path, runs, place))}
    return Results(task, model, scores, {}, path, num_runs, by_run, settings)


def _find_values(path: str, runs: Sequence[Any], place: Place) -> list[float]:
    """Returns the values of a metric of the runs that have it."""
    split, metric = place
    found = []
    for number, run in enumerate(runs):
        values = run.get(split) if isinstance(run, dict) else None
        if isinstance(values, dict) and metric in values:
            found.append(_parse_number(f"{path}: runs[{number}] {split} {metric}", values[metric]))
    return found


def _parse_score(where: str, values: Any) -> Score:
    if not isinstance(values, dict) or not {"max", "mean"} & set(values):
        raise DataError(f"{where}: is {values!r}; expected max, mean, or both, in percent")
    known = {name: values[name] for name in Score._fields if values.get(name) is not None}
    return Score(**{name: _parse_number(f"{where} {name}", known[name]) for name in known})


def _parse_number(where: str, value: Any) -> float:
    if not is_number(value) or not math.isfinite(value):
        shown = "a number that no float holds" if type(value) is int else repr(value)
        raise DataError(f"{where}: is {shown}; expected a number")
    return float(value)


def select(
    published: Published, tasks: Sequence[str] | None, models: Sequence[str] | None
) -> Published:
    """Returns the published results of some tasks and models; None: of all."""
    known = list(dict.fromkeys(results.model for results in published.results))
    for model in models or ():
        if not any(is_same_model(model, name) for name in known):
            raise ConfigError(
                f"no results of the model {model!r} are published; expected some of "
                f"{', '.join(known)}"
            )
    chosen = [
        results
        for results in published.results
        if (tasks is None or results.task in tasks)
        and (models is None or any(is_same_model(model, results.model) for model in models))
    ]
    return published._replace(results=chosen)


def describe_tasks(published: Published, own: Sequence[Results]) -> dict[str, TaskInfo]:
    """Returns the tasks that there are results of, those with published ones first.

    Raises:
        DataError: own results have none of the metrics that are published of their task.
    """
    present = {results.task for results in (*published.results, *own)}
    tasks = {name: task for name, task in published.tasks.items() if name in present}
    for results in own:
        metrics = tuple(dict.fromkeys(metric for _, metric in results.scores))
        task = TaskInfo(results.task, results.task, metrics)
        if results.task in TASKS.names():
            row = TASKS[results.task]
            task = TaskInfo(row.title, row.title, row.metrics)
        known = tasks.setdefault(results.task, task)
        if not set(metrics) & set(known.metrics):
            raise DataError(
                f"{results.path}: {results.task} by {', '.join(metrics)}; expected "
                f"{' and '.join(known.metrics)}"
            )
    return tasks


def is_same_model(name: str, other: str) -> bool:
    """Compares names without case and punctuation; folders of releases count as their models."""
    return _simplify(name) == _simplify(other)


def _simplify(name: str) -> str:
    match = _RELEASE.match(name)
    plain = "".join(char for char in match[1].casefold() if char.isalnum()) if match else name
    return _NAMES.get(plain, plain)
