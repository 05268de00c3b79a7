"""Random damage to files."""

import gzip
import json
import math
import random
import struct
from collections.abc import Callable
from typing import Any

from bert_wwm.core import files
from bert_wwm.records.framing import frame

_MOST_BYTES = 64
_VALUES = [None, True, -1, 0, 1, 2**31, 10**400, 0.5, math.nan, math.inf, "", "\0", "x", [], {}]


def damage_bytes(data: bytes, rng: random.Random) -> bytes:
    """Returns a file with one kind of damage in one place."""
    return rng.choice(_OF_BYTES)(data, rng)


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 3])):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _overwrite(data: bytes, rng: random.Random) -> bytes:
    begin, end = _draw_range(data, rng)
    filling = rng.choice([bytes(end - begin), b"\xff" * (end - begin), rng.randbytes(end - begin)])
    return data[:begin] + filling + data[end:]


def _delete(data: bytes, rng: random.Random) -> bytes:
    begin, end = _draw_range(data, rng)
    return data[:begin] + data[end:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    begin, end = _draw_range(data, rng)
    return data[:end] + data[begin:]


def _append(data: bytes, rng: random.Random) -> bytes:
    return data + rng.choice([data, rng.randbytes(rng.randrange(1, _MOST_BYTES))])


def _draw_range(data: bytes, rng: random.Random) -> tuple[int, int]:
    # As often at the beginning, where headers are, as anywhere.
    begin = rng.randrange(rng.choice([len(data), min(_MOST_BYTES, len(data))]) + 1)
    return begin, min(len(data), begin + rng.randint(1, _MOST_BYTES))


_OF_BYTES: list[Callable[[bytes, random.Random], bytes]] = [
    *[_flip] * 3,
    *[_truncate] * 2,
    _overwrite,
    _delete,
    _repeat,
    _append,
]


def damage_json(data: bytes, rng: random.Random) -> bytes:
    """Returns a file of JSON with another value, with fewer, or as ``damage_bytes``."""
    if rng.random() < 0.3:
        return damage_bytes(data, rng)
    whole = [json.loads(data)]
    holder, key = rng.choice(list(_places(whole)))
    if rng.random() < 0.3 and holder is not whole:
        del holder[key]
    else:
        holder[key] = rng.choice([*_VALUES, [holder[key]], {"x": holder[key]}])
    return json.dumps(whole[0], ensure_ascii=False).encode()


def _places(holder: Any):
    """Yields every list or object within one, with each of its places."""
    for key in range(len(holder)) if isinstance(holder, list) else list(holder):
        yield holder, key
        if isinstance(holder[key], (list, dict)):
            yield from _places(holder[key])


def damage_record(data: bytes, rng: random.Random) -> bytes:
    """Returns a file of records, one of which is damaged and has the checksums of what it is."""
    unpacked = _unpack(data)
    number = rng.randrange(len(unpacked))
    unpacked[number] = damage_bytes(unpacked[number], rng)
    return b"".join(map(frame, unpacked))


def _unpack(data: bytes) -> list[bytes]:
    records = []
    while data:
        (size,) = struct.unpack_from("<Q", data)
        records.append(data[12 : 12 + size])
        data = data[16 + size :]
    return records


def damage_compressed(data: bytes, rng: random.Random) -> bytes:
    """Returns a compressed file whose content is damaged, but not its compression."""
    return files.compress(damage_bytes(gzip.decompress(data), rng))


def damage_safetensors(data: bytes, rng: random.Random) -> bytes:
    """Returns a file whose header has another value and the right length."""
    (size,) = struct.unpack_from("<Q", data)
    header = damage_json(data[8 : 8 + size], rng)
    return struct.pack("<Q", len(header)) + header + data[8 + size :]
