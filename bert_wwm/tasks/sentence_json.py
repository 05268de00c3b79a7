"""Reads texts to classify from CLUE's files: a JSON object a line."""

import dataclasses
import json
from typing import Any, Dict, List, Optional

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.sentence_files import Collector, Labels
from bert_wwm.tasks.task import Note

_LABEL, _ID = "label", "id"


@dataclasses.dataclass(frozen=True)
class JsonReader:
    """Reads a task's files; those of tests have no labels.

    Attributes:
        text_a, text_b: the keys of the texts; a list of words is joined by blanks, as CLUE does.
        labels: what the labels are.
    """

    text_a: str
    text_b: Optional[str]
    labels: Labels

    def __call__(self, path: str, note: Note) -> List[Sentence]:
        """Reads a file.

        Raises:
            DataError: it can't be read, a line is no object with these keys, or has a label that
                the task doesn't know.
        """
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
        if empty:
            note(f"{path}: {empty:,} empty line{'s are' if empty > 1 else ' is'} left out")
        return collector.finish(note)

    def _parsed(self, place: str, line: str) -> Dict[str, Any]:
        keys = [key for key in (self.text_a, self.text_b) if key is not None]
        expected = f"expected an object with {' and '.join(map(repr, keys))} on each line"
        try:
            fields = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"{place}: is no JSON ({error}); {expected}") from None
        if not isinstance(fields, dict):
            raise DataError(f"{place}: is JSON, but no object; {expected}")
        for key in keys:
            if key not in fields:
                raise DataError(f"{place}: has no {key!r}; {expected}")
        return fields


def _text(place: str, fields: Dict[str, Any], key: str) -> str:
    value = fields[key]
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return " ".join(value)
    if not isinstance(value, str):
        raise DataError(f"{place}: {key!r} is {_shown(value)}; expected a text")
    return value


def _name(place: str, fields: Dict[str, Any], key: str) -> Optional[str]:
    value = fields.get(key)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise DataError(f"{place}: {key!r} is {_shown(value)}; expected a text or a whole number")


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:40]
