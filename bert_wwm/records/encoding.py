"""Features to the bytes of ``tf.train.Example``s, many at once and without TensorFlow.

The protocol buffer wire format (protobuf.dev/programming-guides/encoding) of
tensorflow/core/example/{example,feature}.proto: ``Example.features = 1``, ``Features.feature = 1``
(a map: key = 1, value = 2), ``Feature.float_list = 2`` and ``.int64_list = 3``, both with packed
``value = 1``. Keys are in order, so the bytes are those of a deterministic serialisation.
"""

import functools
from collections.abc import Mapping

import numpy as np

from bert_wwm.core.errors import DataError
from bert_wwm.records.schema import FLOAT, Field, Schema

_FLOAT_LIST, _INT64_LIST = 2, 3
_SMALL = 1 << 7  # below it an integer is one byte
_MAX = 1 << 21  # below it, three: ids, positions and labels, nothing that grows without bound


def encode_examples(features: Mapping[str, np.ndarray], schema: Schema) -> list[bytes]:
    """Returns the serialised Examples of a number of records.

    The features are of shape [records, length of the field], integers from 0 to 2 ** 21 - 1.

    Raises:
        DataError: a field is missing, or has another shape or values than the schema says.
    """
    # Neighbouring fields of which all records take the same space are put together as columns.
    parts: list[list[bytes]] = []
    columns: list[np.ndarray] = []
    count = next((len(features[field.name]) for field in schema if field.name in features), 0)
    for field in sorted(schema):
        values = _checked(features, field, count)
        if field.dtype == FLOAT:
            columns.append(_column(field, values.astype("<f4").view(np.uint8)))
        elif not values.size or values.max() < _SMALL:
            columns.append(_column(field, values.astype(np.uint8)))
        else:
            parts += [_rows(columns, count), _varying(field, values)]
            columns = []
    parts.append(_rows(columns, count))
    examples = map(b"".join, zip(*(part for part in parts if part)))
    return [_tag(1, len(example)) + example for example in examples]


def _checked(features: Mapping[str, np.ndarray], field: Field, count: int) -> np.ndarray:
    values = features.get(field.name)
    if values is None or values.shape != (count, field.length):
        found = "no value" if values is None else f"values of shape {list(values.shape)}"
        raise DataError(f"{field.name}: {found}; expected {[count, field.length]}")
    if field.dtype != FLOAT and values.size and not 0 <= values.min() <= values.max() < _MAX:
        raise DataError(f"{field.name}: a value is not from 0 to {_MAX - 1}")
    return values


def _column(field: Field, packed: np.ndarray) -> np.ndarray:
    """uint8 [records, bytes]: a field of the same size in all records."""
    header = np.frombuffer(_header(field, packed.shape[1]), np.uint8)
    return np.concatenate([np.broadcast_to(header, (len(packed), len(header))), packed], axis=1)


def _rows(columns: list[np.ndarray], count: int) -> list[bytes]:
    if not columns:
        return []
    table = np.concatenate(columns, axis=1)
    width, data = table.shape[1], table.tobytes()
    return [data[start : start + width] for start in range(0, count * width, width)]


def _varying(field: Field, values: np.ndarray) -> list[bytes]:
    """A field whose size differs from record to record: varints of 7 bits a byte, lowest first."""
    sizes = 1 + (values >= _SMALL) + (values >= 1 << 14)
    spread = np.empty((*values.shape, 3), np.uint8)
    for place in range(3):
        goes_on = (sizes > place + 1).astype(np.uint8) << 7
        spread[..., place] = (values >> 7 * place) & 0x7F | goes_on
    data = spread[np.arange(3) < sizes[..., None]].tobytes()
    ends = np.cumsum(sizes.sum(axis=1)).tolist()
    spans = zip([0, *ends[:-1]], ends)
    return [_header(field, end - start) + data[start:end] for start, end in spans]


@functools.lru_cache(maxsize=1 << 16)
def _header(field: Field, size: int) -> bytes:
    """What is before the packed values of a field, ``size`` bytes."""
    inside = b""
    for number in (1, _FLOAT_LIST if field.dtype == FLOAT else _INT64_LIST, 2):
        inside = _tag(number, size + len(inside)) + inside
    key = _tag(1, len(field.name)) + field.name.encode("ascii")
    # The entry of the map holds the key as well.
    return _tag(1, len(key) + len(inside) + size) + key + inside


@functools.lru_cache(maxsize=1 << 16)
def _tag(number: int, size: int) -> bytes:
    """The beginning of a length-delimited field (wire type 2)."""
    return _varint(number << 3 | 2) + _varint(size)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
