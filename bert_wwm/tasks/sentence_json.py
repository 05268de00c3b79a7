"""CLUE's files of texts to classify, a JSON object a line, and of predictions for them."""

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import parse_line
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.json_values import check_type, show
from bert_wwm.tasks.sentence_files import Collector, Labels, note_empty_lines
from bert_wwm.tasks.task import Note

_LABEL, _ID = "label", "id"
_NUMBER = re.compile("0|[1-9][0-9]{0,17}")


@dataclasses.dataclass(frozen=True)
class JsonReader:
    """Reads a task's files; those of tests have no labels.

    ``text_a`` and ``text_b`` are the keys of the texts; a list of words is joined by spaces, as
    CLUE does.
    """

    text_a: str
    text_b: str | None
    labels: Labels

    def __call__(self, path: str, note: Note) -> list[Sentence]:
        """Reads a file."""
        collector = Collector(path, self.labels)
        empty = 0
        for number, line in enumerate(files.read_lines(path), 1):
            if not line.strip():
                empty += 1
                continue
            place = f"{path}:{number}"
            fields = self._parsed(place, line)
            collector.add(
                str(number),
                _text(place, fields, self.text_a),
                None if self.text_b is None else _text(place, fields, self.text_b),
                _name(place, fields, _LABEL),
                _name(place, fields, _ID),
            )
        note_empty_lines(path, empty, note)
        return collector.finish(note)

    def _parsed(self, place: str, line: str) -> dict[str, Any]:
        keys = [key for key in (self.text_a, self.text_b) if key is not None]
        expected = f"an object with {' and '.join(map(repr, keys))} on each line"
        fields = parse_line(line, place, expected)
        if not isinstance(fields, dict):
            raise DataError(f"{place}: is JSON, but no object; expected {expected}")
        for key in keys:
            if key not in fields:
                raise DataError(f"{place}: has no {key!r}; expected {expected}")
        return fields


def clue_lines(examples: Sequence[Sentence], labels: Sequence[str]) -> Iterator[str]:
    """Yields lines of CLUE's ``TASK_predict.json``: ``{"id": 0, "label": "entailment"}``.

    Every label is a string, that of TNEWS too ("101"). CLUE compares the labels line by line, so
    there is one for each example, in the order of the file. The id is the file's, or, if examples
    have none, their number from 0.
    """
    for number, (example, label) in enumerate(zip(examples, labels)):
        yield clue_line(str(number) if example.place is None else example.id, label)


def clue_line(example_id: str, label: Any) -> str:
    """Returns a line of a file of predictions for CLUE."""
    number = int(example_id) if _NUMBER.fullmatch(example_id) else example_id
    return json.dumps({"id": number, "label": label}, ensure_ascii=False)


def _text(place: str, fields: dict[str, Any], key: str) -> str:
    value = fields[key]
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return " ".join(value)
    check_type(f"{place}: {key!r}", value, str)
    return str(value)


def _name(place: str, fields: dict[str, Any], key: str) -> str | None:
    value = fields.get(key)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise DataError(f"{place}: {key!r} is {show(value)}; expected a text or a whole number")
