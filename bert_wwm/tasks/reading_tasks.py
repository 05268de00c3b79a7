"""The tasks of reading comprehension."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bert_wwm.metrics import cjrc, cmrc, squad
from bert_wwm.metrics.reading import mean_percents
from bert_wwm.tasks.examples import ANSWER_TYPES, SPAN, UNANSWERABLE, Question
from bert_wwm.tasks.reading_files import read_questions
from bert_wwm.tasks.task import Settings, Task, add

# HFL's baseline and Google's run_squad.py have 30. Of CMRC 2018's development questions one in
# twenty has no answer so short.
_LONGEST_CHINESE, _LONGEST_ENGLISH = 64, 30


class ReadingOptions(NamedTuple):
    """The flags of the same names: how texts are read and answers chosen."""

    doc_stride: int = 128  # in pieces, from one chunk of a long text to the next
    max_query_length: int = 64  # in pieces
    n_best_size: int = 20  # answers to list
    max_answer_length: int | None = None  # in pieces; None: the task's
    null_score_diff_threshold: float = 0.0  # above it a question has no answer
    # HFL's choices for CMRC 2018: learn the first occurrence of an answer, and take the blanks out
    # of predictions.
    hfl_compat: bool = False
    verbose_logging: bool = False  # name the questions whose answer is whole in no chunk


@dataclasses.dataclass(frozen=True)
class ReadingTask(Task):
    """A task of reading comprehension."""

    max_answer_length: int = _LONGEST_CHINESE  # the maximum number of pieces of a prediction
    with_null: bool = False  # a question may have no answer
    answer_types: bool = False  # YES and NO are answers too, so that the type is predicted
    strip_blanks: bool = False  # HFL's code removes the spaces from answers


def _score(
    evaluate: Callable[[Any, Any], Mapping[str, float]],
    names: Mapping[str, str],
    questions: Sequence[Question],
    predictions: Sequence[str],
) -> dict[str, float]:
    """Scores the answers to questions of which the file has true ones; in percent.

    ``names`` are our names of the scores, and those of ``evaluate``.
    """
    told = [pair for pair in zip(questions, predictions) if pair[0].answers]
    references = {question.id: _references(question) for question, _ in told}
    figures = evaluate(references, {question.id: text for question, text in told})
    return {name: figures[theirs] for name, theirs in names.items()}


def _references(question: Question) -> tuple[str, ...]:
    if question.answer_type == UNANSWERABLE and not any(a.text for a in question.answers):
        return ()
    return tuple(answer.text for answer in question.answers)


def _evaluate_cjrc(references: Any, predictions: Any) -> dict[str, float]:
    em, f1 = mean_percents(cjrc.question_scores(references, predictions).values())
    return {"em": em, "f1": f1}


_PAPER = "arXiv 1906.08101 v3, table IV; batch: ymcui/Chinese-BERT-wwm issue 14"
_GOOGLE = "google-research/bert README.md, SQuAD {} with BERT-{}"

_row = functools.partial(
    ReadingTask, kind="reading", metrics=("em", "f1"), best_metric="f1", shows_labels=False
)
_cmrc_row = functools.partial(
    _row,
    read=read_questions,
    score=functools.partial(_score, cmrc.evaluate, {"em": "EM", "f1": "F1", "average": "AVERAGE"}),
    metrics=("em", "f1", "average"),
    best_metric="average",
    settings=Settings(512, 64, 2.0, 3e-5),
    source=_PAPER,
    strip_blanks=True,
)

add(
    _cmrc_row(
        name="cmrc2018",
        title="CMRC 2018",
        files={
            "train": ("cmrc2018_train.json", "train.json"),
            "dev": ("cmrc2018_dev.json", "dev.json", "cmrc2018_trial.json"),
            "test": ("cmrc2018_test.json", "test.json"),
        },
    ),
    _cmrc_row(
        name="drcd",
        title="DRCD",
        files={
            "train": ("DRCD_training.json",),
            "dev": ("DRCD_dev.json",),
            "test": ("DRCD_test.json",),
        },
    ),
    _row(
        name="cjrc",
        title="CJRC",
        files={
            "train": ("small_train_data.json", "small-train-data.json", "big_train_data.json"),
            "dev": ("dev_ground_truth.json",),
            "test": ("test_ground_truth.json",),
        },
        read=functools.partial(read_questions, answer_types=ANSWER_TYPES),
        score=functools.partial(_score, _evaluate_cjrc, {"em": "em", "f1": "f1"}),
        settings=Settings(512, 64, 2.0, 4e-5),
        source=_PAPER,
        with_null=True,
        answer_types=True,
        strip_blanks=True,
        shows_labels=True,
    ),
    _row(
        name="squad",
        title="SQuAD 1.1",
        files={"train": ("train-v1.1.json",), "dev": ("dev-v1.1.json",), "test": ()},
        read=read_questions,
        score=functools.partial(_score, squad.evaluate_v1, {"em": "exact_match", "f1": "f1"}),
        settings=Settings(384, 12, 2.0, 3e-5),
        source=_GOOGLE.format("1.1", "Base"),
        max_answer_length=_LONGEST_ENGLISH,
    ),
    _row(
        name="squad2",
        title="SQuAD 2.0",
        files={"train": ("train-v2.0.json",), "dev": ("dev-v2.0.json",), "test": ()},
        read=functools.partial(read_questions, answer_types=(SPAN, UNANSWERABLE)),
        score=functools.partial(_score, squad.evaluate_v2, {"em": "exact", "f1": "f1"}),
        settings=Settings(384, 24, 2.0, 3e-5),
        source=_GOOGLE.format("2.0", "Large"),
        max_answer_length=_LONGEST_ENGLISH,
        with_null=True,
        shows_labels=True,
    ),
)
