"""The files of LTP's perceptrons: read completely, so that any damage is found, and written.

LTP's own reader ends the process where a file is damaged, and so does its prediction where a number
is beyond the parameters. Neither happens with a file that ``read`` accepts.

A file is an object container file of Avro with one record. Python's packages for Avro would make an
object of each of the millions of parameters. The record holds:

- definition: the labels. The model of words (cws) has none: its labels are always S, B, M and E.
- features: a number for each feature, which is a text such as ``2北``.
- parameters: for each number a row of scores, one for each label. Where labels depend on the label
  before (cws, ner), the first rows belong to no feature, but hold the scores of such pairs.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from bert_wwm.core import files, stand_ins
from bert_wwm.core.errors import CheckpointError

_MAGIC = b"Obj\x01"
_SCHEMA, _CODEC = "avro.schema", "avro.codec"
_NONE, _DEFLATE = b"null", b"deflate"  # LTP reads no other
_RAW_WINDOW = -15  # of zlib, for data without a header
_MARK_BYTES = 16
_LONG_BITS, _MORE = 64, 0x80  # the bit of a byte that others follow
_DOUBLE = np.dtype("<f8")

_WORD_LABELS = ("S", "B", "M", "E")


class Perceptron(NamedTuple):
    """A model of one task: labels by number, numbers of features, scores."""

    labels: list[str]
    features: dict[str, int]
    parameters: np.ndarray  # float64 [numbers, labels]


class _Damage(Exception):
    """What is wrong with a file."""


def read(path: str, task: str) -> Perceptron:
    """Reads a file of the task cws, pos or ner, and checks all of it.

    Raises CheckpointError where the file is missing, damaged, or of another kind or task.
    """
    content = files.read_bytes(path) if files.exists(path) else b""
    if not content.startswith(_MAGIC):
        if content:
            stand_ins.refuse(path, CheckpointError)
        raise CheckpointError(
            f"{path}: missing or of another kind; expected a perceptron file of LTP's"
        )
    try:
        return _parse(content, task)
    except _Damage as error:
        raise CheckpointError(
            f"{path}: damaged, or not of the task {task}: {error}; expected a whole perceptron "
            "file of LTP's"
        ) from None


def write(path: str, task: str, model: Perceptron) -> None:
    """Writes a file: the same bytes for the same model, whatever the numbers of its features."""
    names = sorted(model.features)
    first = len(model.parameters) - len(names)
    rows = [*range(first), *(model.features[name] for name in names)]
    scores = model.parameters[rows].astype(_DOUBLE).tobytes()
    parts = [_pack_numbers(names, first), _pack_long(model.parameters.size), scores, _pack_long(0)]
    if task != "cws":
        texts = _pack_items(map(_pack_text, model.labels))
        parts = [texts, _pack_numbers(model.labels, 0), *parts]
    compressor = zlib.compressobj(wbits=_RAW_WINDOW)
    block = b"".join([*map(compressor.compress, parts), compressor.flush()])
    facts = {_CODEC: _DEFLATE, _SCHEMA: json.dumps(_schema(task)).encode()}
    header = _pack_items(_pack_text(name) + _pack_bytes(fact) for name, fact in facts.items())
    mark = hashlib.sha256(block).digest()[:_MARK_BYTES]  # Avro takes random bytes
    files.write_bytes(path, _MAGIC + header + mark + _pack_long(1) + _pack_bytes(block) + mark)


def _parse(content: bytes, task: str) -> Perceptron:
    header = _Reader(content, len(_MAGIC))
    facts = {header.text(): header.bytes() for _ in header.items()}
    try:
        schema = json.loads(facts.get(_SCHEMA, b""), object_hook=_drop_default)
    except (ValueError, RecursionError):
        raise _Damage("no description of its record") from None
    if schema != _schema(task):
        raise _Damage("its record is of another kind")
    mark = header.read(_MARK_BYTES)
    number, block = header.long(), header.bytes()
    if number != 1 or header.read(_MARK_BYTES) != mark or header.count_rest():
        raise _Damage("more or less than one record")
    record = _Reader(_decompress(block, facts.get(_CODEC, _NONE)))
    labels = list(_WORD_LABELS)
    if task != "cws":
        labels = [record.text() for _ in record.items()]
        record.numbers()
    features = record.numbers()
    parameters = record.doubles()
    if record.count_rest():
        raise _Damage("bytes after its record")
    if not labels or parameters.size % len(labels):
        raise _Damage(f"{parameters.size:,} parameters for {len(labels):,} labels")
    parameters = parameters.reshape(-1, len(labels))
    if task != "pos" and len(parameters) < len(labels):
        raise _Damage("parameters are missing")
    numbers = features.values()
    if numbers and not 0 <= min(numbers) <= max(numbers) < len(parameters):
        raise _Damage("a feature without parameters")
    if not np.isfinite(parameters).all():
        raise _Damage("parameters that are not finite")
    return Perceptron(labels, features, parameters)


def _schema(task: str) -> dict[str, Any]:
    """Returns Avro's description of a task's record."""
    texts = {"type": "array", "items": "string"}
    numbers = {"type": "map", "values": "long"}
    doubles = {"type": "array", "items": "double"}
    labels = [] if task == "cws" else _fields(to_labels=texts, labels_to=numbers)
    definition = {"type": "record", "name": "definition", "fields": labels}
    fields = _fields(definition=definition, features=numbers, parameters=doubles)
    return {"type": "record", "name": task, "fields": fields}


def _fields(**types: Any) -> list[dict[str, Any]]:
    return [{"name": name, "type": kind} for name, kind in types.items()]


def _drop_default(description: dict[str, Any]) -> dict[str, Any]:
    """Returns a description without what doesn't matter to a record that is there."""
    return {name: value for name, value in description.items() if name != "default"}


