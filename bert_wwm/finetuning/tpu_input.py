"""Batches of features to a TPU: as records in the order in which they are needed.

The input of a Cloud TPU may run on another host, so it reads files rather than this process's
memory. All sequences are padded to the longest of the shapes.
"""

import contextlib
import os
from collections.abc import Callable, Sequence

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.progress import Progress
from bert_wwm.finetuning.objective import TaskObjective
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.input_fn import InputFn, sequential_input_fn
from bert_wwm.records.schema import INT, Field
from bert_wwm.tasks.batches import Batch
from bert_wwm.tasks.features import INPUT_IDS, SEGMENT_IDS, FeatureTable

_SHIFT = 1  # records hold no -1


def record_input_fn(
    table: FeatureTable,
    objective: TaskObjective,
    names: Sequence[str],
    batch_at: Callable[[int], Batch],
    num_batches: int,
    first_batch: int,
    path: str,
    length: int,
    batch_size: int,
) -> InputFn:
    """Writes batches as records, unless that has been done, and returns the input of them.

    Args:
        table: the features.
        objective: says by what they are padded.
        names: features besides the encoder's.
        batch_at: gives the batch of a number. One that is too small is filled up by repeating its
            first sequence.
        num_batches: the number before which it ends.
        first_batch: the number to begin at.
        path: the file, named for all that its records depend on.
        length: what sequences are padded to.
        batch_size: sequences of a batch, over all cores.
    """
    names = (INPUT_IDS, SEGMENT_IDS, *names)
    schema = tuple(
        Field(name, INT, 1 if name in table.rows else length) for name in ("input_mask", *names)
    )

    def records_of(batch: Batch) -> Sequence[bytes]:
        missing = batch_size - len(batch.rows)
        rows = np.concatenate([batch.rows, np.repeat(batch.rows[:1], missing)])
        arrays = table.batch(rows, length, names, objective.padding)
        columns = {name: values.reshape(len(rows), -1) for name, values in arrays.items()}
        return encode_examples({key: value + _SHIFT for key, value in columns.items()}, schema)

    if not files.exists(path):
        _write(path, lambda number: records_of(batch_at(number)), num_batches)
    records = sequential_input_fn([path], schema, first_batch * batch_size)

    def restored(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            name: (value[:, 0] if name in table.rows else value) - _SHIFT
            for name, value in features.items()
        }

    return lambda params: records(params).map(restored)


def _write(path: str, records_at: Callable[[int], Sequence[bytes]], num_batches: int) -> None:
    files.make_folder(os.path.dirname(path))
    with files.atomic_path(path) as temporary:
        writer = tf.python_io.TFRecordWriter(temporary)
        with contextlib.closing(writer), Progress("records", total=num_batches) as progress:
            for number in range(num_batches):
                for record in records_at(number):
                    writer.write(record)
                progress.update(number + 1)
