"""The class of a text or of a pair of texts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.finetuning.job import TEST, Job, Outputs, Split, join_lines
from bert_wwm.finetuning.objective import TaskObjective, build_outputs, predict_labels
from bert_wwm.model import task_heads
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.heads import Prediction
from bert_wwm.tasks import sentence_tasks
from bert_wwm.tasks.featurize import Featurizer
from bert_wwm.tasks.sentence_features import SentenceFeaturizer, pick_labels, probabilities
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.train.objective import Encoded

# The probabilities of each text's classes, float64 [n, classes], and the likeliest class.
Predictions = tuple[np.ndarray, list[str]]

_LEAST_PROBABILITY = 1e-30  # so that the loss stays finite


class SentenceObjective(TaskObjective):
    """The class of a text or of a pair, as google-research/bert's run_classifier.py has it."""

    targets = ("label_ids",)
    heads = MappingProxyType({"label": 1.0})

    def __init__(self, num_labels: int):
        self._num_labels = num_labels

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        logits = self.outputs(batch)["logits"]
        return {"label": predict_labels(logits, batch.features["label_ids"])}

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        logits = task_heads.classes_of_texts(
            batch.config, batch.model.get_pooled_output(), self._num_labels, batch.dropout_prob
        )
        return {"logits": logits}


class SentenceJob(Job):
    """The class of a text or of a pair."""

    has_labels = True
    target = "a label"

    def make_featurizer(self, tokenizer: Tokenizer) -> Featurizer:
        return SentenceFeaturizer(tokenizer, self.max_seq_length, self.labels)

    @property
    def classes(self) -> Sequence[str]:
        """What is predicted."""
        return self.labels or self.task.labels

    @classmethod
    def make_objective(cls, task: Task, num_labels: int) -> TaskObjective:
        return SentenceObjective(num_labels)

    @classmethod
    def find_labels(cls, path: str, examples: Sequence[Any]) -> list[str]:
        return sentence_tasks.collect_labels(path, examples)

    @classmethod
    def build_answers(
        cls, config: BertConfig, facts: Mapping[str, Any], inputs: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """``label_ids`` int32 [B]; ``probabilities`` and ``logits`` float32 [B, classes].

        Without labels: ``scores`` float32 [B], one for each row of a request.
        """
        if not cls.has_labels:
            scores = build_outputs(config, SentenceObjective(1), inputs)["logits"]
            return {"scores": scores[:, 0]}
        objective = SentenceObjective(len(facts["labels"]))
        logits = build_outputs(config, objective, inputs)["logits"]
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            "label_ids": tf.argmax(logits, axis=1, output_type=tf.int32),
        }

    def usable(self, name: str, examples: Sequence[Any]) -> Sequence[Any]:
        if name == TEST:
            return examples
        return [example for example in examples if not example.undecided]

    def check(
        self, name: str, path: str, examples: Sequence[Any], log: Callable[[str], None]
    ) -> None:
        super().check(name, path, examples, log)
        self.check_labels(path, examples, required=name != TEST)

    def check_labels(self, path: str, examples: Sequence[Any], required: bool) -> None:
        """Raises DataError if a label can't be predicted, or lacks though it is required."""
        sentence_tasks.check_labels(path, examples, self.classes, required)

    def notes(self, split: Split) -> Iterator[str]:
        truncated = int(split.table.rows["truncated"].sum())
        if truncated:
            yield (
                f"{split.path}: {truncated:,} of {len(split.table):,} texts "
                f"({100 * truncated / len(split.table):.1f} %) have more pieces than "
                f"--max_seq_length={self.max_seq_length} holds, and lose the last ones"
            )

    def decode(self, split: Split, outputs: Outputs) -> Predictions:
        logits = np.stack([output["logits"] for output in outputs])
        return probabilities(logits), pick_labels(logits, self.classes)

    def score(self, split: Split, predictions: Predictions) -> dict[str, float]:
        decided = [row for row, one in enumerate(split.examples) if not one.undecided]
        examples = [split.examples[row] for row in decided]
        if not examples or any(example.label is None for example in examples):
            return {}
        values, labels = predictions
        scores = self.task.score(examples, [labels[row] for row in decided])
        targets = split.table.rows["label_ids"][decided]
        return {**scores, "loss": float(np.mean(self.losses(values[decided], targets)))}

    def losses(self, values: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Returns the loss of each example, of the first value of ``decode`` and ``label_ids``."""
        chances = values[np.arange(len(values)), targets]
        return -np.log(np.maximum(chances, _LEAST_PROBABILITY))

    def files(self, split: Split, predictions: Predictions) -> dict[str, str]:
        values, labels = predictions
        rows = join_lines("\t".join(map(str, row)) for row in values.tolist())
        return {
            f"{split.name}_results.tsv": rows,
            f"{split.name}_labels.tsv": join_lines(self.label_lines(split, values, labels)),
            **self.submission(split, labels),
        }

    def label_lines(self, split: Split, values: np.ndarray, labels: list[str]) -> Iterator[str]:
        """Yields the lines of a table of the predicted labels."""
        yield "id\tlabel\tprobability"
        for example, label, row in zip(split.examples, labels, values.tolist()):
            yield f"{example.id}\t{label}\t{max(row):.6f}"

    def result_lines(self, scores: dict[str, float]) -> dict[str, float]:
        """google-research/bert's names, and its fractions of 1."""
        lines = {
            f"eval_{name}": value if name == "loss" else value / 100
            for name, value in scores.items()
        }
        return {**lines, "loss": scores["loss"]}
