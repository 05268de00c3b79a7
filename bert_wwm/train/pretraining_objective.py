"""The objective of pretraining: a table of heads, and a choice of them."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.registry import Registry
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.model import heads
from bert_wwm.model.heads import Prediction
from bert_wwm.model.rows import mark_used
from bert_wwm.train.objective import Encoded, Features

# P predictions a sequence

# LERT's share of num_train_steps after which a task's loss counts in full (ymcui/LERT,
# src/run_pretraining.py: 333,000, 666,000 and 1,000,000 of 2,000,000).
_LERT_SHARES = {"pos": 1 / 6, "ner": 1 / 3, "dep": 1 / 2}


class Head(NamedTuple):
    """A row of the table."""

    label: str  # the field of the records that holds the true classes
    predict: Callable[[Encoded], Prediction]  # builds the head over a batch
    is_of_pairs: bool = False  # one prediction a sequence, rather than one a masked token


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
        batch.model.rows,
    )


def _sentence_pair(batch: Encoded) -> Prediction:
    starts = batch.features.get("instance_starts")
    return heads.sentence_pair(
        batch.config,
        batch.model.get_pooled_output(),
        batch.features["next_sentence_labels"],
        None if starts is None else mark_used(starts),
    )


# Their names are those of the losses and accuracies in all output.
HEADS: Registry[Head] = Registry("head")
HEADS.add("masked_lm", Head("masked_lm_ids", _masked_lm))
HEADS.add("position", Head("target_positions", _position))
for _task, _inventory in INVENTORIES.items():
    HEADS.add(_task, Head(_inventory.feature, _linguistic(_task)))
HEADS.add("next_sentence", Head("next_sentence_labels", _sentence_pair, is_of_pairs=True))
HEADS.add("sentence_order", Head("next_sentence_labels", _sentence_pair, is_of_pairs=True))


def heads_for(
    fields: Sequence[str], pairing: str | None = None, sentence_pair_loss: bool = True
) -> tuple[str, ...]:
    """Returns the heads that records are made for, by the names of their fields.

    Permuted text (PERT) has nothing masked: positions take the place of the masked LM. ``pairing``
    is how the records' pairs were made, if known.
    """
    pair = "sentence_order" if pairing == "sop" else "next_sentence"
    chosen = ["position" if "target_positions" in fields else "masked_lm"]
    chosen += [task for task, inventory in INVENTORIES.items() if inventory.feature in fields]
    if sentence_pair_loss and HEADS[pair].label in fields:
        chosen.append(pair)
    return tuple(chosen)


@dataclasses.dataclass(frozen=True)
class PretrainingObjective:
    """The heads of a training, and how much each counts."""

    heads: tuple[str, ...]  # names in ``HEADS``
    # Heads whose weight rises linearly from 0 to 1, and the step where it gets there.
    ramps: dict[str, int] = dataclasses.field(default_factory=dict)
    num_choices: ClassVar[int] = 1

    def predictions(self, batch: Encoded) -> dict[str, Prediction]:
        return {name: HEADS[name].predict(batch) for name in self.heads}

    def weights(self, global_step: tf.Tensor) -> dict[str, Any]:
        step = tf.cast(global_step, tf.float32)
        return {
            name: tf.minimum(step / float(self.ramps[name]), 1.0) if name in self.ramps else 1.0
            for name in self.heads
        }

    def totals(self, features: Features) -> dict[str, tf.Tensor]:
        masked = tf.reduce_sum(features["masked_lm_weights"]) + heads.EPSILON
        sequences = tf.cast(tf.shape(features["input_ids"])[0], tf.float32)
        if "instance_starts" in features:
            sequences = tf.reduce_sum(mark_used(features["instance_starts"]))
        return {name: sequences if HEADS[name].is_of_pairs else masked for name in self.heads}


def lert_ramps(
    names: Sequence[str], num_train_steps: int, end_steps: Sequence[int] | None = None
) -> dict[str, int]:
    """Returns the steps from which LERT's linguistic losses count in full.

    They are ``end_steps``, for pos, ner and dep in this order as far as they are among the heads;
    by default 1/6, 1/3 and 1/2 of the training, as HFL has it.
    """
    tasks = [task for task in _LERT_SHARES if task in names]
    if end_steps is None:
        return {task: max(1, round(_LERT_SHARES[task] * num_train_steps)) for task in tasks}
    if not tasks or len(end_steps) != len(tasks) or min(end_steps) < 1:
        raise ConfigError(
            f"--lert_end_steps has {len(end_steps)} number(s) of steps; expected one above 0 for "
            f"each of the records' labels, {', '.join(tasks) or 'of which there are none'}"
        )
    return dict(zip(tasks, end_steps))
