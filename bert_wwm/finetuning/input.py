"""Batches of features to an Estimator, on the host that the program runs on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.finetuning.objective import TaskObjective
from bert_wwm.records.input_fn import InputFn
from bert_wwm.tasks.batches import Batch
from bert_wwm.tasks.features import INPUT_IDS, SEGMENT_IDS, FeatureTable

_PREFETCHED_BATCHES = 4


def host_input_fn(
    table: FeatureTable,
    objective: TaskObjective,
    names: Sequence[str],
    batch_at: Callable[[int], Batch],
    num_batches: int,
    first_batch: int = 0,
) -> InputFn:
    """Returns the input of some batches, each padded to its own length.

    Args:
        table: the features.
        objective: says by what they are padded.
        names: features besides the encoder's.
        batch_at: gives the batch of a number.
        num_batches: the number before which it ends.
        first_batch: the number to begin at.
    """
    names = (INPUT_IDS, SEGMENT_IDS, *names)

    def arrays() -> Iterator[dict[str, np.ndarray]]:
        for number in range(first_batch, num_batches):
            batch = batch_at(number)
            yield table.batch(batch.rows, batch.length, names, objective.padding)

    def input_fn(params: dict[str, Any]) -> "tf.data.Dataset":
        signature = {
            name: tf.TensorSpec([None] if name in table.rows else [None, None], tf.int32)
            for name in ("input_mask", *names)
        }
        dataset = tf.data.Dataset.from_generator(arrays, output_signature=signature)
        return dataset.prefetch(_PREFETCHED_BATCHES)

    return input_fn


def scattered(
    outputs: Iterable[dict[str, np.ndarray]],
    batches: Sequence[Batch],
    table: FeatureTable,
    objective: TaskObjective,
) -> list[dict[str, np.ndarray]]:
    """Puts the outputs of batches into the order of the table, without padding.

    Args:
        outputs: of each batch its arrays, [B, ...] or [B, S, ...].
        batches: the same that the input had.
        table: the features.
        objective: says which outputs are of tokens.

    Returns:
        Of each sequence its outputs by name: [...] or [length, ...].
    """
    result: list[dict[str, np.ndarray]] = [{} for _ in range(len(table))]
    lengths = table.lengths
    for batch, arrays in zip(batches, outputs):
        for name, values in arrays.items():
            of_tokens = name in objective.token_outputs
            for row, value in zip(batch.rows, values):
                result[row][name] = value[: lengths[row]] if of_tokens else value
    return result
