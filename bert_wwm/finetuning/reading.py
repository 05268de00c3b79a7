"""Fine-tuning for answers to questions on a text."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from bert_wwm.finetuning.job import DEV, TEST, TRAIN, Job, Outputs, Split, nothing_told
from bert_wwm.finetuning.objective import ReadingObjective
from bert_wwm.tasks.answers import Answers
from bert_wwm.tasks.examples import ANSWER_TYPES, SPAN, Question
from bert_wwm.tasks.reading_features import (
    CONTEXT_BEGIN,
    START_POSITIONS,
    TRUNCATED,
    ReadingFeaturizer,
)
from bert_wwm.tasks.reading_tasks import ReadingTask
from bert_wwm.text.tokenizer import Tokenizer


class ReadingOptions(NamedTuple):
    """How texts are read and answers chosen; the flags of the same names.

    Attributes:
        doc_stride: by how many pieces a chunk of a long text begins behind the one before.
        max_query_length: pieces of a question, at most.
        n_best_size: answers to list.
        max_answer_length: pieces of an answer, at most; None: the task's.
        null_score_diff_threshold: above it a question has no answer.
        hfl_compat: HFL's choices for CMRC 2018: learn the first occurrence of an answer, and take
            the blanks out of predictions.
        verbose_logging: name the questions whose answer is whole in no chunk.
    """

    doc_stride: int = 128
    max_query_length: int = 64
    n_best_size: int = 20
    max_answer_length: int | None = None
    null_score_diff_threshold: float = 0.0
    hfl_compat: bool = False
    verbose_logging: bool = False


# Of these, what features don't depend on already.
_OF_DECODING = ("n_best_size", "max_answer_length", "null_score_diff_threshold", "hfl_compat")


class ReadingJob(Job):
    """Answers to questions on a text.

    Args:
        task: the row of the table.
        tokenizer: of the model.
        max_seq_length: tokens of a sequence, at most; longer texts are read in chunks.
        options: how texts are read and answers chosen.
    """

    task: ReadingTask
    featurizer: ReadingFeaturizer

    def __init__(
        self, task: ReadingTask, tokenizer: Tokenizer, max_seq_length: int, options: ReadingOptions
    ):
        self.task = task
        self.featurizer = task.featurizer(
            tokenizer,
            max_seq_length,
            options.doc_stride,
            options.max_query_length,
            options.hfl_compat,
        )
        self.objective = ReadingObjective(len(ANSWER_TYPES) if task.answer_types else 0)
        self._options = options
        self._max_seq_length = max_seq_length
        self.decoding = {
            name: value for name, value in options._asdict().items() if name in _OF_DECODING
        }

    def check(
        self, name: str, path: str, examples: Sequence[Question], log: Callable[[str], None]
    ) -> None:
        if name != TEST and not any(example.answers for example in examples):
            raise nothing_told(name, path, "an answer")

    def notes(self, split: Split) -> Iterator[str]:
        yield from self._truncated_questions(split)
        example = split.table.rows["example"]
        in_several = np.bincount(example, minlength=len(split.examples)) > 1
        # Between the question and the last [SEP].
        rooms = self._max_seq_length - 1 - split.table.rows[CONTEXT_BEGIN][in_several[example]]
        if len(rooms) and 2 * self._options.doc_stride > rooms.min():
            yield (
                f"{split.path}: {in_several.sum():,} of {len(in_several):,} contexts are read in "
                f"chunks, of {rooms.min()} pieces at least, which overlap by less than half at "
                f"--doc_stride={self._options.doc_stride}, so that answers at their borders "
                f"may be lost; expected {max(1, rooms.min() // 2)} at most, or a longer "
                "--max_seq_length"
            )
        if split.name != TRAIN:
            return
        # Of each question the highest: above 0 where a chunk holds the answer.
        starts = np.full(len(split.examples), -1)
        np.maximum.at(starts, example, split.table.rows[START_POSITIONS])
        is_span = [question.answer_type == SPAN for question in split.examples]
        lost = np.flatnonzero((starts == 0) & is_span)
        if len(lost):
            yield (
                f"{split.path}: {len(lost):,} of {len(starts):,} answers are whole in no chunk, "
                "and are learned as if there were none; a smaller --doc_stride or a longer "
                "--max_seq_length may help"
            )
        if self._options.verbose_logging:
            for number in lost:
                yield f"  {split.examples[number].id}"

    def _truncated_questions(self, split: Split) -> Iterator[str]:
        rows = split.table.rows
        count = len(np.unique(rows["example"][rows[TRUNCATED] == 1]))
        if not count:
            return
        longest, limit = self.featurizer.longest_question, self._options.max_query_length
        holds = f"--max_query_length={limit} holds"
        if longest < limit:  # the context needs a quarter of the sequence
            holds = f"the {longest} that --max_seq_length={self._max_seq_length} leaves them"
        yield (
            f"{split.path}: {count:,} of {len(split.examples):,} questions "
            f"({100 * count / len(split.examples):.1f} %) have more pieces than {holds}, and lose "
            "the last ones"
        )

    def decode(self, split: Split, outputs: Outputs) -> Answers:
        return self.task.best_answers(
            split.examples,
            split.table,
            outputs,
            self._options.n_best_size,
            self._options.max_answer_length,
            self._options.null_score_diff_threshold,
            self._options.hfl_compat,
        )

    def score(self, split: Split, predictions: Answers) -> dict[str, float]:
        if not any(example.answers for example in split.examples):
            return {}
        texts = [predictions.texts[example.id] for example in split.examples]
        return self.task.score(split.examples, texts)

    def files(self, split: Split, predictions: Answers) -> dict[str, str]:
        begin = "dev_" if split.name == DEV else ""
        contents: dict[str, Any] = {
            "predictions.json": predictions.texts,
            "nbest_predictions.json": predictions.n_best,
        }
        if predictions.null_odds:
            contents["null_odds.json"] = predictions.null_odds
        return {
            f"{begin}{name}": json.dumps(content, indent=4, ensure_ascii=False) + "\n"
            for name, content in contents.items()
        }
