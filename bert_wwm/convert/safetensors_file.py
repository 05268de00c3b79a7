"""Files of safetensors: eight bytes of length, a header in JSON, and the tensors' bytes."""

import math
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bert_wwm.core import stand_ins
from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import parse_json

_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit
_MAX_DIMENSIONS = 32  # numpy's
_METADATA = "__metadata__"
_BFLOAT16 = "BF16"
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    _BFLOAT16: "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


class Contents(NamedTuple):
    """What a file holds.

    Attributes:
        tensors: by name; read-only, and read from the file when they are first looked at. Those of
            type bfloat16, which numpy hasn't, are float32.
        bfloat16: how many of them were bfloat16.
        metadata: texts about the whole.
    """

    tensors: dict[str, np.ndarray]
    bfloat16: int
    metadata: dict[str, str]


def read(path: str) -> Contents:
    """Reads a file, without the library of that name, which knows no bfloat16 in numpy.

    Raises:
        DataError: the file is broken, cut short or stands for another one, or has tensors of an
            unknown type.
    """
    stand_ins.refuse(path)
    size = os.path.getsize(path)
    header = _header(path, size)
    start = size - header.pop("")
    metadata = header.pop(_METADATA, None) or {}
    # numpy can't map a file's empty rest.
    mapped = np.memmap(path, np.uint8, "r", start) if size > start else np.zeros(0, np.uint8)
    data = np.asarray(mapped)
    tensors, count, spans = {}, 0, []
    for name, entry in header.items():
        kind, shape, begin, end = _entry(path, name, entry)
        if end > len(data):
            raise DataError(
                f"{path}: is cut short: {name} should end at byte {start + end:,}, but the file "
                f"has {size:,}; expected a whole file"
            )
        array = data[begin:end].view(_TYPES[kind]).reshape(shape)
        if kind == _BFLOAT16:
            array = (array.astype(np.uint32) << 16).view(np.float32)
            count += 1
        tensors[name] = array
        spans.append((begin, end))
    ends = [0, *(end for _, end in sorted(spans))]
    if [*(begin for begin, _ in sorted(spans)), len(data)] != ends:
        raise DataError(
            f"{path}: is broken: its tensors overlap, or leave gaps in the {len(data):,} bytes "
            "that follow the header; expected a whole file of safetensors"
        )
    return Contents(tensors, count, metadata)


def _header(path: str, size: int) -> dict[str, Any]:
    """Returns a file's header, and how many bytes follow it under an empty name."""
    with open(path, "rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        if size <= _LENGTH_BYTES or not 0 < length <= _LONGEST_HEADER:
            raise DataError(f"{path}: is empty, or no file of safetensors")
        if length > size - _LENGTH_BYTES:
            raise DataError(
                f"{path}: is cut short in its header, or no file of safetensors; expected a "
                f"header of {length:,} bytes, found {size - _LENGTH_BYTES:,}"
            )
        text = stream.read(length)
    try:
        header = parse_json(text.decode("utf-8"), path)
    except (DataError, UnicodeDecodeError):
        header = None
    if not isinstance(header, dict) or "" in header:
        raise DataError(f"{path}: the header is broken; expected that of a file of safetensors")
    header[""] = size - _LENGTH_BYTES - length
    return header


def _entry(path: str, name: str, entry: Any) -> Any:
    """Returns a tensor's type, its shape, and the half-open span of its bytes."""
    try:
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = all(type(number) is int and number >= 0 for number in [*shape, begin, end])
    except (TypeError, KeyError, ValueError):
        whole = False
    if not whole:
        raise DataError(f"{path}: the header's entry of {name} is broken")
    if len(shape) > _MAX_DIMENSIONS:
        raise DataError(
            f"{path}: {name} has {len(shape)} dimensions; expected {_MAX_DIMENSIONS} at most"
        )
    if not isinstance(kind, str) or kind not in _TYPES:
        raise DataError(f"{path}: {name} is of type {kind}; expected {', '.join(_TYPES)}")
    if end - begin != math.prod(shape) * np.dtype(_TYPES[kind]).itemsize:
        raise DataError(
            f"{path}: the header is broken: {name} of shape {shape} and type {kind} has "
            f"{end - begin:,} bytes"
        )
    return kind, shape, begin, end


def write(path: str, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes tensors as PyTorch's programs expect them, the same bytes every time.

    Raises:
        DataError: the file can't be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    whole = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    try:
        save_file(whole, path, {"format": "pt"})
    except SafetensorError as error:  # such as of a full disk
        raise DataError(f"{path}: can't be written: {error}") from None
