"""TFRecords to batches: the input functions of an Estimator."""

from typing import Any, Callable, Dict, Sequence

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.shards import manifest_path
from bert_wwm.records.framing import compression_of
from bert_wwm.records.schema import FLOAT, Schema

# Records come mixed within a block of documents; this is four blocks with ten duplicates, 80 MB at
# length 128.
_SHUFFLE_RECORDS = 100_000
_PARALLEL_FILES = 8

InputFn = Callable[[Dict[str, Any]], "tf.data.Dataset"]


def train_input_fn(paths: Sequence[str], schema: Schema, seed: int) -> InputFn:
    """Returns an endless input of shuffled records.

    Files are read in random order, several at a time, and their records shuffled in a buffer; both
    differ from one pass over the data to the next. The same seed gives the same order.

    Args:
        paths: files of records.
        schema: their fields.
        seed: of the order.
    """

    def input_fn(params: Dict[str, Any]) -> "tf.data.Dataset":
        dataset = _files(paths).shuffle(len(paths), seed=seed).repeat()
        dataset = dataset.interleave(_records, cycle_length=min(_PARALLEL_FILES, len(paths)))
        dataset = dataset.shuffle(_SHUFFLE_RECORDS, seed=seed)
        return _batches(dataset, schema, params["batch_size"], drop_remainder=True)

    return input_fn


def eval_input_fn(paths: Sequence[str], schema: Schema, drop_remainder: bool) -> InputFn:
    """Returns an input of all records once, in order.

    Args:
        paths: files of records.
        schema: their fields.
        drop_remainder: leave out the last, smaller batch; a TPU needs it so.
    """

    def input_fn(params: Dict[str, Any]) -> "tf.data.Dataset":
        dataset = _files(paths).flat_map(_records)
        return _batches(dataset, schema, params["batch_size"], drop_remainder)

    return input_fn


def _files(paths: Sequence[str]) -> "tf.data.Dataset":
    """Files and their compressions, which the shards of a run share."""
    compressions: Dict[str, str] = {}
    for path in paths:
        run = manifest_path(path)
        if run not in compressions and files.size(path):  # an empty one doesn't tell
            compressions[run] = compression_of(path)
    return tf.data.Dataset.from_tensor_slices(
        (list(paths), [compressions.get(manifest_path(path), "") for path in paths])
    )


def _records(path: tf.Tensor, compression: tf.Tensor) -> "tf.data.Dataset":
    return tf.data.TFRecordDataset(path, compression_type=compression)


def _batches(
    dataset: "tf.data.Dataset", schema: Schema, batch_size: int, drop_remainder: bool
) -> "tf.data.Dataset":
    parsers = {
        field.name: tf.io.FixedLenFeature(
            [field.length], tf.float32 if field.dtype == FLOAT else tf.int64
        )
        for field in schema
    }

    def parse(records: tf.Tensor) -> Dict[str, tf.Tensor]:
        features = tf.io.parse_example(records, parsers)
        # A TPU has no int64.
        return {
            name: tf.cast(value, tf.int32) if value.dtype == tf.int64 else value
            for name, value in features.items()
        }

    dataset = dataset.batch(batch_size, drop_remainder=drop_remainder)
    return dataset.map(parse, num_parallel_calls=2).prefetch(4)
