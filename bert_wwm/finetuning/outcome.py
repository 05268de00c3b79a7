"""What a fine-tuning has left in its folder, for those who use its weights."""

import contextlib
import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.tasks.run_files import BEST, RunFiles
from bert_wwm.tasks.table import TASKS

_USERS_METRIC = "accuracy"  # of tasks that aren't in the table
_PROGRAMS = "run_classifier.py, run_squad.py or run_ner.py"


class Outcome(NamedTuple):
    """A run that is over: the folder of its weights, and the settings of ``run.json``.

    There are no settings if google-research/bert's programs have trained.
    """

    folder: str
    settings: dict[str, Any]


def find_outcome(folder: str, log: Callable[[str], None]) -> Outcome:
    """Finds the run whose weights are to be used; of several the one that is best on ``dev``.

    ``folder`` is the --output_dir of a run or of several, or ``best`` in that of a run. Raises
    ConfigError if it is missing, or holds runs of several tasks or several without scores.
    """
    folder = folder.rstrip("/") or folder
    if not files.exists(folder) or os.path.isfile(folder):
        what = "is a file" if os.path.isfile(folder) else "no such folder"
        raise ConfigError(f"{folder}: {what}; expected the --output_dir of {_PROGRAMS}")
    run = RunFiles.of_checkpoint(folder)
    if os.path.basename(folder) == BEST:
        folder = run.folder
    record = run.read_record()
    if record:
        return _outcome(folder, record, log)
    records = {one.folder: one.read_record() for one in RunFiles.find_in(folder)}
    runs = {path: record for path, record in records.items() if record}
    if runs:
        return _best(folder, runs, log)
    if not _has_weights(folder):
        raise ConfigError(
            f"{folder}: holds no trained weights; expected the --output_dir of {_PROGRAMS}"
        )
    labels = run.read_labels()
    return Outcome(folder, {} if labels is None else {"labels": labels})


def _has_weights(folder: str) -> bool:
    for place in (folder, os.path.join(folder, BEST)):
        with contextlib.suppress(DataError):  # there is none
            return bool(files.find([os.path.join(place, "*.index")]))
    return False


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
