"""Measures the training input alone: examples a second, and the time until the first batch.

It reads records of sequences of 128 and of 512 tokens, plain and compressed, through the input
function of training. The records are made here, of random pieces: 16 shards of each kind, 2 GB for
both lengths. --input_file takes others, of the length --max_seq_length:

  python benchmarks/input_pipeline.py
  python benchmarks/input_pipeline.py --input_file='wiki.tfrecord*' --max_seq_length=128

What is needed is what a TPU v3-8 takes: by estimate_tpu.py, a step of BERT-base in bfloat16 on
2,560 examples of 128 tokens takes 556 ms, on 384 of 512 tokens 447 ms. CPU time is that of the
whole process. The rates are of two epochs from the very start, when the buffer has to be filled
before the first batch comes. The late start is in the third epoch at the end of a section, where
most is read in vain; before it records are counted, which takes no time where a manifest tells
their number, as it does of all but those made here or by other programs.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.shards import find_shards, shard_paths
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import frame
from bert_wwm.records.schema import Schema, pretraining_schema

FLAGS = flags.FLAGS

flags.DEFINE_string("work_dir", "/tmp/bert_wwm_benchmark", "Where the records go.")
flags.DEFINE_list("input_file", [], "Records to read; by default they are made.")
flags.DEFINE_integer("max_seq_length", 128, "Tokens of a sequence of --input_file.")
flags.DEFINE_integer("max_predictions_per_seq", 20, "Most predictions of a sequence of it.")
flags.DEFINE_integer("records", 200_000, "Records to make for each length.", lower_bound=16)
flags.DEFINE_integer("batch_size", 256, "Examples of a batch.", lower_bound=1)
flags.DEFINE_integer("repeats", 3, "Runs of each kind; the median counts.", lower_bound=1)

SHARDS = 16
PREDICTIONS = {128: 20, 512: 76}
NEEDED = {128: 2560 / 0.556, 512: 384 / 0.447}  # examples a second of a TPU v3-8
PIECES = 21128


class Run(NamedTuple):
    """What a run took, in seconds.

    Attributes:
        count: by the clock, to count the records where that is needed.
        start: by the clock, from there until the first batch is there.
        wall: by the clock, in all.
        cpu: of all threads, in all.
    """

    count: float
    start: float
    wall: float
    cpu: float


def main(_) -> None:
    print(
        f"batches of {FLAGS.batch_size}, {os.cpu_count()} cores; median of {FLAGS.repeats}\n\n"
        f"{'':<12}{'records':>9}{'MB':>7}{'a second':>10}{'a CPU s':>10}{'needed':>8}{'times':>7}"
        f"{'start s':>9}{'late start s':>14}{'to count s':>12}"
    )
    if FLAGS.input_file:
        schema = pretraining_schema(FLAGS.max_seq_length, FLAGS.max_predictions_per_seq)
        _measure("--input_file", find_shards(FLAGS.input_file), schema)
        return
    for length, predictions in PREDICTIONS.items():
        schema = pretraining_schema(length, predictions)
        for name, compress in (("plain", bytes), ("gzip", files.compress)):
            _measure(f"{length}, {name}", _made(name, compress, schema), schema)


def _measure(name: str, paths: Sequence[str], schema: Schema) -> None:
    from bert_wwm.records.order import count_all_records

    count = sum(count_all_records(paths))
    late = 2 * count + count // -(-len(paths) // 8) - 1
    whole = [_run(paths, schema, 0, 2 * count) for _ in range(FLAGS.repeats)]
    begun = [_run(paths, schema, late, 1) for _ in range(FLAGS.repeats)]
    rate = 2 * count / statistics.median(run.wall for run in whole)
    cpu_rate = 2 * count / statistics.median(run.cpu for run in whole)
    needed = NEEDED.get(schema[0].length)
    print(
        f"{name:<12}{count:>9,}{sum(map(files.size, paths)) / 1e6:>7.0f}{rate:>10,.0f}"
        f"{cpu_rate:>10,.0f}"
        + (f"{needed:>8,.0f}{rate / needed:>7.1f}" if needed else " " * 15)
        + f"{statistics.median(run.start for run in whole):>9.2f}"
        f"{statistics.median(run.start for run in begun):>14.2f}"
        f"{statistics.median(run.count for run in begun):>12.2f}",
        flush=True,
    )


def _run(paths: Sequence[str], schema: Schema, first_record: int, count: int) -> Run:
    """Reads at least so many records, as a training does."""
    from bert_wwm.compat import tf
    from bert_wwm.records.input_fn import train_input_fn

    wall, cpu = time.perf_counter(), time.process_time()
    input_fn = train_input_fn(paths, schema, 12345, first_record)
    counted = time.perf_counter()
    with tf.Graph().as_default():
        dataset = input_fn({"batch_size": FLAGS.batch_size})
        iterator = tf.data.make_initializable_iterator(dataset)
        # The batch is made, but not fetched: a training doesn't either.
        batch = tf.group(*iterator.get_next().values())
        with tf.Session() as session:
            session.run(iterator.initializer)
            session.run(batch)
            started = time.perf_counter()
            for _ in range(1, -(-count // FLAGS.batch_size)):
                session.run(batch)
            return Run(
                counted - wall,
                started - counted,
                time.perf_counter() - wall,
                time.process_time() - cpu,
            )


def _made(name: str, compress: Callable[[bytes], bytes], schema: Schema) -> list[str]:
    """Returns files of random records; those of an earlier run are taken as they are."""
    length = schema[0].length
    size = FLAGS.records // SHARDS
    paths = shard_paths(os.path.join(FLAGS.work_dir, f"{name}-{size}-{length}.tfrecord"), SHARDS)
    for number, path in enumerate(paths):
        if not os.path.exists(path):
            rng = np.random.default_rng(number)
            records = encode_examples(_features(rng, size, schema), schema)
            with files.atomic_path(path) as temporary, open(temporary, "wb") as stream:
                stream.write(compress(b"".join(map(frame, records))))
    return paths


def _features(rng: np.random.Generator, size: int, schema: Schema) -> dict[str, np.ndarray]:
    """Most sequences are full, a tenth is shorter; 15 % of the pieces are to be predicted."""
    lengths = {field.name: field.length for field in schema}
    length, predictions = lengths["input_ids"], lengths["masked_lm_ids"]
    full = rng.random((size, 1)) < 0.9
    used = np.where(full, length, rng.integers(length // 4, length, (size, 1)))
    mask = (np.arange(length) < used).astype(np.int64)
    ids = rng.integers(106, PIECES, (size, length)) * mask
    wanted = np.arange(predictions) < np.round(0.15 * used)
    positions = np.sort(rng.integers(1, used, (size, predictions)), axis=1) * wanted
    return {
        "input_ids": ids,
        "input_mask": mask,
        "segment_ids": (np.arange(length) >= used // 2) * mask,
        "masked_lm_positions": positions,
        "masked_lm_ids": np.take_along_axis(ids, positions, axis=1) * wanted,
        "masked_lm_weights": wanted.astype(np.float32),
        "next_sentence_labels": rng.integers(0, 2, (size, 1)),
    }


if __name__ == "__main__":
    app.run(main)
