import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.compat import tf
from bert_wwm.core.errors import DataError
from bert_wwm.records.encoding import encode_example
from bert_wwm.records.schema import FLOAT, INT, Field

SCHEMA = (Field("b", INT, 4), Field("a", FLOAT, 2), Field("c", INT, 1))


@given(
    st.lists(st.integers(0, 2**63 - 1), min_size=4, max_size=4),
    st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2),
)
def test_bytes_are_those_of_tensorflow(integers, floats):
    example = tf.train.Example()
    example.features.feature["a"].float_list.value.extend(floats)
    example.features.feature["b"].int64_list.value.extend(integers)
    example.features.feature["c"].int64_list.value.append(0)
    encoded = encode_example({"a": floats, "b": integers, "c": [0]}, SCHEMA)
    assert encoded == example.SerializeToString(deterministic=True)


def test_a_field_of_another_length_is_refused():
    with pytest.raises(DataError, match="a: 1 values; expected 2"):
        encode_example({"a": [1.0], "b": [1] * 4, "c": [0]}, SCHEMA)
    with pytest.raises(DataError, match="c: no value; expected 1"):
        encode_example({"a": [1.0, 2.0], "b": [1] * 4}, SCHEMA)
