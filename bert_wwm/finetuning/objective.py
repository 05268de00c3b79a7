"""What fine-tuning learns and predicts, by the kind of task."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.model import task_heads
from bert_wwm.model.heads import Prediction
from bert_wwm.train.objective import Encoded, Features

# B batch, S sequence, C classes

NO_LABEL = -1  # where there is nothing to learn or to predict


class TaskObjective:
    """A task's heads: an ``Objective`` and a ``Predictor``.

    Attributes:
        inputs: features that predictions need besides the encoder's.
        targets: features that training needs besides.
        padding: by what features of tokens are padded, where not by 0.
        token_outputs: outputs of shape [B, S, ...]; the others are [B, ...].
        heads: names of the losses and accuracies in all output, and how much each loss counts.
    """

    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...]
    padding: Mapping[str, int] = MappingProxyType({})
    token_outputs: tuple[str, ...] = ()
    heads: Mapping[str, float]

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        """Builds the heads over a batch with targets."""
        raise NotImplementedError

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        """Builds the heads over a batch without targets: Tensors of shape [B, ...]."""
        raise NotImplementedError

    def totals(self, features: Features) -> dict[str, tf.Tensor]:
        """Returns what each head's sums over a batch are divided by: float32 scalars above 0."""
        raise NotImplementedError

    def weights(self, global_step: Any) -> Mapping[str, float]:
        """Returns what the heads' losses are multiplied by; the same at all steps."""
        return self.heads


class SentenceObjective(TaskObjective):
    """The class of a text or of a pair.

    Args:
        num_labels: classes.
    """

    targets = ("label_ids",)
    heads = MappingProxyType({"label": 1.0})

    def __init__(self, num_labels: int):
        self._num_labels = num_labels

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        return {"label": _prediction(self._logits(batch), batch.features["label_ids"])}

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        return {"logits": self._logits(batch)}

    def totals(self, features: Features) -> dict[str, tf.Tensor]:
        return {"label": _num_labelled(features["label_ids"])}

    def _logits(self, batch: Encoded) -> tf.Tensor:
        return task_heads.classes_of_texts(
            batch.config, batch.model.get_pooled_output(), self._num_labels, batch.dropout_prob
        )


class TaggingObjective(TaskObjective):
    """The tag of each token.

    Args:
        num_labels: tags.
    """

    targets = ("tag_ids",)
    padding = MappingProxyType({"tag_ids": NO_LABEL})
    token_outputs = ("tag_logits",)
    heads = MappingProxyType({"tag": 1.0})

    def __init__(self, num_labels: int):
        self._num_labels = num_labels

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        logits = tf.reshape(self._logits(batch), [-1, self._num_labels])
        return {"tag": _prediction(logits, tf.reshape(batch.features["tag_ids"], [-1]))}

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        return {"tag_logits": self._logits(batch)}

    def totals(self, features: Features) -> dict[str, tf.Tensor]:
        return {"tag": _num_labelled(features["tag_ids"])}

    def _logits(self, batch: Encoded) -> tf.Tensor:
        return task_heads.tags_of_tokens(
            batch.config, batch.model.get_sequence_output(), self._num_labels, batch.dropout_prob
        )


class ReadingObjective(TaskObjective):
    """Where the answer to a question begins and ends; for CJRC also of which type it is.

    Args:
        num_types: types of answers; 0: there is one only.
    """

    inputs = ("context_begin", "context_end")
    token_outputs = ("start_log_probs", "end_log_probs")

    def __init__(self, num_types: int = 0):
        self._num_types = num_types
        self.targets: tuple[str, ...] = ("start_positions", "end_positions")
        heads = {"start": 0.5, "end": 0.5}  # their mean, as in google-research/bert
        if num_types:
            self.targets += ("answer_types",)
            heads["answer_type"] = 1.0
        self.heads = MappingProxyType(heads)

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        start, end = self._spans(batch)
        predictions = {
            "start": _prediction(start, batch.features["start_positions"]),
            "end": _prediction(end, batch.features["end_positions"]),
        }
        if self._num_types:
            predictions["answer_type"] = _prediction(
                self._types(batch), batch.features["answer_types"]
            )
        return predictions

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        start, end = self._spans(batch)
        outputs = {
            "start_log_probs": tf.nn.log_softmax(start),
            "end_log_probs": tf.nn.log_softmax(end),
        }
        if self._num_types:
            outputs["answer_type_log_probs"] = tf.nn.log_softmax(self._types(batch))
        return outputs

    def totals(self, features: Features) -> dict[str, tf.Tensor]:
        names = dict(zip(self.heads, self.targets))
        return {head: _num_labelled(features[target]) for head, target in names.items()}

    def _spans(self, batch: Encoded) -> tuple[tf.Tensor, tf.Tensor]:
        return task_heads.spans_of_answers(
            batch.config,
            batch.model.get_sequence_output(),
            batch.features["context_begin"],
            batch.features["context_end"],
        )

    def _types(self, batch: Encoded) -> tf.Tensor:
        return task_heads.types_of_answers(
            batch.config, batch.model.get_pooled_output(), self._num_types, batch.dropout_prob
        )


def _prediction(logits: tf.Tensor, labels: tf.Tensor) -> Prediction:
    """Weighs what has no label by 0."""
    known = tf.not_equal(labels, NO_LABEL)
    return Prediction(logits, tf.maximum(labels, 0), tf.cast(known, tf.float32))


def _num_labelled(labels: tf.Tensor) -> tf.Tensor:
    known = tf.cast(tf.not_equal(labels, NO_LABEL), tf.float32)
    return tf.maximum(tf.reduce_sum(known), 1.0)
