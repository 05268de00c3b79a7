import pytest

from bert_wwm.compat import tf
from bert_wwm.records.encoding import encode_example
from bert_wwm.records.input_fn import eval_input_fn, train_input_fn
from bert_wwm.records.io import ShardedWriter
from bert_wwm.records.schema import pretraining_schema

SCHEMA = pretraining_schema(max_seq_length=6, max_predictions_per_seq=2)


@pytest.fixture
def paths(tmp_path):
    """Two files of five records, numbered by their label."""
    paths = [str(tmp_path / name) for name in "ab"]
    with ShardedWriter(paths) as writer:
        for number in range(10):
            features = {field.name: [number] * field.length for field in SCHEMA}
            writer.write(encode_example(features, SCHEMA))
    return paths


def labels(input_fn, batch_size, batches):
    with tf.Graph().as_default(), tf.Session() as session:
        features = tf.data.make_one_shot_iterator(input_fn({"batch_size": batch_size})).get_next()
        assert features["input_ids"].dtype == tf.int32
        assert features["masked_lm_weights"].dtype == tf.float32
        assert features["input_ids"].shape.as_list()[1] == 6
        return [
            session.run(features["next_sentence_labels"]).reshape(-1).tolist()
            for _ in range(batches)
        ]


def test_training_shuffles_anew_in_every_pass_and_repeats(paths):
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
