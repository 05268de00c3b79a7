"""The tag of each token."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.finetuning.job import DEV, Job, Outputs, Split, join_lines
from bert_wwm.finetuning.objective import NO_LABEL, TaskObjective, build_outputs, predict_labels
from bert_wwm.model import task_heads
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.heads import Prediction
from bert_wwm.tasks import tagging_features
from bert_wwm.tasks.examples import Tagged
from bert_wwm.tasks.featurize import Featurizer
from bert_wwm.tasks.tagging_files import conll_lines
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.train.objective import Encoded

Predictions = list[list[str]]  # of each sentence the tags

_PADDING = -1  # the tag of what is no token, in answers


class TaggingObjective(TaskObjective):
    """The tag of each token."""

    targets = ("tag_ids",)
    padding = MappingProxyType({"tag_ids": NO_LABEL})
    token_outputs = ("tag_logits",)
    heads = MappingProxyType({"tag": 1.0})

    def __init__(self, num_labels: int):
        self._num_labels = num_labels

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        logits = tf.reshape(self.outputs(batch)["tag_logits"], [-1, self._num_labels])
        return {"tag": predict_labels(logits, tf.reshape(batch.features["tag_ids"], [-1]))}

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        logits = task_heads.tags_of_tokens(
            batch.config, batch.model.get_sequence_output(), self._num_labels, batch.dropout_prob
        )
        return {"tag_logits": logits}


class TaggingJob(Job):
    """The tag of each token; longer sentences than fit are taken apart."""

    has_labels = True
    target = "a tag"

    def make_featurizer(self, tokenizer: Tokenizer) -> Featurizer:
        return tagging_features.TaggingFeaturizer(tokenizer, self.max_seq_length, self.labels)

    @classmethod
    def make_objective(cls, task: Task, num_labels: int) -> TaskObjective:
        return TaggingObjective(num_labels)

    @classmethod
    def find_labels(cls, path: str, examples: Sequence[Tagged]) -> list[str]:
        return tagging_features.collect_labels(path, examples)

    @classmethod
    def build_answers(
        cls, config: BertConfig, facts: Mapping[str, Any], inputs: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """``tag_ids`` int32 [B, S], -1 at padding; ``probabilities`` float32 [B, S, tags]."""
        objective = TaggingObjective(len(facts["labels"]))
        logits = build_outputs(config, objective, inputs)["tag_logits"]
        tags = tf.argmax(logits, axis=2, output_type=tf.int32)
        return {
            "tag_ids": tf.where_v2(tf.equal(inputs["input_mask"], 1), tags, _PADDING),
            "probabilities": tf.nn.softmax(logits),
        }

    def check(
        self, name: str, path: str, examples: Sequence[Tagged], log: Callable[[str], None]
    ) -> None:
        super().check(name, path, examples, log)
        unknown = tagging_features.count_unknown_tags(examples, self.labels)
        if unknown:
            counts = ", ".join(f"{tag} ({count:,})" for tag, count in unknown.items())
            log(f"{path}: tags that the training data hasn't, and can't be predicted: {counts}")

    def decode(self, split: Split, outputs: Outputs) -> Predictions:
        return tagging_features.pick_tags(split.examples, split.table, outputs, self.labels)

    def score(self, split: Split, predictions: Predictions) -> dict[str, float]:
        if any(example.tags is None for example in split.examples):
            return {}
        return self.task.score(split.examples, predictions)

    def files(self, split: Split, predictions: Predictions) -> dict[str, str]:
        begin = "dev_" if split.name == DEV else ""
        lines = join_lines(conll_lines(split.examples, predictions))
        return {f"{begin}predictions.conll": lines, **self.submission(split, predictions)}
