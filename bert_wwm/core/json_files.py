"""Reads JSON that users hand in."""

import json
from typing import Any, Dict, List, Tuple

from bert_wwm.core import files, stand_ins
from bert_wwm.core.errors import DataError


def read_json(path: str) -> Any:
    """Reads a whole file of JSON, local or in a bucket; ``.gz`` is fine.

    Raises:
        DataError: the file is missing, not UTF-8 (``path:line``) or stands for another one, or what
            ``parse_json`` says.
    """
    stand_ins.refuse(path)
    return parse_json("\n".join(files.read_lines(path)), path)


def parse_json(text: str, path: str) -> Any:
    """Returns what a text in JSON says.

    Args:
        text: the text.
        path: where it stands, for error messages.

    Raises:
        DataError: it is no JSON (``path:line``), lists and objects lie too deep in each other, or
            an object has a name twice, of which ``json`` would keep the last.
    """

    def unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in result if names.count(name) > 1)
            raise DataError(f"{path}: an object has {twice!r} twice; expected each name once")
        return result

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{error.lineno}: broken at column {error.colno} ({error.msg}); expected JSON"
        ) from None
    except ValueError as error:  # an integer of thousands of digits
        raise DataError(f"{path}: broken ({error}); expected JSON") from None
    except RecursionError:
        raise DataError(
            f"{path}: lists or objects too deep to read; expected flatter ones"
        ) from None
