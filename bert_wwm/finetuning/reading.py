"""Fine-tuning for answers to questions on a text."""

import json
from typing import Any, Dict, NamedTuple, Optional

from bert_wwm.finetuning.job import DEV, Job, Outputs, Split
from bert_wwm.finetuning.objective import ReadingObjective
from bert_wwm.tasks.answers import Answers
from bert_wwm.tasks.examples import ANSWER_TYPES
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
    """

    doc_stride: int = 128
    max_query_length: int = 64
    n_best_size: int = 20
    max_answer_length: Optional[int] = None
    null_score_diff_threshold: float = 0.0
    hfl_compat: bool = False


class ReadingJob(Job):
    """Answers to questions on a text.

    Args:
        task: the row of the table.
        tokenizer: of the model.
        max_seq_length: tokens of a sequence, at most; longer texts are read in chunks.
        options: how texts are read and answers chosen.
    """

    task: ReadingTask

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

    def score(self, split: Split, predictions: Answers) -> Dict[str, float]:
        if not any(example.answers for example in split.examples):
            return {}
        texts = [predictions.texts[example.id] for example in split.examples]
        return self.task.score(split.examples, texts)

    def files(self, split: Split, predictions: Answers) -> Dict[str, str]:
        begin = "dev_" if split.name == DEV else ""
        contents: Dict[str, Any] = {
            "predictions.json": predictions.texts,
            "nbest_predictions.json": predictions.n_best,
        }
        if predictions.null_odds:
            contents["null_odds.json"] = predictions.null_odds
        return {
            f"{begin}{name}": json.dumps(content, indent=4, ensure_ascii=False) + "\n"
            for name, content in contents.items()
        }
