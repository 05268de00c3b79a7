"""The files that a fine-tuning run keeps in its folder: their names and their forms."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import is_number, read_json, write_json
from bert_wwm.tasks.json_values import show
from bert_wwm.tasks.table import TASKS
from bert_wwm.tasks.task import KIND_OF_USERS_TASK

BEST = "best"  # the folder of the best weights, in that of their run; of pretraining too
_RECORD, _LABELS, _RESULTS = "run.json", "labels.json", "results.json"


class RunFiles:
    """The folder of a run: its --output_dir, or the folder of one of several runs in it."""

    def __init__(self, folder: str):
        self.folder = folder
        self.best = os.path.join(folder, BEST)
        self.record = os.path.join(folder, _RECORD)
        self.labels = os.path.join(folder, _LABELS)

    @classmethod
    def of_checkpoint(cls, path: str) -> "RunFiles":
        """Returns the run of a checkpoint's prefix, of its folder, or of that of a run."""
        folder = os.path.dirname(path) if files.exists(f"{path}.index") else path.rstrip("/")
        above = cls(os.path.dirname(folder) or os.curdir)
        if os.path.basename(folder) == BEST and above.exists():
            return above
        return cls(folder or path)

    @classmethod
    def find_in(cls, folder: str) -> list["RunFiles"]:
        """Returns the runs that have folders of their own in a folder, by name."""
        try:
            records = files.find([os.path.join(folder, "*", _RECORD)])
        except DataError:  # there is none
            return []
        return [cls(os.path.dirname(path)) for path in records]

    def exists(self) -> bool:
        """Whether a run has left its record or its labels here."""
        return files.exists(self.record) or files.exists(self.labels)

    def read_record(self) -> dict[str, Any] | None:
        """Returns ``run.json``; None if there is none."""
        record = self._read(_find_problem)
        if record is not None:
            record.setdefault("made_of", {})
        return record

    def read_settings(self) -> dict[str, Any]:
        """Returns the settings of ``run.json``, whatever else it has; empty if there is none."""
        record = self._read(_find_problem_in_settings)
        return {} if record is None else record["settings"]

    def _read(self, find_problem: Callable[[Any], str | None]) -> dict[str, Any] | None:
        if not files.exists(self.record):
            return None
        record = read_json(self.record)
        problem = find_problem(record)
        if problem:
            raise DataError(f"{self.record}: is broken, {problem}; expected the record of a run")
        assert isinstance(record, dict)
        return record

    def read_labels(self) -> list[str] | None:
        """Returns the labels in the order of their ids; None if there is no file of them."""
        if not files.exists(self.labels):
            return None
        labels = read_json(self.labels)
        if not _are_labels(labels):
            raise DataError(
                f"{self.labels}: is broken; expected a list of labels in JSON, in the order of "
                "their ids (a run.json beside it has them too)"
            )
        return [label.strip() for label in labels]

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Writes ``run.json``."""
        write_json(self.record, record)

    def write_labels(self, labels: Sequence[str]) -> str:
        """Writes ``labels.json``, and returns its name."""
        files.write_text(self.labels, json.dumps(list(labels), ensure_ascii=False) + "\n")
        return _LABELS

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Writes ``results.json``."""
        write_json(os.path.join(self.folder, _RESULTS), results)


def new_record(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the record of a run that has done nothing yet."""
    return {"settings": settings, "trained": False, "made_of": {}}


def _find_problem(record: Any) -> str | None:
    """Returns what makes a record unfit to be used; None if nothing."""
    problem = _find_problem_in_settings(record)
    if problem:
        return problem
    settings = record["settings"]
    if not isinstance(record.get("trained"), bool):
        return "trained is neither true nor false"
    name = settings.get("task")
    if not isinstance(name, str):
        return "it has no task"
    task = TASKS[name] if name in TASKS.names() else None
    kind = task.kind if task else KIND_OF_USERS_TASK
    if settings.get("kind") != kind:
        return f"a task {name} is of the kind {kind}"
    made_of = record.get("made_of", {})
    if not isinstance(made_of, dict):
        return "made_of is not an object"
    if not is_number(record.get("seconds", 0)):
        return "seconds is not a number"
    for split in {"dev": None, **made_of}:
        scores = record.get(split, None if split in made_of else {})
        if not isinstance(scores, dict):
            return f"{split} is not an object"
        for score, value in scores.items():
            if not is_number(value):
                return f"the score {score} is {show(value)}"
        if task and split == "dev" and split in made_of and not set(task.metrics) <= set(scores):
            return f"dev lacks one of the scores {', '.join(task.metrics)}"
    return None


def _find_problem_in_settings(record: Any) -> str | None:
    if not isinstance(record, dict):
        return "is not an object"
    settings = record.get("settings")
    if not isinstance(settings, dict):
        return "settings is not an object"
    for name, is_right in _SETTINGS.items():
        if settings.get(name) is not None and not is_right(settings[name]):
            return f"{name} is {show(settings[name])}"
    return None


def _is_a(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_labels(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(label, str) for label in value)


def _is_decoding(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    length, threshold = value.get("max_answer_length"), value.get("null_score_diff_threshold", 0.0)
    return (length is None or _is_size(length)) and is_number(threshold)


# The settings that those who use a run's weights read; null is the same as none.
_SETTINGS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("bert_config_file", "gelu", "vocabulary", "vocabulary_sha256"), _is_a(str)),
    **dict.fromkeys(
        ("do_lower_case", "drop_category_c", "use_bfloat16", "use_float16"), _is_a(bool)
    ),
    **dict.fromkeys(("max_seq_length", "doc_stride", "max_query_length"), _is_size),
    "labels": _are_labels,
    "decoding": _is_decoding,
}
