"""The tasks of multiple choice: C3, and its files."""

import functools
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import read_json
from bert_wwm.metrics import classification
from bert_wwm.tasks.choice_features import NUM_CHOICES
from bert_wwm.tasks.examples import Choices
from bert_wwm.tasks.sentence_tasks import score
from bert_wwm.tasks.task import Note, Settings, Task, add

_DIALOGUES, _OTHERS = "d-", "m-"  # how the names of C3's two files of a split begin


def read_c3(path: str, note: Note) -> list[Choices]:
    """Reads a file of C3: a list of ``[lines of the context, questions, name]``.

    C3 has each split in two files, ``d-train.json`` of dialogues and ``m-train.json`` of other
    texts. Of the first the second is read too, if it is there.
    """
    folder, name = os.path.split(path)
    paths = [path]
    if _DIALOGUES in name:
        other = os.path.join(folder, name.replace(_DIALOGUES, _OTHERS))
        if files.exists(other):
            paths.append(other)
            note(f"{path}: read with {other}")
    examples: list[Choices] = []
    for each in paths:
        for number, document in enumerate(_list(read_json(each), each), 1):
            place = f"document {number}" + (f" of {each}" if len(paths) > 1 else "")
            for question in _questions(document, path, place):
                examples.append(question._replace(id=question.id or str(len(examples))))
    if not examples:
        raise DataError(f"{path}: holds no question; expected one at least")
    if len({example.id for example in examples}) < len(examples):
        examples = [one._replace(id=str(number)) for number, one in enumerate(examples)]
    return examples


def _questions(document: Any, path: str, place: str) -> Iterator[Choices]:
    expected = "[lines of the context, questions, name]"
    if not isinstance(document, list) or len(document) < 2:
        raise DataError(f"{path}: {place}: expected {expected}")
    lines = [_text(line, path, place) for line in _list(document[0], f"{path}: {place}: context")]
    for number, entry in enumerate(_list(document[1], f"{path}: {place}: questions"), 1):
        line = f"{place}, question {number}"
        if not isinstance(entry, dict) or not {"question", "choice"} <= set(entry):
            raise DataError(f"{path}: {line}: expected an object with 'question' and 'choice'")
        choices = tuple(_text(text, path, line) for text in _list(entry["choice"], path))
        if not 2 <= len(choices) <= NUM_CHOICES:
            raise DataError(f"{path}: {line}: {len(choices)} choices; expected 2 to {NUM_CHOICES}")
        label = None
        if entry.get("answer"):
            if entry["answer"] not in choices:
                raise DataError(
                    f"{path}: {line}: the answer {entry['answer']!r} is none of the choices"
                )
            label = str(choices.index(entry["answer"]))
        yield Choices(
            id=str(entry.get("id", "")),
            context="\n".join(lines),
            question=_text(entry["question"], path, line),
            choices=choices,
            label=label,
            line=line,
        )


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{place}: {json.dumps(value, ensure_ascii=False)[:40]}; expected a list")
    return value


def _text(value: Any, path: str, place: str) -> str:
    if not isinstance(value, str):
        shown = json.dumps(value, ensure_ascii=False)[:40]
        raise DataError(f"{path}: {place}: {shown}; expected a text")
    return value


def clue_lines(examples: Sequence[Choices], labels: Sequence[str]) -> Iterator[str]:
    """Yields the lines of CLUE's ``c3_predict.json``: ``{"id": 0, "label": 2}``."""
    for example, label in zip(examples, labels):
        name = int(example.id) if example.id.isdecimal() else example.id
        yield json.dumps({"id": name, "label": int(label)}, ensure_ascii=False)


add(
    Task(
        name="c3",
        title="C3",
        kind="choice",
        files={
            "train": ("d-train.json", "c3-d-train.json", "train.json"),
            "dev": ("d-dev.json", "c3-d-dev.json", "dev.json"),
            "test": ("test1.0.json", "test1.1.json", "d-test.json", "c3-d-test.json", "test.json"),
        },
        read=read_c3,
        score=functools.partial(score, (classification.accuracy,)),
        metrics=("accuracy",),
        settings=Settings(512, 16, 8.0, 2e-5),
        source="CLUEbenchmark/CLUE, baselines/models_pytorch/mrc_pytorch/run_mrc_c3.sh",
        labels=tuple(map(str, range(NUM_CHOICES))),
        submission=clue_lines,
    )
)
