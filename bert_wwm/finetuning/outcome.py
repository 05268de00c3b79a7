"""What a fine-tuning has left in its folder, for those who use its weights."""

import json
import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import is_number, read_json
from bert_wwm.core.label_file import read_labels
from bert_wwm.tasks.table import TASKS
from bert_wwm.tasks.task import SENTENCE

_RECORD, _LABELS, _BEST = "run.json", "labels.json", "best"
_USERS_METRIC = "accuracy"  # of tasks that aren't in the table
_PROGRAMS = "run_classifier.py, run_squad.py or run_ner.py"


class Outcome(NamedTuple):
    """A run that is over.

    Attributes:
        folder: where its weights are.
        settings: what ``run.json`` says of its task, its features and its training; empty where
            google-research/bert's programs have trained.
    """

    folder: str
    settings: dict[str, Any]


def find_outcome(folder: str, log: Callable[[str], None]) -> Outcome:
    """Finds the run whose weights are to be used; of several the one that is best on ``dev``.

    Args:
        folder: --output_dir of a run or of several, or ``best`` in that of a run.
        log: takes what the user should know.

    Raises:
        ConfigError: there is no such folder, or several runs of several tasks or without scores.
        DataError: a ``run.json`` is broken.
    """
    folder = folder.rstrip("/") or folder
    if not files.exists(folder) or os.path.isfile(folder):
        what = "is a file" if os.path.isfile(folder) else "no such folder"
        raise ConfigError(f"{folder}: {what}; expected the --output_dir of {_PROGRAMS}")
    parent = os.path.dirname(files.absolute(folder))
    if os.path.basename(folder) == _BEST and files.exists(os.path.join(parent, _RECORD)):
        folder = parent
    record = _record(folder)
    if record:
        return _outcome(folder, record, log)
    runs = _runs_in(folder)
    if runs:
        return _best(folder, runs, log)
    if not _has_weights(folder):
        raise ConfigError(
            f"{folder}: holds no trained weights; expected the --output_dir of {_PROGRAMS}"
        )
    return Outcome(folder, _settings_of_labels(folder))


def _runs_in(folder: str) -> dict[str, dict[str, Any]]:
    """Returns the records of the runs that have folders in this one, by folder."""
    runs = {}
    for path in _matching(folder, "*", _RECORD):
        record = _record(os.path.dirname(path))
        if record:
            runs[os.path.dirname(path)] = record
    return runs


def _has_weights(folder: str) -> bool:
    return any(_matching(folder, *names) for names in (("*.index",), (_BEST, "*.index")))


def _matching(folder: str, *names: str) -> list[str]:
    try:
        return files.find([os.path.join(folder, *names)])
    except DataError:  # there is none
        return []


def _best(folder: str, runs: dict[str, dict[str, Any]], log: Callable[[str], None]) -> Outcome:
    """Returns the run with the highest score on ``dev``, of equal ones the first.

    Runs whose training isn't over are chosen from only where none is over.
    """
    tasks = {record["settings"]["task"]: run for run, record in runs.items()}
    if len(tasks) > 1:
        listed = ", ".join(f"{os.path.basename(run)} of {task}" for task, run in tasks.items())
        raise ConfigError(
            f"{folder}: holds runs of several tasks, {listed}; expected the folder of one run, or "
            "of runs of one task"
        )
    metric = _metric_of(next(iter(tasks)))
    finished = [run for run in runs if runs[run]["trained"]]
    candidates = finished or list(runs)
    scores = {run: runs[run].get("dev", {}).get(metric, math.nan) for run in candidates}
    scores = {run: score for run, score in scores.items() if not math.isnan(score)}
    if len(candidates) == 1:
        best = candidates[0]
        log(f"{best}: the only run" + (" whose training is over" if len(runs) > 1 else ""))
    elif scores:
        best = max(scores, key=lambda run: scores[run])
        left_out = len(runs) - len(candidates)
        log(
            f"{best}: the best of {len(candidates)} runs, with {metric} {scores[best]:.2f} on dev"
            + (f"; {left_out} more whose training isn't over left out" if left_out else "")
        )
    else:
        raise ConfigError(
            f"{folder}: holds {len(candidates)} runs, and none has a score to choose it by; "
            "expected the folder of one run"
        )
    return _outcome(best, runs[best], log)


def _outcome(folder: str, record: dict[str, Any], log: Callable[[str], None]) -> Outcome:
    if not record["trained"]:
        log(f"{folder}: its training isn't over; the weights are those so far")
    return Outcome(folder, record["settings"])


def _metric_of(name: str) -> str:
    """Returns the score that decides which weights of a task are best."""
    if name not in TASKS.names():
        return _USERS_METRIC
    return TASKS[name].best_metric or TASKS[name].metrics[0]


def _record(folder: str) -> dict[str, Any] | None:
    path = os.path.join(folder, _RECORD)
    if not files.exists(path):
        return None
    record = read_json(path)
    wrong = _what_is_wrong(record)
    if wrong:
        raise DataError(f"{path}: is broken, {wrong}; expected the record of a run")
    return record


def _what_is_wrong(record: Any) -> str | None:
    """Returns what makes a record unfit to be used, None if nothing."""
    if not isinstance(record, dict):
        return "is no object"
    settings, scores = record.get("settings"), record.get("dev", {})
    if not isinstance(settings, dict):
        return "settings is no object"
    if not isinstance(scores, dict):
        return "dev is no object"
    if not isinstance(record.get("trained"), bool):
        return "trained is neither true nor false"
    task = settings.get("task")
    if not isinstance(task, str):
        return "its task is none"
    kind = TASKS[task].kind if task in TASKS.names() else SENTENCE  # as a file of the user's own
    if settings.get("kind") != kind:
        return f"a task {task} is of the kind {kind}"
    for name, is_right in _SETTINGS.items():
        if settings.get(name) is not None and not is_right(settings[name]):
            return f"{name} is {json.dumps(settings[name], ensure_ascii=False)}"
    for name, score in scores.items():
        if not is_number(score):
            return f"the score {name} is {json.dumps(score, ensure_ascii=False)}"
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_labels(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(label, str) for label in value)


def _is_decoding(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    length, threshold = value.get("max_answer_length"), value.get("null_score_diff_threshold", 0.0)
    return (length is None or _is_size(length)) and is_number(threshold)


# What those who use a run's weights read of its settings; null is as if it weren't there.
_SETTINGS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("bert_config_file", "gelu", "vocabulary", "vocabulary_sha256"), _is_text),
    **dict.fromkeys(("do_lower_case", "drop_category_c", "use_bfloat16"), _is_switch),
    **dict.fromkeys(("max_seq_length", "doc_stride", "max_query_length"), _is_size),
    "labels": _are_labels,
    "decoding": _is_decoding,
}


def _settings_of_labels(folder: str) -> dict[str, list[str]]:
    """Returns ``labels``, if the folder has a file of them."""
    path = os.path.join(folder, _LABELS)
    if not files.exists(path):
        return {}
    return {"labels": read_labels(path)}
