import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import DataError
from bert_wwm.records.decoding import decode_features
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.schema import pretraining_schema


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
