"""Features to the bytes of a ``tf.train.Example``, without TensorFlow.

The protocol buffer wire format (protobuf.dev/programming-guides/encoding) of
tensorflow/core/example/{example,feature}.proto: ``Example.features = 1``, ``Features.feature = 1``
(a map: key = 1, value = 2), ``Feature.float_list = 2`` and ``.int64_list = 3``, both with packed
``value = 1``. Keys are in order, so the bytes are those of a deterministic serialisation.
"""

import struct
from typing import Mapping, Sequence

from bert_wwm.core.errors import DataError
from bert_wwm.records.schema import FLOAT, Schema

_FLOAT_LIST, _INT64_LIST = 2, 3


class _Varints(dict):
    """The variable-length encoding of non-negative integers, remembered."""

    def __missing__(self, number: int) -> bytes:
        if number < 0:
            raise ValueError(f"{number} is negative")
        encoded = bytearray()
        rest = number
        while rest > 0x7F:
            encoded.append(rest & 0x7F | 0x80)
            rest >>= 7
        encoded.append(rest)
        result = bytes(encoded)
        if number < 1 << 17:  # ids, positions and lengths; nothing that grows without bound
            self[number] = result
        return result


_VARINTS = _Varints()


def encode_example(features: Mapping[str, Sequence[float]], schema: Schema) -> bytes:
    """Returns the serialised Example of a record.

    Args:
        features: the values of each field; integers are not negative.
        schema: the fields.

    Raises:
        DataError: a field is missing, or has another length than the schema says.
    """
    encoded = b""
    for field in sorted(schema):
        values = features.get(field.name)
        if values is None or len(values) != field.length:
            found = "no value" if values is None else f"{len(values)} values"
            raise DataError(f"{field.name}: {found}; expected {field.length}")
        if field.dtype == FLOAT:
            packed = struct.pack(f"<{len(values)}f", *values)
            value_list = _message(_FLOAT_LIST, _message(1, packed))
        else:
            packed = b"".join(map(_VARINTS.__getitem__, values))
            value_list = _message(_INT64_LIST, _message(1, packed))
        entry = _message(1, field.name.encode("ascii")) + _message(2, value_list)
        encoded += _message(1, entry)
    return _message(1, encoded)


def _message(number: int, payload: bytes) -> bytes:
    """A length-delimited field (wire type 2)."""
    return _VARINTS[number << 3 | 2] + _VARINTS[len(payload)] + payload
