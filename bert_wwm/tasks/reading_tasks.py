"""The tasks of reading comprehension."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bert_wwm.metrics import cjrc, cmrc, squad
from bert_wwm.tasks import answers, reading_files
from bert_wwm.tasks.examples import UNANSWERABLE, Question
from bert_wwm.tasks.features import FeatureTable
from bert_wwm.tasks.reading_features import ReadingFeaturizer
from bert_wwm.tasks.task import Note, Settings, Task, add
from bert_wwm.text.tokenizer import Tokenizer

# HFL's baseline and Google's run_squad.py have 30. Of CMRC 2018's development questions one in
# twenty has no answer so short.
_LONGEST_CHINESE, _LONGEST_ENGLISH = 64, 30

_Measure = Callable[[Mapping[str, Sequence[str]], Mapping[str, str]], dict[str, float]]


@dataclasses.dataclass(frozen=True)
class ReadingTask(Task):
    """A task of reading comprehension.

    Attributes:
        max_answer_length: the maximum number of pieces of a predicted answer.
        with_null: whether a question may have no answer.
        answer_types: whether YES and NO are answers too, so that the model predicts the type.
        strip_blanks: whether HFL's code removes the spaces from answers.
    """

    max_answer_length: int = _LONGEST_CHINESE
    with_null: bool = False
    answer_types: bool = False
    strip_blanks: bool = False

    def featurizer(
        self,
        tokenizer: Tokenizer,
        max_seq_length: int,
        doc_stride: int = 128,
        max_query_length: int = 64,
        hfl_compat: bool = False,
    ) -> ReadingFeaturizer:
        """Returns what makes features of the task's questions."""
        return ReadingFeaturizer(
            tokenizer, max_seq_length, doc_stride, max_query_length, hfl_compat, self.answer_types
        )

    def best_answers(
        self,
        questions: Sequence[Question],
        table: FeatureTable,
        outputs: Sequence[answers.Outputs],
        n_best_size: int = 20,
        max_answer_length: int | None = None,
        null_score_diff_threshold: float = 0.0,
        hfl_compat: bool = False,
    ) -> answers.Answers:
        """Returns what ``answers.best_answers`` does; its length None means the task's."""
        return answers.best_answers(
            questions,
            table,
            outputs,
            n_best_size,
            max_answer_length or self.max_answer_length,
            null_score_diff_threshold,
            self.with_null,
            hfl_compat and self.strip_blanks,
            self.answer_types,
        )


@dataclasses.dataclass(frozen=True)
class _Score:
    """Scores the answers to questions of which the file has true ones; in percent."""

    measure: _Measure

    def __call__(
        self, questions: Sequence[Question], predictions: Sequence[str]
    ) -> dict[str, float]:
        told = [pair for pair in zip(questions, predictions) if pair[0].answers]
        references = {question.id: _references(question) for question, _ in told}
        return self.measure(references, {question.id: text for question, text in told})


def _references(question: Question) -> tuple[str, ...]:
    if question.answer_type == UNANSWERABLE and not any(a.text for a in question.answers):
        return ()
    return tuple(answer.text for answer in question.answers)


def _cmrc(references: Any, predictions: Any) -> dict[str, float]:
    figures = cmrc.evaluate(references, predictions)
    return {"em": figures["EM"], "f1": figures["F1"], "average": figures["AVERAGE"]}


def _squad(references: Any, predictions: Any) -> dict[str, float]:
    figures = squad.evaluate_v1(references, predictions)
    return {"em": figures["exact_match"], "f1": figures["f1"]}


def _squad2(references: Any, predictions: Any) -> dict[str, float]:
    figures = squad.evaluate_v2(references, predictions)
    return {"em": figures["exact"], "f1": figures["f1"]}


def _cjrc(references: Any, predictions: Any) -> dict[str, float]:
    scores = cjrc.question_scores(references, predictions).values()
    return {
        name: 100.0 * sum(getattr(score, name) for score in scores) / len(scores)
        for name in ("em", "f1")
    }


_PAPER = "arXiv 1906.08101 v3, table IV; batch: ymcui/Chinese-BERT-wwm issue 14"
_GOOGLE = "google-research/bert README.md"


def _add(
    name: str,
    title: str,
    files: Mapping[str, tuple[str, ...]],
    read: Callable[[str, Note], list[Question]],
    measure: _Measure,
    settings: Settings,
    source: str,
    **others: Any,
) -> None:
    """Adds a row; unless told else, F1 decides which checkpoint is best."""
    row: dict[str, Any] = {"metrics": ("em", "f1"), "best_metric": "f1", **others}
    row["shows_labels"] = row.get("with_null", False)  # else all answers are spans
    add(
        ReadingTask(
            name=name,
            title=title,
            kind="reading",
            files=files,
            read=read,
            score=_Score(measure),
            settings=settings,
            source=source,
            **row,
        )
    )


for _name, _title, _files in (
    (
        "cmrc2018",
        "CMRC 2018",
        {
            "train": ("cmrc2018_train.json", "train.json"),
            "dev": ("cmrc2018_dev.json", "dev.json", "cmrc2018_trial.json"),
            "test": ("cmrc2018_test.json", "test.json"),
        },
    ),
    (
        "drcd",
        "DRCD",
        {
            "train": ("DRCD_training.json",),
            "dev": ("DRCD_dev.json",),
            "test": ("DRCD_test.json",),
        },
    ),
):
    _add(
        _name,
        _title,
        _files,
        reading_files.read_spans,
        _cmrc,
        Settings(512, 64, 2.0, 3e-5),
        _PAPER,
        metrics=("em", "f1", "average"),
        best_metric="average",
        strip_blanks=True,
    )
_add(
    "cjrc",
    "CJRC",
    {
        "train": ("small_train_data.json", "small-train-data.json", "big_train_data.json"),
        "dev": ("dev_ground_truth.json",),
        "test": ("test_ground_truth.json",),
    },
    reading_files.read_cjrc,
    _cjrc,
    Settings(512, 64, 2.0, 4e-5),
    _PAPER,
    with_null=True,
    answer_types=True,
    strip_blanks=True,
)
for _name, _version, _read, _measure, _batch, _model in (
    ("squad", "1.1", reading_files.read_spans, _squad, 12, "Base"),
    ("squad2", "2.0", reading_files.read_squad2, _squad2, 24, "Large"),
):
    _add(
        _name,
        f"SQuAD {_version}",
        {"train": (f"train-v{_version}.json",), "dev": (f"dev-v{_version}.json",), "test": ()},
        _read,
        _measure,
        Settings(384, _batch, 2.0, 3e-5),
        f"{_GOOGLE}, SQuAD {_version} with BERT-{_model}",
        max_answer_length=_LONGEST_ENGLISH,
        with_null=_name == "squad2",
    )
