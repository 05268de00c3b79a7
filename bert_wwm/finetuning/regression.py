"""A score of a text or of a pair of texts: a variant of their class."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.finetuning.job import Outputs, Split
from bert_wwm.finetuning.objective import TaskObjective, predict_labels
from bert_wwm.finetuning.sentence import Predictions, SentenceJob, SentenceObjective
from bert_wwm.model.heads import Prediction
from bert_wwm.tasks.featurize import Featurizer
from bert_wwm.tasks.sentence_features import SCORE_UNITS, ScoreFeaturizer
from bert_wwm.tasks.sentence_tasks import check_scores
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.train.objective import Encoded

_CLOSE = 0.5  # predictions that are nearer to the true score count as right, while it trains


class ScorePrediction(Prediction):
    """Predicted scores, ``logits`` [predictions, 1], and true ones, in ``SCORE_UNITS``."""

    def losses(self) -> tf.Tensor:
        """The square of each error: float32 [predictions]."""
        return tf.square(self._errors())

    def hits(self) -> tf.Tensor:
        """1 where the error is below 0.5, else 0: float32 [predictions]."""
        return tf.cast(tf.abs(self._errors()) < _CLOSE, tf.float32)

    def _errors(self) -> tf.Tensor:
        return self.logits[:, 0] - tf.cast(self.labels, tf.float32) / SCORE_UNITS


class RegressionObjective(SentenceObjective):
    """A score, learned by its squared error, as transformers does with one label."""

    def __init__(self) -> None:
        super().__init__(num_labels=1)

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        logits = self.outputs(batch)["logits"]
        return {"label": ScorePrediction(*predict_labels(logits, batch.features["label_ids"]))}


class RegressionJob(SentenceJob):
    """A score of a text or of a pair."""

    has_labels = False
    target = "a score"

    def make_featurizer(self, tokenizer: Tokenizer) -> Featurizer:
        return ScoreFeaturizer(tokenizer, self.max_seq_length)

    @classmethod
    def make_objective(cls, task: Task, num_labels: int) -> TaskObjective:
        return RegressionObjective()

    def check_labels(self, path: str, examples: Sequence[Any], required: bool) -> None:
        check_scores(path, examples, required)

    def decode(self, split: Split, outputs: Outputs) -> Predictions:
        values = np.stack([output["logits"] for output in outputs])
        return values, list(map(str, values[:, 0].tolist()))

    def losses(self, values: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return (values[:, 0] - targets / SCORE_UNITS) ** 2

    def label_lines(self, split: Split, values: np.ndarray, labels: list[str]) -> Iterator[str]:
        yield "id\tscore"
        for example, label in zip(split.examples, labels):
            yield f"{example.id}\t{float(label):.6f}"
