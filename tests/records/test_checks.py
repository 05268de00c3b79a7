import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.records.checks import (
    check_records,
    decode_features,
    find_limits,
    read_field_names,
)
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import frame
from bert_wwm.records.input_fn import eval_input_fn
from bert_wwm.records.schema import FLOAT, LABELS, pretraining_schema

SCHEMA = pretraining_schema(max_seq_length=6, max_predictions_per_seq=2)
LONGER = pretraining_schema(max_seq_length=8, max_predictions_per_seq=2)


@pytest.fixture
def path(tmp_path):
    """A record of length 6 with id 0, and one of length 8 with id 1."""
    path = tmp_path / "a"
    records = []
    for number, schema in enumerate((SCHEMA, LONGER)):
        features = {field.name: np.full((1, field.length), number) for field in schema}
        records += encode_examples(features, schema)
    path.write_bytes(b"".join(map(frame, records)))
    return str(path)


LIMITS = find_limits(SCHEMA, vocab_size=2)


def test_a_record_of_another_length_is_named_with_both_values(path):
    check_records([path], SCHEMA, LIMITS, first_only=True)
    with pytest.raises(
        ConfigError, match="record 1 has 8 values of input_ids, but the flags ask for 6"
    ):
        check_records([path], SCHEMA, LIMITS)
    with pytest.raises(
        ConfigError, match="record 0 has 6 values of input_ids, but the flags ask for 8"
    ):
        check_records([path], LONGER, find_limits(LONGER, 2))


def test_a_record_without_a_field_is_named(path):
    schema = pretraining_schema(6, 2, labels=["pos_labels"])
    with pytest.raises(ConfigError, match="record 0 has 0 values of pos_labels, but the flags ask"):
        check_records([path], schema, find_limits(schema, 2))


WITH_LABELS = pretraining_schema(6, 2, True, LABELS)
OUT_OF_RANGE = [
    ("input_ids", 2),
    ("input_ids", -1),
    ("input_ids", 2**32),
    ("input_mask", 2),
    ("segment_ids", 7),
    ("masked_lm_positions", 6),
    ("masked_lm_ids", 2),
    ("masked_lm_weights", -1.0),
    ("masked_lm_weights", float("nan")),
    ("next_sentence_labels", 2),
    ("pos_labels", 28),
    ("ner_labels", 13),
    ("dep_labels", 14),
    ("target_positions", 6),
]


def record_with(name=None, value=None):
    """A record of the highest values, but one: the last of a field."""
    limits = find_limits(WITH_LABELS, 2)
    example = tf.train.Example()
    for field in WITH_LABELS:
        values = [limits[field.name]] * field.length
        if field.name == name:
            values[-1] = value
        feature = example.features.feature[field.name]
        (feature.float_list if field.dtype == FLOAT else feature.int64_list).value.extend(values)
    return example.SerializeToString()


@pytest.mark.parametrize("name, value", OUT_OF_RANGE)
def test_a_value_out_of_its_range_is_named_and_stops_the_input(tmp_path, name, value):
    path = tmp_path / "a"
    limits = find_limits(WITH_LABELS, 2)
    path.write_bytes(frame(record_with()))
    check_records([str(path)], WITH_LABELS, limits)
    path.write_bytes(frame(record_with()) + frame(record_with(name, value)))
    expected = f"a: record 1 has {value} in {name}; expected 0 to {limits[name]}, by"
    with pytest.raises(ConfigError, match=expected):
        check_records([str(path)], WITH_LABELS, limits)
    input_fn = eval_input_fn([str(path)], WITH_LABELS, False, limits)
    with tf.Graph().as_default(), tf.Session() as session:
        batch = tf.data.make_one_shot_iterator(input_fn({"batch_size": 1})).get_next()
        session.run(batch)
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} is out of its range"):
            session.run(batch)


def test_fields_are_those_of_the_first_record_and_files_without_any_are_refused(path, tmp_path):
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    assert read_field_names([str(empty), path]) == sorted(field.name for field in SCHEMA)
    with pytest.raises(DataError, match="empty: no record"):
        read_field_names([str(empty)])


def test_features_are_read_as_they_were_encoded():
    schema = pretraining_schema(6, 2, labels=["target_positions"])
    random = np.random.default_rng(1)
    features = {field.name: random.integers(0, 30_000, (5, field.length)) for field in schema}
    for number, record in enumerate(encode_examples(features, schema)):
        expected = {name: values[number].tolist() for name, values in features.items()}
        assert decode_features(record, "f") == expected


def test_a_feature_without_values_is_empty():
    example = tf.train.Example()
    example.features.feature["a"].SetInParent()
    example.features.feature["b"].float_list.SetInParent()
    assert decode_features(example.SerializeToString(), "f") == {"a": [], "b": []}


def test_a_record_that_is_no_example_is_named():
    with pytest.raises(DataError, match=r"f: a record is no tf\.train\.Example"):
        decode_features(b"\xff\xff", "f")
