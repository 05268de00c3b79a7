import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.compat import tf
from bert_wwm.core.errors import DataError
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.schema import FLOAT, INT, Field, pretraining_schema

SCHEMA = (Field("bb", INT, 4), Field("a", FLOAT, 2), Field("c", INT, 1), Field("ba", INT, 70))
# Of one, two and three bytes; all of a field may be small.
INTEGERS = st.integers(0, 127) | st.integers(0, 2**21 - 1) | st.sampled_from([128, 2**14])
FLOATS = st.floats(width=32)


@st.composite
def batches(draw, schema, most=4):
    """The values of each field of some records."""
    count = draw(st.integers(0, most))
    features = {}
    for field in schema:
        shape = (count, field.length)
        if field.dtype == FLOAT:
            values = draw(st.lists(FLOATS, min_size=count * field.length, max_size=3000).map(
                lambda drawn, size=count * field.length: drawn[:size]
            ))  # fmt: skip
            features[field.name] = np.array(values, np.float32).reshape(shape)
        else:
            limit = draw(st.sampled_from([1, 2, 128, 129, 2**14, 2**21]))
            random = np.random.default_rng(draw(st.integers(0, 99)))
            dtype = draw(st.sampled_from([np.int64, np.int32]))
            features[field.name] = random.integers(0, limit, shape).astype(dtype)
    return features


def serialise(features, schema, number):
    """What TensorFlow makes of a record."""
    example = tf.train.Example()
    for field in schema:
        feature = example.features.feature[field.name]
        values = feature.float_list if field.dtype == FLOAT else feature.int64_list
        values.value.extend(features[field.name][number].tolist())
    return example.SerializeToString(deterministic=True)


@given(batches(SCHEMA))
def test_bytes_are_those_of_tensorflow(features):
    count = len(features["a"])
    expected = [serialise(features, SCHEMA, number) for number in range(count)]
    assert encode_examples(features, SCHEMA) == expected


@given(st.lists(st.lists(INTEGERS, min_size=3, max_size=3), max_size=9))
def test_integers_of_every_size_are_those_of_tensorflow(rows):
    schema = (Field("x", INT, 3),)
    features = {"x": np.array(rows, np.int64).reshape(-1, 3)}
    expected = [serialise(features, schema, number) for number in range(len(rows))]
    assert encode_examples(features, schema) == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64])
def test_the_type_of_the_integers_does_not_matter(dtype):
    schema = (Field("x", INT, 5),)
    features = {"x": np.array([[0, 1, 2, 100, 127]], dtype)}
    assert encode_examples(features, schema) == [serialise(features, schema, 0)]


@pytest.mark.parametrize("length, predictions", [(8, 2), (128, 20), (512, 76)])
@pytest.mark.parametrize("labels", [(), ("pos_labels", "ner_labels", "dep_labels")])
def test_records_for_pretraining_are_those_of_tensorflow(length, predictions, labels):
    schema = pretraining_schema(length, predictions, has_pair_label=not labels, labels=labels)
    random = np.random.default_rng(1)
    limits = {"input_ids": 21128, "masked_lm_ids": 21128, "masked_lm_positions": length}
    features = {
        field.name: random.integers(0, limits.get(field.name, 2), (20, field.length))
        for field in schema
    }
    expected = [serialise(features, schema, number) for number in range(20)]
    assert encode_examples(features, schema) == expected


def values(**changes):
    features = {field.name: np.zeros((2, field.length), int) for field in SCHEMA}
    return {name: value for name, value in {**features, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"a": np.zeros((2, 1))}, r"a: values of shape \[2, 1\]; expected \[2, 2\]"),
        ({"c": None}, r"c: no value; expected \[2, 1\]"),
        ({"c": np.zeros((3, 1), int)}, r"c: values of shape \[3, 1\]; expected \[2, 1\]"),
        ({"c": np.zeros(2, int)}, r"c: values of shape \[2\]; expected \[2, 1\]"),
        ({"c": np.array([[0], [-1]])}, "c: a value is not from 0 to 2097151"),
        ({"c": np.array([[2**21], [0]])}, "c: a value is not from 0 to 2097151"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(changes, message):
    assert len(encode_examples(values(), SCHEMA)) == 2
    with pytest.raises(DataError, match=message):
        encode_examples(values(**changes), SCHEMA)


def test_fields_that_no_schema_names_are_left_out():
    assert encode_examples(values(d=np.ones((2, 1))), SCHEMA) == encode_examples(values(), SCHEMA)
