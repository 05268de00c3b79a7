"""Checks the types of values in JSON files, and shows the wrong ones in errors."""

import json
from typing import Any

from bert_wwm.core.errors import DataError

TYPE_NAMES = {str: "a text", list: "a list", dict: "an object", int: "a whole number"}
_SHOWN_CHARS = 40


def check_type(place: str, value: Any, kind: type) -> None:
    """Checks that a value is of one of the types in ``TYPE_NAMES``."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DataError(f"{place} is {show(value)}; expected {TYPE_NAMES[kind]}")


def show(value: Any) -> str:
    """Returns the beginning of a value's JSON."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
