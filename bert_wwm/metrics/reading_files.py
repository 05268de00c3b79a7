"""The files that reading comprehension is scored from: true and predicted answers."""

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import read_json

_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}


class Reference(NamedTuple):
    """A question's true answers."""

    answers: list[str]  # one of each annotator; none where it can't be answered
    domain: str | None  # what its text is of, by the file; None where it doesn't tell


def read_references(path: str, as_text: bool = False) -> dict[str, Reference]:
    """Reads the answers to questions by id, in the format of SQuAD (so is CJRC's) or in CMRC's own.

    SQuAD: ``{"data": [{"paragraphs": [{"qas": [{"id", "answers": [{"text"}]}]}]}]}``; CMRC:
    ``[{"qas": [{"query_id", "answers": [text]}]}]``. As with HFL's program each level may be of
    either.

    ``as_text`` reads a number, true, false or null as the text that Python's ``str`` makes of it,
    as HFL's program does: 12 is "12" and null is "None". Otherwise they are errors.
    """
    content = read_json(path)
    texts, where = content, f"{path}: "
    if isinstance(content, dict):
        texts, where = _member(content, ("data",), list, path), f"{path}: data"
    elif not isinstance(content, list):
        raise DataError(f"{path}: is no data set; expected an object with 'data', or a list")
    references: dict[str, Reference] = {}
    for number, text in enumerate(texts):
        place = f"{where}[{number}]"
        for paragraph, in_text in _paragraphs(text, place):
            for turn, question in enumerate(_member(paragraph, ("qas",), list, in_text)):
                in_paragraph = f"{in_text}.qas[{turn}]"
                name, answers = _answers(question, in_paragraph, as_text)
                if name in references:
                    raise DataError(
                        f"{in_paragraph}: the id {name!r} is there twice; expected each once"
                    )
                references[name] = Reference(answers, text.get("domain"))
    return references


def read_predictions(path: str, as_text: bool = False) -> dict[str, str]:
    """Reads predicted answers: ``{id: answer}`` or CJRC's ``[{"id", "answer"}]``."""
    content = read_json(path)
    if isinstance(content, dict):
        return {
            name: _text(answer, f"{path}: the prediction of {name!r}", as_text)
            for name, answer in content.items()
        }
    _check(content, list, f"{path}: the whole")
    predictions: dict[str, str] = {}
    for number, row in enumerate(content):
        place = f"{path}: [{number}]"
        name = _member(row, ("id",), str, place)
        if name in predictions:
            raise DataError(f"{place}: the id {name!r} is there twice; expected each once")
        predictions[name] = _text_member(row, "answer", place, as_text)
    return predictions


def read_na_probs(path: str) -> dict[str, float]:
    """Reads how sure it is that questions have no answer: ``{id: number}``."""
    content = read_json(path)
    _check(content, dict, f"{path}: the whole")
    for name, number in content.items():
        is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
        if not is_number or not math.isfinite(number):
            raise DataError(f"{path}: {name!r} has {json.dumps(number)}; expected a finite number")
    return content


def _paragraphs(text: Any, place: str) -> Sequence[tuple[Any, str]]:
    _check(text, dict, place)
    if "paragraphs" not in text:
        return [(text, place)]
    paragraphs = _member(text, ("paragraphs",), list, place)
    return [(each, f"{place}.paragraphs[{number}]") for number, each in enumerate(paragraphs)]


def _answers(question: Any, place: str, as_text: bool) -> tuple[str, list[str]]:
    name = _member(question, ("id", "query_id"), str, place)
    answers = []
    for number, answer in enumerate(_member(question, ("answers",), list, place)):
        where = f"{place}.answers[{number}]"
        if isinstance(answer, dict):
            answers.append(_text_member(answer, "text", where, as_text))
        else:
            answers.append(_text(answer, where, as_text))
    return name, answers


def _text_member(holder: Any, name: str, place: str, as_text: bool) -> str:
    _check(holder, dict, place)
    if name not in holder:
        raise DataError(f"{place}: no {name!r}; expected {_KINDS[str]} there")
    return _text(holder[name], f"{place}: {name!r}", as_text)


def _text(value: Any, place: str, as_text: bool) -> str:
    if as_text and (value is None or isinstance(value, (bool, int, float))):
        return str(value)
    _check(value, str, place)
    return value


def _member(holder: Any, names: Sequence[str], kind: type, place: str) -> Any:
    """Returns what an object holds by the first of the names that it has."""
    _check(holder, dict, place)
    for name in names:
        if name in holder:
            _check(holder[name], kind, f"{place}: {name!r}")
            return holder[name]
    raise DataError(f"{place}: no {' or '.join(map(repr, names))}; expected {_KINDS[kind]} there")


def _check(value: Any, kind: type, place: str) -> None:
    if not isinstance(value, kind):
        shown = json.dumps(value, ensure_ascii=False)
        shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
        raise DataError(f"{place} is {shown}; expected {_KINDS[kind]}")
