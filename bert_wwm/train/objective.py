"""What a pretraining predicts: the table of heads, and how their losses add up.

Sums, and not means, go through here: a step's batch may be worked on in parts, one after the other
or on several devices, and the parts' sums over the whole batch's totals add up to its mean.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.registry import Registry
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.model import heads
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.heads import Prediction

# B batch, S sequence, H hidden, P predictions a sequence

Features = dict[str, tf.Tensor]

# LERT's share of num_train_steps after which a task's loss counts in full (ymcui/LERT,
# src/run_pretraining.py: 333,000, 666,000 and 1,000,000 of 2,000,000).
_LERT_SHARES = {"pos": 1 / 6, "ner": 1 / 3, "dep": 1 / 2}


class Encoded:
    """A batch and what the encoder makes of it.

    Args:
        config: the encoder's configuration.
        features: the fields of the records.
        training: whether dropout is at work.
        for_tpu: build what a TPU computes fastest.
        compute_dtype: of the encoder's activations.
        gradient_checkpointing: keep the layers' inputs only, and compute the rest again where
            gradients need it.
        skip_padding: compute nothing for padding in dense layers, and little in attention.
    """

    def __init__(
        self,
        config: BertConfig,
        features: Features,
        training: bool,
        for_tpu: bool = False,
        compute_dtype: "tf.DType" = tf.float32,
        gradient_checkpointing: bool = False,
        skip_padding: bool = False,
    ):
        self.config = config
        self.features = features
        self.dropout_prob = config.hidden_dropout_prob if training else 0.0
        self.model = BertModel(
            config=config,
            is_training=training,
            input_ids=features["input_ids"],
            input_mask=features["input_mask"],
            token_type_ids=features["segment_ids"],
            for_tpu=for_tpu,
            scope="bert",  # the same variables where a batch is worked on in parts
            compute_dtype=compute_dtype,
            gradient_checkpointing=gradient_checkpointing,
            skip_padding=skip_padding,
        )

    @functools.cached_property
    def masked_states(self) -> tf.Tensor:
        """What masked tokens are predicted from: float Tensor of shape [B * P, H]."""
        return heads.masked_states(
            self.config, self.model.get_sequence_output(), self.features["masked_lm_positions"]
        )


class Head(NamedTuple):
    """A row of the table.

    Attributes:
        label: the field of the records that holds what is true.
        predict: builds the head over a batch.
        of_pairs: one prediction a sequence, rather than one a masked token.
    """

    label: str
    predict: Callable[[Encoded], Prediction]
    of_pairs: bool = False


def _masked_lm(batch: Encoded) -> Prediction:
    return heads.masked_lm(
        batch.config,
        batch.masked_states,
        batch.model.get_embedding_table(),
        batch.features["masked_lm_ids"],
        batch.features["masked_lm_weights"],
    )


def _linguistic(task: str) -> Callable[[Encoded], Prediction]:
    inventory = INVENTORIES[task]

    def predict(batch: Encoded) -> Prediction:
        return heads.linguistic(
            batch.config,
            batch.masked_states,
            task,
            len(inventory.labels),
            batch.features[inventory.feature],
            batch.features["masked_lm_weights"],
        )

    return predict


def _position(batch: Encoded) -> Prediction:
    return heads.position(
        batch.config,
        batch.model.get_sequence_output(),
        batch.features["input_mask"],
        batch.features["masked_lm_positions"],
        batch.features["target_positions"],
        batch.features["masked_lm_weights"],
        batch.dropout_prob,
    )


def _sentence_pair(batch: Encoded) -> Prediction:
    return heads.sentence_pair(
        batch.config, batch.model.get_pooled_output(), batch.features["next_sentence_labels"]
    )


# Their names are those of the losses and accuracies in all output.
HEADS: Registry[Head] = Registry("head")
HEADS.add("masked_lm", Head("masked_lm_ids", _masked_lm))
HEADS.add("position", Head("target_positions", _position))
for _task, _inventory in INVENTORIES.items():
    HEADS.add(_task, Head(_inventory.feature, _linguistic(_task)))
HEADS.add("next_sentence", Head("next_sentence_labels", _sentence_pair, of_pairs=True))
HEADS.add("sentence_order", Head("next_sentence_labels", _sentence_pair, of_pairs=True))


def heads_for(
    fields: Sequence[str], pairing: str | None = None, sentence_pair_loss: bool = True
) -> tuple[str, ...]:
    """Returns the heads that records are made for, by their fields.

    Permuted text (PERT) has nothing masked, so there positions stand in the masked LM's place.

    Args:
        fields: names of the records' fields.
        pairing: how the records' pairs were made, where known.
        sentence_pair_loss: whether to learn from the pairs' labels where there are some.
    """
    pair = "sentence_order" if pairing == "sop" else "next_sentence"
    chosen = ["position" if "target_positions" in fields else "masked_lm"]
    chosen += [task for task, inventory in INVENTORIES.items() if inventory.feature in fields]
    if sentence_pair_loss and HEADS[pair].label in fields:
        chosen.append(pair)
    return tuple(chosen)


@dataclasses.dataclass(frozen=True)
class Objective:
    """The heads of a training, and how much each counts.

    Attributes:
        heads: names in ``HEADS``.
        ramps: heads whose weight rises linearly from 0 to 1, and the step where it gets there.
    """

    heads: tuple[str, ...]
    ramps: dict[str, int] = dataclasses.field(default_factory=dict)

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        """Builds the heads over a batch."""
        return {name: HEADS[name].predict(batch) for name in self.heads}

    def weights(self, global_step: Any) -> dict[str, Any]:
        """Returns what the heads' losses are multiplied by at a step, counted from 0."""
        step = tf.cast(global_step, tf.float32)
        return {
            name: tf.minimum(step / float(self.ramps[name]), 1.0) if name in self.ramps else 1.0
            for name in self.heads
        }

    def totals(self, features: Features) -> dict[str, tf.Tensor]:
        """Returns what each head's sums over a batch are divided by: float32 scalars above 0."""
        masked = tf.reduce_sum(features["masked_lm_weights"]) + heads.EPSILON
        sequences = tf.cast(tf.shape(features["input_ids"])[0], tf.float32)
        return {name: sequences if HEADS[name].of_pairs else masked for name in self.heads}


