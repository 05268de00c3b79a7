import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.shards import shard_paths
from bert_wwm.records import input_fn
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import compression_of, frame
from bert_wwm.records.input_fn import eval_input_fn, train_input_fn
from bert_wwm.records.schema import pretraining_schema

SCHEMA = pretraining_schema(max_seq_length=6, max_predictions_per_seq=2)


def write(paths, compress):
    """Ten records, numbered by their label, dealt out to files."""
    numbers = np.arange(10)[:, None]
    records = encode_examples({f.name: np.repeat(numbers, f.length, 1) for f in SCHEMA}, SCHEMA)
    for number, path in enumerate(paths):
        framed = b"".join(map(frame, records[number :: len(paths)]))
        with open(path, "wb") as stream:
            stream.write(compress(framed))
    return paths


@pytest.fixture(params=[bytes, files.compress], ids=["plain", "gzip"])
def paths(request, tmp_path):
    return write([str(tmp_path / name) for name in "ab"], request.param)


def labels(make_input, batch_size, batches):
    with tf.Graph().as_default(), tf.Session() as session:
        features = tf.data.make_one_shot_iterator(make_input({"batch_size": batch_size})).get_next()
        assert features["input_ids"].dtype == tf.int32
        assert features["masked_lm_weights"].dtype == tf.float32
        assert features["input_ids"].shape.as_list()[1] == 6
        return [
            session.run(features["next_sentence_labels"]).reshape(-1).tolist()
            for _ in range(batches)
        ]


def test_training_shuffles_anew_in_every_pass_and_repeats(paths, monkeypatch):
    monkeypatch.setattr(input_fn, "_SHUFFLE_RECORDS", 100)  # to fill the buffer takes seconds
    batches = labels(train_input_fn(paths, SCHEMA, seed=1), 10, 3)
    assert batches[0] != sorted(batches[0])
    assert batches == labels(train_input_fn(paths, SCHEMA, seed=1), 10, 3)
    assert batches != labels(train_input_fn(paths, SCHEMA, seed=2), 10, 3)
    assert {label for batch in batches for label in batch} == set(range(10))


def test_evaluation_reads_all_once_in_order(paths):
    batches = labels(eval_input_fn(paths, SCHEMA, drop_remainder=False), 4, 3)
    assert batches == [[0, 2, 4, 6], [8, 1, 3, 5], [7, 9]]
    with pytest.raises(tf.errors.OutOfRangeError):
        labels(eval_input_fn(paths, SCHEMA, drop_remainder=True), 4, 3)


def test_compressed_and_plain_files_are_read_together(tmp_path):
    plain = write([str(tmp_path / "a")], bytes)
    packed = write(shard_paths(str(tmp_path / "b"), 2), files.compress)
    batches = labels(eval_input_fn(plain + packed, SCHEMA, drop_remainder=False), 10, 2)
    assert batches == [list(range(10)), [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]]


def test_of_compressed_files_some_may_be_empty(tmp_path):
    paths = write(shard_paths(str(tmp_path / "a"), 12), lambda data: data and files.compress(data))
    for order in paths, paths[::-1]:
        batches = labels(eval_input_fn(order, SCHEMA, drop_remainder=False), 10, 1)
        assert sorted(batches[0]) == list(range(10))
    assert compression_of(paths[-1]) == ""
    with pytest.raises(tf.errors.OutOfRangeError):
        labels(eval_input_fn(paths[-1:], SCHEMA, drop_remainder=False), 10, 1)
