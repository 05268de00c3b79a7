"""Fine-tuning for the tags of tokens."""

from collections.abc import Callable, Sequence

from bert_wwm.finetuning.job import DEV, TEST, Job, Outputs, Split, nothing_told
from bert_wwm.finetuning.objective import TaggingObjective
from bert_wwm.tasks.examples import Tagged
from bert_wwm.tasks.tagging_features import TaggingFeaturizer, predicted_tags, unknown_tags
from bert_wwm.tasks.tagging_files import conll_lines
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer

Predictions = list[list[str]]  # of each sentence the tags


class TaggingJob(Job):
    """The tag of each token.

    Args:
        task: the row of the table.
        tokenizer: of the model.
        max_seq_length: tokens of a sequence, at most; longer sentences are taken apart.
        labels: the tags.
    """

    def __init__(
        self, task: Task, tokenizer: Tokenizer, max_seq_length: int, labels: Sequence[str]
    ):
        self.task = task
        self.featurizer = TaggingFeaturizer(tokenizer, max_seq_length, labels)
        self.objective = TaggingObjective(len(labels))
        self.labels = list(labels)

    def check(
        self, name: str, path: str, examples: Sequence[Tagged], log: Callable[[str], None]
    ) -> None:
        if name != TEST and not any(example.tags for example in examples):
            raise nothing_told(name, path, "a tag")
        unknown = unknown_tags(examples, self.labels)
        if unknown:
            counts = ", ".join(f"{tag} ({count:,})" for tag, count in unknown.items())
            log(f"{path}: tags that the training data hasn't, and can't be predicted: {counts}")

    def decode(self, split: Split, outputs: Outputs) -> Predictions:
        return predicted_tags(split.examples, split.table, outputs, self.labels)

    def score(self, split: Split, predictions: Predictions) -> dict[str, float]:
        if any(example.tags is None for example in split.examples):
            return {}
        return self.task.score(split.examples, predictions)

    def files(self, split: Split, predictions: Predictions) -> dict[str, str]:
        begin = "dev_" if split.name == DEV else ""
        lines = conll_lines(split.examples, predictions)
        contents = {f"{begin}predictions.conll": "".join(f"{line}\n" for line in lines)}
        return {**contents, **self.submission(split, predictions)}
