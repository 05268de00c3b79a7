"""The TFRecord format, without TensorFlow: records framed by their length and checksums.

Each record stands between its length (8 bytes, little-endian), a checksum of that (4 bytes), and a
checksum of the record itself; a checksum is a masked CRC-32C
(tensorflow.org/tutorials/load_data/tfrecord). A file may be compressed by gzip as a whole, or be
several such files put together.
"""

import functools
import struct
from collections.abc import Iterator
from typing import IO

import google_crc32c

from bert_wwm.core import files
from bert_wwm.core.errors import DataError

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_LARGEST = 1 << 40  # bytes of a record


def frame(record: bytes) -> bytes:
    """Returns a record as it stands in a file."""
    return b"".join((_header(len(record)), record, _CHECKSUM.pack(_masked_crc(record))))


@functools.lru_cache(maxsize=1 << 16)
def _header(size: int) -> bytes:
    return _HEADER.pack(size, _masked_crc(struct.pack("<Q", size)))


def _masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def find_compression(path: str) -> str:
    """Returns the compression of a file as TensorFlow calls it, "" or "GZIP", by its content."""
    return "GZIP" if files.is_gzip(path) else ""


def read_records(path: str) -> Iterator[bytes]:
    """Yields the records of a file."""
    offset = number = 0
    with files.open_binary(path) as stream:
        try:
            while (size := _read_size(stream)) is not None:
                record, checksum = stream.read(size), stream.read(_CHECKSUM.size)
                if len(record) != size or checksum != _CHECKSUM.pack(_masked_crc(record)):
                    raise ValueError
                yield record
                number += 1
                offset += _HEADER.size + size + _CHECKSUM.size
        except (ValueError, *files.BROKEN_GZIP):
            raise _broken(path, number, offset) from None


def count_records(path: str) -> int:
    """Returns the number of records of a file; only one that is compressed is read as a whole."""
    if files.is_gzip(path):
        return sum(1 for _ in read_records(path))
    offset = number = 0
    length = files.size(path)
    with files.open_raw(path) as stream:
        try:
            while (size := _read_size(stream)) is not None:
                end = offset + _HEADER.size + size + _CHECKSUM.size
                if end > length:
                    raise ValueError
                stream.seek(end)
                number += 1
                offset = end
        except ValueError:
            raise _broken(path, number, offset) from None
    return number


def _broken(path: str, number: int, offset: int) -> DataError:
    return DataError(
        f"{path}: record {number} at byte {offset} is truncated or corrupt; expected a whole "
        "TFRecord file: make it anew"
    )


def _read_size(stream: IO[bytes]) -> int | None:
    """Returns the size of the next record; None at the end. Raises ValueError if it is broken."""
    header = stream.read(_HEADER.size)
    if not header:
        return None
    size: int = struct.unpack_from("<Q", header.ljust(8))[0]
    if size > _LARGEST or header != _header(size):
        raise ValueError
    return size
