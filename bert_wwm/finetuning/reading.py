"""Answers to questions on a text."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.finetuning.job import DEV, TRAIN, Job, Outputs, Split
from bert_wwm.finetuning.objective import TaskObjective, build_outputs, predict_labels
from bert_wwm.model import task_heads
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.heads import Prediction
from bert_wwm.tasks.answers import Answers, best_answers
from bert_wwm.tasks.examples import ANSWER_TYPES, SPAN
from bert_wwm.tasks.reading_features import (
    CONTEXT_BEGIN,
    START_POSITIONS,
    TRUNCATED,
    ReadingFeaturizer,
)
from bert_wwm.tasks.reading_tasks import ReadingOptions, ReadingTask
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.train.objective import Encoded

# Of the options, what features don't depend on already.
_OF_DECODING = ("n_best_size", "max_answer_length", "null_score_diff_threshold", "hfl_compat")
# The log-probability of a span where none is possible: that of two positions which are masked.
_NO_SPAN = -2e4


class ReadingObjective(TaskObjective):
    """Where the answer to a question begins and ends; for CJRC also of which type it is."""

    inputs = ("context_begin", "context_end")
    token_outputs = ("start_log_probs", "end_log_probs")

    def __init__(self, num_types: int = 0):  # 0: spans only
        self._num_types = num_types
        self.targets: tuple[str, ...] = ("start_positions", "end_positions")
        heads = {"start": 0.5, "end": 0.5}  # their mean, as in google-research/bert
        if num_types:
            self.targets += ("answer_types",)
            heads["answer_type"] = 1.0
        self.heads = MappingProxyType(heads)

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        logits = self._logits(batch)
        return {
            head: predict_labels(logits[head], batch.features[target])
            for head, target in zip(self.heads, self.targets)
        }

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        return {
            f"{head}_log_probs": tf.nn.log_softmax(logits)
            for head, logits in self._logits(batch).items()
        }

    def _logits(self, batch: Encoded) -> dict[str, tf.Tensor]:
        start, end = task_heads.spans_of_answers(
            batch.config,
            batch.model.get_sequence_output(),
            batch.features["context_begin"],
            batch.features["context_end"],
        )
        logits = {"start": start, "end": end}
        if self._num_types:
            logits["answer_type"] = task_heads.types_of_answers(
                batch.config, batch.model.get_pooled_output(), self._num_types, batch.dropout_prob
            )
        return logits


class ReadingJob(Job):
    """Answers to questions on a text; longer texts than fit are read in chunks."""

    target = "an answer"
    task: ReadingTask
    featurizer: ReadingFeaturizer

    def __init__(
        self,
        task: ReadingTask,
        tokenizer: Tokenizer,
        max_seq_length: int,
        labels: Sequence[str] = (),
        **options: Any,
    ):
        self._options = ReadingOptions(**options)
        super().__init__(task, tokenizer, max_seq_length)
        self.decoding = {name: getattr(self._options, name) for name in _OF_DECODING}

    def make_featurizer(self, tokenizer: Tokenizer) -> ReadingFeaturizer:
        options = self._options
        return ReadingFeaturizer(
            tokenizer,
            self.max_seq_length,
            options.doc_stride,
            options.max_query_length,
            options.hfl_compat,
            self.task.answer_types,
        )

    @classmethod
    def make_objective(cls, task: ReadingTask, num_labels: int) -> TaskObjective:
        return ReadingObjective(len(ANSWER_TYPES) if task.answer_types else 0)

    @classmethod
    def served_facts(
        cls, task: Any, settings: Mapping[str, Any], known: Callable[..., Any]
    ) -> dict[str, Any]:
        decoding = settings.get("decoding") or {}
        recorded = decoding.get("max_answer_length") or task.max_answer_length
        default = ReadingOptions()
        return {
            "doc_stride": settings.get("doc_stride") or default.doc_stride,
            "max_query_length": settings.get("max_query_length") or default.max_query_length,
            # Nothing is trained by it, so that it may be another one now.
            "max_answer_length": known("max_answer_length", default=recorded),
            "with_null": task.with_null,
            "null_score_diff_threshold": decoding.get("null_score_diff_threshold", 0.0),
            "answer_types": ANSWER_TYPES if task.answer_types else (),
        }

    @classmethod
    def build_answers(
        cls, config: BertConfig, facts: Mapping[str, Any], inputs: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Positions of the likeliest span, and how likely it is.

        ``start_logits`` and ``end_logits`` float32 [B, S], the log-probabilities as in
        ``nbest_predictions.json``; ``start_positions`` and ``end_positions`` int32 [B], the first
        and the last position of the likeliest span, both 0 where there is none; ``span_log_probs``
        and ``null_log_probs`` float32 [B], of that span and of no answer; and where the type of
        answer is predicted, ``answer_type_ids`` int32 [B] and ``answer_type_log_probs`` float32
        [B, 4]. The context of a question is the tokens of segment 1 but for the last, ``[SEP]``.
        """
        begin, end = find_context(inputs)
        objective = ReadingObjective(len(facts["answer_types"]))
        features = {**inputs, "context_begin": begin, "context_end": end}
        outputs = build_outputs(config, objective, features)
        starts, ends = outputs["start_log_probs"], outputs["end_log_probs"]
        first, last, best = find_best_spans(starts, ends, begin, end, facts["max_answer_length"])
        answers = {
            "start_logits": starts,
            "end_logits": ends,
            "start_positions": first,
            "end_positions": last,
            "span_log_probs": best,
            "null_log_probs": starts[:, 0] + ends[:, 0],
        }
        if facts["answer_types"]:
            types = outputs["answer_type_log_probs"]
            answers["answer_type_log_probs"] = types
            answers["answer_type_ids"] = tf.argmax(types, axis=1, output_type=tf.int32)
        return answers

    def notes(self, split: Split) -> Iterator[str]:
        yield from self._truncated_questions(split)
        example = split.table.rows["example"]
        in_several = np.bincount(example, minlength=len(split.examples)) > 1
        # Between the question and the last [SEP].
        rooms = self.max_seq_length - 1 - split.table.rows[CONTEXT_BEGIN][in_several[example]]
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
            for number in lost.tolist():
                yield f"  {split.examples[number].id}"

    def _truncated_questions(self, split: Split) -> Iterator[str]:
        rows = split.table.rows
        count = len(np.unique(rows["example"][rows[TRUNCATED] == 1]))
        if not count:
            return
        longest, limit = self.featurizer.longest_question, self._options.max_query_length
        holds = f"--max_query_length={limit} holds"
        if longest < limit:  # the context needs a quarter of the sequence
            holds = f"the {longest} that --max_seq_length={self.max_seq_length} leaves them"
        yield (
            f"{split.path}: {count:,} of {len(split.examples):,} questions "
            f"({100 * count / len(split.examples):.1f} %) have more pieces than {holds}, and lose "
            "the last ones"
        )

    def decode(self, split: Split, outputs: Outputs) -> Answers:
        task, options = self.task, self._options
        return best_answers(
            split.examples,
            split.table,
            outputs,
            options.n_best_size,
            options.max_answer_length or task.max_answer_length,
            options.null_score_diff_threshold,
            with_null=task.with_null,
            hfl_compat=options.hfl_compat and task.strip_blanks,
            answer_types=task.answer_types,
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


def find_context(inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the half-open span of positions of the context: int32 [B], [B]."""
    inside = tf.equal(inputs["segment_ids"], 1) & tf.equal(inputs["input_mask"], 1)
    inside = tf.cast(inside, tf.int32)
    begin = tf.argmax(inside, axis=1, output_type=tf.int32)
    return begin, begin + tf.reduce_sum(inside, axis=1) - 1


def find_best_spans(
    starts: tf.Tensor, ends: tf.Tensor, begin: tf.Tensor, end: tf.Tensor, max_answer_length: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Finds the likeliest span of each context, of all pairs of a first and a last position.

    ``starts`` and ``ends`` are log-probabilities, float32 [B, S], ``begin`` and ``end`` the context
    as in ``find_context``. Returns first and last positions, int32 [B], and the log-probabilities
    of the spans, float32 [B].
    """
    length = tf.shape(starts)[1]
    positions = tf.range(length)
    width = positions[None, :] - positions[:, None]  # [S, S], from the first to the last
    inside = (positions >= begin[:, None]) & (positions < end[:, None])  # [B, S]
    allowed = inside[:, :, None] & inside[:, None, :] & (width >= 0) & (width < max_answer_length)
    scores = tf.where_v2(allowed, starts[:, :, None] + ends[:, None, :], _NO_SPAN)
    scores = tf.reshape(scores, [-1, length * length])
    best = tf.argmax(scores, axis=1, output_type=tf.int32)
    return best // length, best % length, tf.reduce_max(scores, axis=1)
