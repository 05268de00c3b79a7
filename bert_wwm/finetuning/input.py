"""Batches of features to an Estimator: from memory, or for a TPU as records.

The input of a Cloud TPU may run on another host, so it reads files rather than this process's
memory. There all sequences are padded to the longest of the shapes.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.progress import Progress
from bert_wwm.finetuning.objective import TaskObjective
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.input_fn import InputFn, sequential_input_fn
from bert_wwm.records.schema import INT, Field
from bert_wwm.tasks.batches import Batch
from bert_wwm.tasks.features import INPUT_IDS, INPUT_MASK, SEGMENT_IDS, FeatureTable

# Begins again, at each call, to give batches and the tables that their rows are in.
Batches = Callable[[], Iterator[tuple[FeatureTable, Batch]]]

_PREFETCHED_BATCHES = 4
_TOKEN_FEATURES = (INPUT_MASK, INPUT_IDS, SEGMENT_IDS)
_SHIFT = 1  # records hold no -1


def host_input_fn(
    batches: Batches, objective: TaskObjective, names: Sequence[str], num_replicas: int = 1
) -> InputFn:
    """Returns the input of batches, each padded to its own length.

    Several replicas share each batch evenly: they take its parts in turn.
    """

    def arrays() -> Iterator[dict[str, np.ndarray]]:
        for table, batch in batches():
            for rows in np.split(batch.rows, num_replicas):
                yield _arrays(table, Batch(rows, batch.length), objective, names)

    def input_fn(params: dict[str, Any]) -> "tf.data.Dataset":
        signature = {
            name: tf.TensorSpec([None, None] if is_of_tokens else [None], tf.int32)
            for name, is_of_tokens in _features(objective, names).items()
        }
        dataset = tf.data.Dataset.from_generator(arrays, output_signature=signature)
        return dataset.prefetch(_PREFETCHED_BATCHES * num_replicas)

    return input_fn


def record_input_fn(
    batches: Batches,
    objective: TaskObjective,
    names: Sequence[str],
    path: str,
    length: int,
    batch_size: int,
    first_batch: int = 0,
    num_batches: int = 0,
) -> InputFn:
    """Writes batches as records, unless that has been done, and returns the input of them.

    Args:
        batches: all of them. One that is too small is filled up by repeating its first sequence.
        path: named for all that its records depend on.
        length: what sequences are padded to.
        batch_size: over all cores.
        first_batch: the number to begin at.
        num_batches: for the line of progress; 0: without one.
    """
    is_of_tokens = _features(objective, names)
    schema = tuple(Field(name, INT, length if of else 1) for name, of in is_of_tokens.items())

    def records_of(table: FeatureTable, batch: Batch) -> Sequence[bytes]:
        missing = batch_size - len(batch.rows)
        rows = np.concatenate([batch.rows, np.repeat(batch.rows[:1], missing)])
        arrays = _arrays(table, Batch(rows, length), objective, names)
        columns = {name: values.reshape(len(rows), -1) for name, values in arrays.items()}
        return encode_examples({key: value + _SHIFT for key, value in columns.items()}, schema)

    if files.exists(path):
        for _ in batches():  # its caller may keep count
            pass
    else:
        files.make_folder(os.path.dirname(path))
        with (
            files.atomic_path(path) as temporary,
            tf.python_io.TFRecordWriter(temporary) as writer,
            Progress("records", num_batches) as progress,
        ):
            for number, (table, batch) in enumerate(batches(), 1):
                for record in records_of(table, batch):
                    writer.write(record)
                if num_batches:
                    progress.update(number)
    records = sequential_input_fn([path], schema, first_batch * batch_size)

    def restore(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            name: (value if is_of_tokens[name] else value[:, 0]) - _SHIFT
            for name, value in features.items()
        }

    return lambda params: records(params).map(restore)


def _features(objective: TaskObjective, names: Sequence[str]) -> dict[str, bool]:
    """Returns the names of all features, and whether each token has one, or each example."""
    of_tokens = dict.fromkeys(_TOKEN_FEATURES, True)
    return {**of_tokens, **{name: name in objective.padding for name in names}}


def _arrays(
    table: FeatureTable, batch: Batch, objective: TaskObjective, names: Sequence[str]
) -> dict[str, np.ndarray]:
    names = (INPUT_IDS, SEGMENT_IDS, *names)
    return table.batch(batch.rows, batch.length, names, objective.padding)
