"""The heads of a fine-tuning; those of each kind of tasks are in the kind's own file."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.heads import Prediction
from bert_wwm.train.objective import Encoded, Features

# B batch, S sequence

NO_LABEL = -1  # where there is nothing to learn or to predict
# A replica whose examples have no labels adds nothing to the totals of all replicas.
_TOTAL_WITHOUT_LABELS = 1e-12


class TaskObjective:
    """A task's heads: an ``Objective`` and a ``Predictor``."""

    inputs: tuple[str, ...] = ()  # features that predictions need besides the encoder's
    targets: tuple[str, ...] = ()  # features that training needs besides
    # The features of tokens among these, and by what they are padded.
    padding: Mapping[str, int] = MappingProxyType({})
    token_outputs: tuple[str, ...] = ()  # outputs [B, S, ...]; the others are [B, ...]
    # How much each loss counts, by the names of losses and accuracies in all output.
    heads: Mapping[str, float] = MappingProxyType({})
    num_choices: int = 1  # sequences of an example; see ``Encoded``
    unused_scopes: tuple[str, ...] = ()  # of variables that no output depends on

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        """Builds the heads over a batch with targets."""
        raise NotImplementedError

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        """Builds the heads over a batch without targets: Tensors of shape [B, ...]."""
        raise NotImplementedError

    def totals(self, features: Features) -> dict[str, tf.Tensor]:
        """Returns what each head's sums over a batch are divided by: float32 scalars above 0."""
        return {
            head: tf.maximum(tf.reduce_sum(_is_labelled(features[target])), _TOTAL_WITHOUT_LABELS)
            for head, target in zip(self.heads, self.targets)
        }

    def weights(self, global_step: Any) -> Mapping[str, float]:
        """Returns what the heads' losses are multiplied by; the same at all steps."""
        return self.heads


def predict_labels(logits: tf.Tensor, labels: tf.Tensor) -> Prediction:
    """Weighs what has ``NO_LABEL`` by 0; logits are [predictions, classes]."""
    return Prediction(logits, tf.maximum(labels, 0), _is_labelled(labels))


def _is_labelled(labels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.not_equal(labels, NO_LABEL), tf.float32)


def build_outputs(
    config: BertConfig, objective: TaskObjective, features: Features
) -> dict[str, tf.Tensor]:
    """Builds the encoder and the heads in float32, without dropout."""
    return objective.outputs(Encoded(config, features, training=False))
