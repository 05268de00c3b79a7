"""Measures the training input alone: examples a second, and the time until the first batch.

It reads records of sequences of 128 and of 512 tokens, plain and compressed, through the input
function of training. The records are made here, of random pieces: 16 shards of each kind, 2 GB for
both lengths.

  python benchmarks/input_pipeline.py

"needed" is the speed of a TPU v3-8: by estimate_tpu.py, a step of BERT-base in bfloat16 on 2,560
examples of 128 tokens takes 556 ms, on 384 of 512 tokens 447 ms. The rates are of two epochs from
the very start, when the buffer has to be filled before the first batch comes. The late start is in
the third epoch at the end of a section, where most records are read in vain; before it records are
counted, which takes no time if a manifest has their number (those made here have none).
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from absl import flags
from measure import Table, make_features, take_medians

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.shards import shard_paths
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import frame
from bert_wwm.records.schema import Schema, pretraining_schema

FLAGS = flags.FLAGS

flags.DEFINE_string("work_dir", "/tmp/bert_wwm_benchmark", "Where the records go.")
flags.DEFINE_integer("records", 200_000, "Records to make for each length.", lower_bound=16)
flags.DEFINE_integer("batch_size", 256, "Examples of a batch.", lower_bound=1)
flags.DEFINE_integer("repeats", 3, "Runs of each kind; the median counts.", lower_bound=1)

SHARDS = 16
PREDICTIONS = {128: 20, 512: 76}
NEEDED = {128: 2560 / 0.556, 512: 384 / 0.447}  # examples a second of a TPU v3-8


class Run(NamedTuple):
    """What a run took, in seconds."""

    count: float  # to count the records, if that is needed
    start: float  # from there until the first batch is there
    wall: float  # in all
    cpu: float  # of all threads, in all


def main(_) -> None:
    print(f"batches of {FLAGS.batch_size}, {os.cpu_count()} cores; median of {FLAGS.repeats}\n")
    table = Table(
        "<12",
        ("records", ">9,"),
        ("MB", ">7.0f"),
        ("a second", ">10,.0f"),
        ("a CPU s", ">10,.0f"),
        ("needed", ">8,.0f"),
        ("times", ">7.1f"),
        ("start s", ">9.2f"),
        ("late start s", ">14.2f"),
        ("to count s", ">12.2f"),
    )
    for length, predictions in PREDICTIONS.items():
        schema = pretraining_schema(length, predictions)
        for name, compress in (("plain", bytes), ("gzip", files.compress)):
            measure(table, f"{length}, {name}", make_records(name, compress, schema), schema)


def measure(table: Table, name: str, paths: Sequence[str], schema: Schema) -> None:
    from bert_wwm.records.order import count_all_records

    count = sum(count_all_records(paths))
    late = 2 * count + count // -(-len(paths) // 8) - 1
    whole = take_medians([run(paths, schema, 0, 2 * count) for _ in range(FLAGS.repeats)])
    begun = take_medians([run(paths, schema, late, 1) for _ in range(FLAGS.repeats)])
    rate, needed = 2 * count / whole.wall, NEEDED[schema[0].length]
    rates = rate, 2 * count / whole.cpu, needed, rate / needed
    size = sum(map(files.size, paths)) / 1e6
    table.print_row(name, count, size, *rates, whole.start, begun.start, begun.count)


def run(paths: Sequence[str], schema: Schema, first_record: int, count: int) -> Run:
    """Reads at least so many records, as a training does."""
    from bert_wwm.compat import tf
    from bert_wwm.records.input_fn import train_input_fn

    wall, cpu = time.perf_counter(), time.process_time()
    input_fn = train_input_fn(paths, schema, 12345, first_record)
    counted = time.perf_counter()
    with tf.Graph().as_default():
        dataset = input_fn({"batch_size": FLAGS.batch_size})
        iterator = tf.data.make_initializable_iterator(dataset)
        # The batch is made, but not fetched, as in training.
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


def make_records(name: str, compress: Callable[[bytes], bytes], schema: Schema) -> list[str]:
    """Returns files of random records; those of an earlier run are reused."""
    length = schema[0].length
    size = FLAGS.records // SHARDS
    paths = shard_paths(os.path.join(FLAGS.work_dir, f"{name}-{size}-{length}.tfrecord"), SHARDS)
    for number, path in enumerate(paths):
        if not os.path.exists(path):
            rng = np.random.default_rng(number)
            records = encode_examples(make_features(rng, size, schema), schema)
            with files.atomic_path(path) as temporary, open(temporary, "wb") as stream:
                stream.write(compress(b"".join(map(frame, records))))
    return paths


if __name__ == "__main__":
    app.run(main)