def _decompress(block: bytes, codec: bytes) -> bytes:
    if codec == _NONE:
        return block
    if codec != _DEFLATE:
        raise _Damage(f"compressed by {codec!r}")
    decompressor = zlib.decompressobj(_RAW_WINDOW)
    most = files.most_decompressed(len(block))
    try:
        record = decompressor.decompress(block, most)
    except zlib.error:
        raise _Damage("broken compressed data") from None
    if len(record) == most:
        raise _Damage(f"it decompresses to {most:,} bytes or more")
    if not decompressor.eof or decompressor.unused_data:
        raise _Damage("broken compressed data")
    return record


class _Reader:
    """Reads Avro's values one after the other, from a position of the data."""

    def __init__(self, data: bytes, position: int = 0):
        self._data = data
        self._position = position

    def count_rest(self) -> int:
        return len(self._data) - self._position

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self.count_rest():
            raise _Damage("a length leads beyond the file")
        self._position += size
        return self._data[self._position - size : self._position]

    def long(self) -> int:
        """Returns an integer: seven bits a byte, the lowest first; even numbers are positive."""
        data, position = self._data, self._position
        value = shift = 0
        byte = _MORE
        while byte >= _MORE:
            if position == len(data) or shift >= _LONG_BITS:
                raise _Damage("an integer without an end")
            byte = data[position]
            position += 1
            value |= (byte % _MORE) << shift
            shift += 7
        if value >> _LONG_BITS:
            raise _Damage("an integer of more than 64 bits")
        self._position = position
        return (value >> 1) ^ -(value & 1)

    def bytes(self) -> bytes:
        return self.read(self.long())

    def text(self) -> str:
        try:
            return self.bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise _Damage("a text that is not UTF-8") from None

    def _counts(self) -> Iterator[int]:
        """Yields the number of items of each block of an array or a map."""
        while count := self.long():
            if count < 0:  # the size of so many in bytes follows
                count = -count
                self.long()
            yield count

    def items(self) -> Iterator[int]:
        """Yields once for each item of an array or a map, which the caller then reads."""
        for count in self._counts():
            yield from range(count)

    def numbers(self) -> dict[str, int]:
        """Returns a map of integers."""
        numbers: dict[str, int] = {}
        for _ in self.items():
            name = self.text()
            if name in numbers:
                raise _Damage(f"{name!r} twice")
            numbers[name] = self.long()
        return numbers

    def doubles(self) -> np.ndarray:
        """Returns an array of floating-point numbers."""
        chunks = [self.read(count * _DOUBLE.itemsize) for count in self._counts()]
        return np.frombuffer(b"".join(chunks), _DOUBLE)


def _pack_long(value: int) -> bytes:
    """Returns a number that is not negative as ``_Reader.long`` reads it."""
    value <<= 1
    packed = bytearray()
    while value >= _MORE:
        packed.append(value % _MORE + _MORE)
        value >>= 7
    return bytes([*packed, value])


def _pack_bytes(data: bytes) -> bytes:
    return _pack_long(len(data)) + data


def _pack_text(text: str) -> bytes:
    return _pack_bytes(text.encode("utf-8"))


def _pack_items(items: Iterable[bytes]) -> bytes:
    """Returns an array, or a map, of packed items."""
    packed = list(items)
    # A count of 0 is the end, so there must not be two.
    return (_pack_long(len(packed)) if packed else b"") + b"".join(packed) + _pack_long(0)


def _pack_numbers(names: Iterable[str], first: int) -> bytes:
    """Returns a map of names to consecutive numbers."""
    return _pack_items(_pack_text(name) + _pack_long(n) for n, name in enumerate(names, first))
