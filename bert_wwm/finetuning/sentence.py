"""Fine-tuning for the class of a text or of a pair of texts."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from bert_wwm.finetuning.job import DEV, TEST, Job, Outputs, Split, nothing_told
from bert_wwm.finetuning.objective import SentenceObjective
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.sentence_features import SentenceFeaturizer, predicted_labels, probabilities
from bert_wwm.tasks.sentence_tasks import check_labels
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer

# The probabilities of each text's classes, [n, classes], and the likeliest class.
Predictions = tuple[np.ndarray, list[str]]


class SentenceJob(Job):
    """The class of a text or of a pair.

    Args:
        task: the row of the table.
        tokenizer: of the model.
        max_seq_length: tokens of a sequence, at most.
        labels: the classes.
    """

    def __init__(
        self, task: Task, tokenizer: Tokenizer, max_seq_length: int, labels: Sequence[str]
    ):
        self.task = task
        self.featurizer = SentenceFeaturizer(tokenizer, max_seq_length, labels)
        self.objective = SentenceObjective(len(labels))
        self.labels = list(labels)
        self._max_seq_length = max_seq_length

    def usable(self, name: str, examples: Sequence[Sentence]) -> Sequence[Sentence]:
        if name == TEST:
            return examples
        return [example for example in examples if not example.undecided]

    def check(
        self, name: str, path: str, examples: Sequence[Sentence], log: Callable[[str], None]
    ) -> None:
        if name != TEST and all(example.label is None for example in examples):
            raise nothing_told(name, path, "a label")
        check_labels(path, examples, self.labels, required=name != TEST)

    def notes(self, split: Split) -> Iterator[str]:
        truncated = int(split.table.rows["truncated"].sum())
        if truncated:
            yield (
                f"{split.path}: {truncated:,} of {len(split.table):,} texts "
                f"({100 * truncated / len(split.table):.1f} %) have more pieces than "
                f"--max_seq_length={self._max_seq_length} holds, and lose the last ones"
            )

    def decode(self, split: Split, outputs: Outputs) -> Predictions:
        logits = np.stack([output["logits"] for output in outputs])
        return probabilities(logits), predicted_labels(logits, self.labels)

    def score(self, split: Split, predictions: Predictions) -> dict[str, float]:
        decided = [row for row, one in enumerate(split.examples) if not one.undecided]
        examples = [split.examples[row] for row in decided]
        if not examples or any(example.label is None for example in examples):
            return {}
        chances, labels = predictions
        of_truth = chances[decided, split.table.rows["label_ids"][decided]]
        scores = self.task.score(examples, [labels[row] for row in decided])
        return {**scores, "loss": float(-np.mean(np.log(np.maximum(of_truth, 1e-30))))}

    def files(self, split: Split, predictions: Predictions) -> dict[str, str]:
        chances, labels = predictions
        begin = "dev_" if split.name == DEV else "test_"
        table = ["\t".join(map(str, row)) for row in chances.tolist()]
        named = [
            f"{example.id}\t{label}\t{max(row):.6f}"
            for example, label, row in zip(split.examples, labels, chances.tolist())
        ]
        return {
            f"{begin}results.tsv": "".join(f"{line}\n" for line in table),
            f"{begin}labels.tsv": "".join(
                f"{line}\n" for line in ["id\tlabel\tprobability", *named]
            ),
            **self.submission(split, labels),
        }

    def result_lines(self, scores: dict[str, float]) -> dict[str, float]:
        """google-research/bert's names, and its fractions of 1."""
        lines = {
            f"eval_{name}": value if name == "loss" else value / 100
            for name, value in scores.items()
        }
        return {**lines, "loss": scores["loss"]}
