"""An objective as the model function knows it, and how its losses add up.

Sums, and not means, go through here: a step's batch may be worked on in parts, one after the other
or on several devices, and the parts' sums over the whole batch's totals add up to its mean.
"""

import functools
from collections.abc import Collection, Mapping
from typing import Any, Protocol, runtime_checkable

from bert_wwm.compat import tf
from bert_wwm.model import heads
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.heads import Prediction
from bert_wwm.model.layers import get_shape_list

# B batch, S sequence, H hidden, P predictions a sequence

Features = dict[str, tf.Tensor]


class Encoded:
    """A batch and its encoder; ``options`` are those of ``BertModel``.

    An example has ``num_choices`` sequences, C. Their tokens take turns in the features,
    [B, S * C]; the encoder has them one after the other, [B * C, S].
    """

    def __init__(
        self,
        config: BertConfig,
        features: Features,
        training: bool,
        num_choices: int = 1,
        **options: Any,
    ):
        self.config = config
        self.features = features
        self.dropout_prob = config.hidden_dropout_prob if training else 0.0
        self.model = BertModel(
            config=config,
            is_training=training,
            input_ids=split_choices(features["input_ids"], num_choices),
            input_mask=split_choices(features["input_mask"], num_choices),
            token_type_ids=split_choices(features["segment_ids"], num_choices),
            instance_starts=features.get("instance_starts"),
            scope="bert",  # the same variables where a batch is worked on in parts
            **options,
        )

    @functools.cached_property
    def masked_states(self) -> tf.Tensor:
        """The states that predict masked tokens: float Tensor of shape [B * P, H]."""
        return heads.masked_states(
            self.config, self.model.get_sequence_output(), self.features["masked_lm_positions"]
        )


def split_choices(feature: tf.Tensor, num_choices: int) -> tf.Tensor:
    """Puts sequences whose tokens take turns one after the other: [B, S * C] -> [B * C, S].

    Example: of 2 choices, ``[[1, 4, 2, 5, 3, 0]]`` -> ``[[1, 2, 3], [4, 5, 0]]``
    """
    if num_choices == 1:
        return feature
    batch_size, length = get_shape_list(feature, expected_rank=2)
    length = length // num_choices
    by_choice = tf.transpose(tf.reshape(feature, [batch_size, length, num_choices]), [0, 2, 1])
    return tf.reshape(by_choice, [batch_size * num_choices, length])


@runtime_checkable
class Predictor(Protocol):
    """Outputs of a batch, without targets."""

    inputs: tuple[str, ...]  # features of shape [B], in addition to the encoder's
    token_outputs: tuple[str, ...]  # the outputs of shape [B, S, ...]; the others are [B, ...]
    num_choices: int  # sequences of an example; see ``Encoded``
    unused_scopes: tuple[str, ...]  # of variables that no output depends on, nor a checkpoint needs

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        """Builds the outputs, by name."""
        ...


@runtime_checkable
class Objective(Protocol):
    """Heads with losses: what a training minimises and an evaluation measures."""

    num_choices: int  # sequences of an example; see ``Encoded``

    @property
    def heads(self) -> Collection[str]:
        """Names of the losses and accuracies in all output."""
        ...

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        """Builds the heads over a batch with targets."""
        ...

    def weights(self, global_step: tf.Tensor) -> Mapping[str, Any]:
        """Returns the factor of each head's loss, a float or float32 scalar, at a step from 0."""
        ...

    def totals(self, features: Features) -> dict[str, tf.Tensor]:
        """Returns the divisor of each head's sums over a batch: float32 scalars above 0."""
        ...


def sum_losses(
    predictions: dict[str, Prediction], totals: dict[str, tf.Tensor], weights: Mapping[str, Any]
) -> dict[str, tf.Tensor]:
    """Returns the share of a part in the means of its batch: float32 scalars.

    They are ``loss``, and each head's ``<head>_loss`` (nats) and ``<head>_accuracy`` (fraction of
    1). ``totals`` and ``weights`` are those of the whole batch, as ``Objective`` has them.
    """
    result = {"loss": tf.zeros([])}
    for name, prediction in predictions.items():
        loss = tf.reduce_sum(prediction.weights * prediction.losses()) / totals[name]
        result["loss"] += weights[name] * loss
        result[f"{name}_loss"] = loss
        hits = tf.stop_gradient(tf.reduce_sum(prediction.weights * prediction.hits()))
        result[f"{name}_accuracy"] = hits / totals[name]
    return result
