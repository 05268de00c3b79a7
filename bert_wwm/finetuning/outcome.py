"""What a fine-tuning has left in its folder, for those who use its weights."""

import glob
import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import read_json
from bert_wwm.tasks.table import TASKS

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
    settings: Dict[str, Any]


def find_outcome(folder: str, log: Callable[[str], None]) -> Outcome:
    """Finds the run whose weights are to be used; of several the one that is best on ``dev``.

    Args:
        folder: --output_dir of a run or of several, or ``best`` in that of a run.
        log: takes what the user should know.

    Raises:
        ConfigError: there is no such folder, or several runs and none with a score.
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
        if not record["trained"]:
            log(f"{folder}: its training isn't over; the weights are those so far")
        return Outcome(folder, record["settings"])
    runs = _runs_in(folder)
    if runs:
        return _best(folder, runs, log)
    if not _has_weights(folder):
        raise ConfigError(
            f"{folder}: holds no trained weights; expected the --output_dir of {_PROGRAMS}"
        )
    return Outcome(folder, _settings_of_labels(folder))


def _runs_in(folder: str) -> Dict[str, Dict[str, Any]]:
    """Returns the records of the runs that have folders in this one, by folder."""
    runs = {}
    for path in _matching(folder, "*", _RECORD):
        record = _record(os.path.dirname(path))
        if record:
            runs[os.path.dirname(path)] = record
    return runs


def _has_weights(folder: str) -> bool:
    return any(_matching(folder, *names) for names in (("*.index",), (_BEST, "*.index")))


def _matching(folder: str, *names: str) -> List[str]:
    try:
        return files.find([os.path.join(glob.escape(folder), *names)])
    except DataError:  # there is none
        return []


def _best(folder: str, runs: Dict[str, Dict[str, Any]], log: Callable[[str], None]) -> Outcome:
    """Returns the run with the highest score on ``dev``, of equal ones the first."""
    scores = {}
    for run, record in runs.items():
        metric = _metric_of(record["settings"]["task"])
        if metric in record.get("dev", {}):
            scores[run] = (record["dev"][metric], metric)
    if not scores:
        raise ConfigError(
            f"{folder}: holds {len(runs)} runs, and none has a score to choose it by; expected the "
            "folder of one run"
        )
    best = max(scores, key=lambda run: scores[run][0])
    score, metric = scores[best]
    log(f"{best}: the best of {len(runs)} runs, with {metric} {score:.2f} on dev")
    return Outcome(best, runs[best]["settings"])


def _metric_of(name: str) -> str:
    """Returns the score that decides which weights of a task are best."""
    if name not in TASKS.names():
        return _USERS_METRIC
    return TASKS[name].best_metric or TASKS[name].metrics[0]


def _record(folder: str) -> Optional[Dict[str, Any]]:
    path = os.path.join(folder, _RECORD)
    if not files.exists(path):
        return None
    record = read_json(path)
    try:
        settings, _ = record["settings"], record["trained"]
        _, _ = settings["task"], settings["kind"]
    except (KeyError, TypeError):
        raise DataError(f"{path}: is broken; expected the record of a run") from None
    return record


def _settings_of_labels(folder: str) -> Dict[str, List[str]]:
    """Returns ``labels``, if the folder has a file of them."""
    path = os.path.join(folder, _LABELS)
    if not files.exists(path):
        return {}
    labels = read_json(path)
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise DataError(f"{path}: is broken; expected a list of labels in JSON")
    return {"labels": labels}
