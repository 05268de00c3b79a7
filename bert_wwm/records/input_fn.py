"""TFRecords to batches: the input functions of an Estimator."""

from collections.abc import Callable, Sequence
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.records.checks import Limits
from bert_wwm.records.order import count_all_records, find_compressions, ordered_records
from bert_wwm.records.schema import FLOAT, Schema

_PREFETCHED_BATCHES = 16  # while the next section's buffer is filled, a second or so, none comes

# What training and evaluation raise for broken records. TensorFlow's message names the field, which
# Python can't decode where its bytes are not UTF-8.
READ_ERRORS = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, UnicodeDecodeError)

InputFn = Callable[..., "tf.data.Dataset"]  # of params, and tf.distribute's input_context, if any


def train_input_fn(
    paths: Sequence[str],
    schema: Schema,
    seed: int,
    first_record: int = 0,
    limits: Limits | None = None,
) -> InputFn:
    """Returns an endless input of shuffled records, which can begin where another one ended.

    The files and the seed alone decide which record stands where in the stream (see order.py). A
    global batch has ``params["batch_size"]`` records in a row for each replica; the workers of
    ``tf.distribute`` share the records from t to t + 1 times its size in step t. The hosts of a
    TPU take what ``choose_host_part`` says.

    Args:
        first_record: the position in the stream to begin at, a multiple of the global batch's size.
        limits: the highest value of each field; a batch with others is an InvalidArgumentError.

    Raises:
        DataError: a manifest or a file is broken; the input function, if there is no record.
    """
    counts = dict(zip(paths, count_all_records(paths))) if first_record else {}

    def stream(own_paths: Sequence[str], own_first: int) -> "tf.data.Dataset":
        return ordered_records(own_paths, seed, own_first, counts)

    return _shared(stream, paths, schema, first_record, limits)


def sequential_input_fn(paths: Sequence[str], schema: Schema, first_record: int = 0) -> InputFn:
    """Returns an input of all records once, in the order of one file; the hosts of a TPU share it.

    ``first_record`` is a multiple of the global batch's size.
    """

    def stream(own_paths: Sequence[str], own_first: int) -> "tf.data.Dataset":
        dataset = tf.data.TFRecordDataset(list(own_paths), find_compressions(own_paths)[0])
        return dataset.skip(own_first)

    return _shared(stream, paths, schema, first_record)


def _shared(
    stream: Callable[[Sequence[str], int], "tf.data.Dataset"],
    paths: Sequence[str],
    schema: Schema,
    first_record: int,
    limits: Limits | None = None,
) -> InputFn:
    """Returns the input of this worker's, or this host's, share of a stream."""

    def input_fn(
        params: dict[str, Any], input_context: "tf.distribute.InputContext | None" = None
    ) -> "tf.data.Dataset":
        part = paths, first_record, input_context
        if "context" in params:
            part = choose_host_part(params["context"], paths, first_record)
        own_paths, own_first, share = part
        dataset = stream(own_paths, own_first).batch(params["batch_size"], drop_remainder=True)
        if share and share.num_input_pipelines > 1:
            count = share.num_input_pipelines
            batches = dataset.batch(share.num_replicas_in_sync // count, drop_remainder=True)
            dataset = batches.shard(count, share.input_pipeline_id).unbatch()
        return _parsed(dataset, schema, limits)

    return input_fn


def choose_host_part(
    context: "tf.estimator.tpu.TPUContext", paths: Sequence[str], first_record: int
) -> tuple[Sequence[str], int, "tf.distribute.InputContext | None"]:
    """Returns what a TPU's host reads: which files, from which record on, and which share of them.

    Where there are enough files each host has its own, and no record is read in vain.
    """
    _, host, hosts, replicas = context.current_input_fn_deployment()
    if len(paths) < hosts:
        share = tf.distribute.InputContext(hosts, host, num_replicas_in_sync=hosts * replicas)
        return paths, first_record, share
    return paths[host::hosts], first_record // hosts, None


def eval_input_fn(
    paths: Sequence[str], schema: Schema, drop_remainder: bool, limits: Limits | None = None
) -> InputFn:
    """Returns an input of all records once, in order.

    ``drop_remainder`` leaves out the last, smaller batch; a TPU needs it so. The limits are as for
    ``train_input_fn``.
    """

    def input_fn(params: dict[str, Any]) -> "tf.data.Dataset":
        files = tf.data.Dataset.from_tensor_slices((list(paths), find_compressions(paths)))
        dataset = files.flat_map(tf.data.TFRecordDataset)
        return _parsed(dataset.batch(params["batch_size"], drop_remainder), schema, limits)

    return input_fn


def _parsed(batches: "tf.data.Dataset", schema: Schema, limits: Limits | None) -> "tf.data.Dataset":
    """Serialised Examples to their features, int32 and float32 [batch, length of the field]."""
    parsers = {
        field.name: tf.io.FixedLenFeature(
            [field.length], tf.float32 if field.dtype == FLOAT else tf.int64
        )
        for field in schema
    }

    @tf.autograph.experimental.do_not_convert
    def parse(records: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_example(records, parsers)
        checks = [_check(name, features[name], highest) for name, highest in (limits or {}).items()]
        with tf.control_dependencies(checks):
            # A TPU has no int64.
            return {
                name: tf.cast(value, tf.int32) if value.dtype == tf.int64 else tf.identity(value)
                for name, value in features.items()
            }

    parsed = batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return parsed.prefetch(_PREFETCHED_BATCHES)


def _check(name: str, values: tf.Tensor, highest: int) -> tf.Operation:
    """Fails where a value is not from 0 to ``highest``, or is NaN."""
    fits = tf.logical_and(values >= 0, values <= tf.cast(highest, values.dtype))
    return tf.debugging.Assert(tf.reduce_all(fits), [f"{name} is out of its range"])