def sums(
    predictions: dict[str, Prediction], totals: dict[str, tf.Tensor], weights: dict[str, Any]
) -> dict[str, tf.Tensor]:
    """Returns what a part of a batch adds to the whole batch's means: float32 scalars.

    Args:
        predictions: of the part.
        totals: of the whole batch, as ``Objective.totals`` has them.
        weights: of the heads.

    Returns:
        ``loss``, and each head's ``<head>_loss`` (nats) and ``<head>_accuracy`` (fraction of 1).
    """
    result = {"loss": tf.zeros([])}
    for name, prediction in predictions.items():
        loss = tf.reduce_sum(prediction.weights * prediction.losses()) / totals[name]
        result["loss"] += weights[name] * loss
        result[f"{name}_loss"] = loss
        hits = tf.stop_gradient(tf.reduce_sum(prediction.weights * prediction.hits()))
        result[f"{name}_accuracy"] = hits / totals[name]
    return result


def lert_ramps(
    names: Sequence[str], num_train_steps: int, end_steps: Sequence[int] | None = None
) -> dict[str, int]:
    """Returns the steps where LERT's linguistic losses come to count in full.

    Args:
        names: the heads.
        num_train_steps: steps of the training.
        end_steps: the steps, for pos, ner and dep in this order as far as they are among the
            heads; by default 1/6, 1/3 and 1/2 of the training, as HFL has it.

    Raises:
        ConfigError: there are more or fewer steps than tasks, or one is below 1.
    """
    tasks: list[str] = [task for task in _LERT_SHARES if task in names]
    if end_steps is None:
        return {task: max(1, round(_LERT_SHARES[task] * num_train_steps)) for task in tasks}
    if not tasks or len(end_steps) != len(tasks) or min(end_steps) < 1:
        raise ConfigError(
            f"--lert_end_steps has {len(end_steps)} number(s) of steps; expected one above 0 for "
            f"each of the records' labels, {', '.join(tasks) or 'of which there are none'}"
        )
    return dict(zip(tasks, end_steps))
