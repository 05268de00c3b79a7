import functools

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.core.shards import shard_paths
from bert_wwm.records.checks import check_records
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import find_compression, frame, read_records
from bert_wwm.records.input_fn import (
    READ_ERRORS,
    choose_host_part,
    eval_input_fn,
    train_input_fn,
)
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


@pytest.mark.slow
def test_training_shuffles_anew_in_every_pass_and_repeats(paths):
    batches = labels(train_input_fn(paths, SCHEMA, seed=1), 10, 3)
    assert batches[0] != sorted(batches[0])
    assert batches[0] != batches[1] != batches[2]
    assert batches == labels(train_input_fn(paths, SCHEMA, seed=1), 10, 3)
    assert batches != labels(train_input_fn(paths, SCHEMA, seed=2), 10, 3)
    assert all(sorted(batch) == list(range(10)) for batch in batches)


@pytest.mark.slow
def test_training_goes_on_where_it_was(paths):
    batches = labels(train_input_fn(paths, SCHEMA, seed=1), 4, 12)
    for steps in 1, 2, 5, 7, 11:
        resumed = train_input_fn(paths, SCHEMA, seed=1, first_record=4 * steps)
        assert labels(resumed, 4, 12 - steps) == batches[steps:]


@pytest.mark.slow
@pytest.mark.parametrize(
    "count, batches, first_step", [(1, 4, 0), (2, 1, 0), (3, 1, 2), (2, 2, 2), (3, 4, 2)]
)
def test_shares_make_up_each_global_batch(tmp_path, count, batches, first_step):
    paths = write([str(tmp_path / name) for name in "ab"], bytes)
    steps, size = 4, 3
    whole = labels(train_input_fn(paths, SCHEMA, 1), size, steps * count * batches)
    first = first_step * count * batches
    shares = [
        labels(
            functools.partial(
                train_input_fn(paths, SCHEMA, 1, first * size),
                input_context=tf.distribute.InputContext(count, index, count * batches),
            ),
            size,
            (steps - first_step) * batches,
        )
        for index in range(count)
    ]
    united = []
    for start in range(0, len(shares[0]), batches):
        for share in shares:
            united += share[start : start + batches]
    assert united == whole[first:]


class Host:
    """What a TPU tells an input function: host 1 of 3 with 8 cores each."""

    def current_input_fn_deployment(self):
        return "/job:worker/task:1", 1, 3, 8


@pytest.mark.slow
def test_hosts_of_a_tpu_read_their_own_files_or_their_share_of_few(paths):
    names = list("abcdefg")
    assert choose_host_part(Host(), names, 24) == (["b", "e"], 8, None)
    assert choose_host_part(Host(), names[:3], 0) == (["b"], 0, None)
    *part, share = choose_host_part(Host(), names[:2], 24)
    assert part == [["a", "b"], 24]
    assert (share.input_pipeline_id, share.num_input_pipelines) == (1, 3)
    assert share.num_replicas_in_sync == 3 * 8
    params = {"batch_size": 1, "context": Host()}
    with tf.Graph().as_default(), tf.Session() as session:
        dataset = train_input_fn(paths, SCHEMA, 1, 24)(params)
        features = tf.data.make_one_shot_iterator(dataset).get_next()
        found = [session.run(features["next_sentence_labels"])[0].tolist() for _ in range(16)]
    assert found == [
        *labels(train_input_fn(paths, SCHEMA, 1, 24 + 8), 1, 8),
        *labels(train_input_fn(paths, SCHEMA, 1, 48 + 8), 1, 8),
    ]


def test_a_truncated_file_is_an_error_of_training(tmp_path):
    (path,) = write([str(tmp_path / "a")], bytes)
    with open(path, "r+b") as stream:
        stream.truncate(files.size(path) - 1)
    with pytest.raises(tf.errors.DataLossError):
        labels(train_input_fn([path], SCHEMA, 1), 4, 3)
    with pytest.raises(DataError, match=r"a: record 9 at byte .* truncated"):
        train_input_fn([path], SCHEMA, 1, first_record=4)


def test_a_field_whose_name_is_not_utf8_is_an_error_of_records(tmp_path):
    (path,) = write([str(tmp_path / "a")], bytes)
    (first, *_) = read_records(path)
    with open(path, "wb") as stream:
        stream.write(frame(first.replace(b"input_ids", b"input_\xffds")))
    with pytest.raises(READ_ERRORS):
        labels(eval_input_fn([path], SCHEMA, drop_remainder=False), 1, 1)
    with pytest.raises(DataError, match=r"a: a record is no tf\.train\.Example"):
        check_records([path], SCHEMA, {})


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
    assert find_compression(paths[-1]) == ""
    with pytest.raises(tf.errors.OutOfRangeError):
        labels(eval_input_fn(paths[-1:], SCHEMA, drop_remainder=False), 10, 1)
