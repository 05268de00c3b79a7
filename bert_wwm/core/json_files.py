"""Reads JSON, in files and in lines, in time that is linear in its length, and writes it."""

import collections
import json
import math
from typing import Any

from bert_wwm.core import files, stand_ins
from bert_wwm.core.errors import DataError

_HIGHEST = 1e150  # its square is finite too


def read_json(path: str) -> Any:
    """Reads a whole file of JSON, local or in a bucket; ``.gz`` is fine.

    Raises DataError where it is missing, not UTF-8, or a stand-in, and as ``parse_json``.
    """
    stand_ins.refuse(path)
    files.refuse_bomb(path)
    return parse_json("\n".join(files.read_lines(path)), path)


def read_object(path: str) -> dict[str, Any]:
    """Reads a file that holds a JSON object. Raises DataError as ``read_json``, or for others."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError(f"{path}: a JSON {type(value).__name__}; expected an object")
    return value


def format_json(value: Any) -> str:
    """Returns the text of a JSON file that people read too."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: str, value: Any) -> None:
    """Writes a file of JSON in one step: whole, or not at all."""
    files.write_text(path, format_json(value))


def parse_json(text: str, path: str) -> Any:
    """Returns the value of a text in JSON.

    Raises DataError for other text, for lists and objects that are nested too deep, and where an
    object has a name twice, of which ``json`` would keep the last.
    """
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{path}{line}: {_describe(error, 'JSON')}") from None


def parse_line(line: str | bytes, place: str, expected: str = "JSON") -> Any:
    """Returns the value of a line in JSON, such as one of JSON lines; raises as ``parse_json``."""
    try:
        return _DECODER.decode(line if isinstance(line, str) else line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: {_describe(error, expected)}") from None


def is_number(value: Any) -> bool:
    """True for a number of which means can be computed; NaN and infinity are such numbers."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return value != value or value == math.inf or abs(value) <= _HIGHEST


def _describe(error: Exception, expected: str) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"broken at column {error.colno} ({error.msg}); expected {expected}"
    if isinstance(error, RecursionError):
        return "lists or objects too deep to read; expected flatter ones"
    if isinstance(error, _Twice):
        return f"an object has {str(error)!r} twice; expected each name once"
    # Not UTF-8, or an integer of thousands of digits.
    return f"broken ({error}); expected {expected}"


class _Twice(ValueError):
    """An object has this name twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        counts = collections.Counter(name for name, _ in pairs)
        raise _Twice(counts.most_common(1)[0][0])
    return result


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
