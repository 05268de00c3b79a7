"""Files, local or in a bucket: open, find, and write so that a half-written file is never seen.

Local paths need nothing but Python. A path with a scheme (``gs://...``) goes through
``tf.io.gfile``; TensorFlow is imported on the first such path.
"""

import contextlib
import errno
import glob as local_glob
import gzip
import hashlib
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from typing import IO

from bert_wwm.core import input_files, staging
from bert_wwm.core.errors import DataError
from bert_wwm.core.remote import absolute as absolute
from bert_wwm.core.remote import gfile as _gfile
from bert_wwm.core.remote import is_remote

_GZIP_LEVEL = 6
_GZIP_WINDOW = 31  # zlib's, with a header of gzip
_GZIP_SAMPLE_BYTES = 1 << 18
# The third byte is the method. No text in UTF-8 begins so; of a TFRecord file, it would be a first
# record of 560,000 bytes.
_GZIP_MAGIC = b"\x1f\x8b\x08"
BROKEN_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)  # what reading such a file raises
# TensorFlow finds checkpoints by shell patterns, and these match something other than themselves.
_PATTERN = re.compile(r"\\|\[[^/]*\]")
PATTERN_REFUSED = (
    "TensorFlow can't read checkpoints at a path with [...] or a backslash; expected a path without"
)
_SCAN_BYTES = 1 << 20
# Text is compressed to a tenth or so; that little may be compressed to any ratio.
_MAX_RATIO, _SMALL_BYTES = 100, 1 << 26
_LINE_FEED, _CARRIAGE_RETURN = b"\n", b"\r"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def is_pattern(path: str) -> bool:
    """True for a path at which TensorFlow can write a checkpoint, but not read it again."""
    return bool(_PATTERN.search(path))


def exists(path: str) -> bool:
    return _gfile().exists(path) if is_remote(path) else os.path.exists(path)


def size(path: str) -> int:
    """The size of a file in bytes."""
    return input_files.read_version(path).size


def text_size(path: str) -> int:
    """The size of a text file in bytes; of a compressed one, an estimate by its beginning."""
    if not is_gzip(path):
        return size(path)
    with open_raw(path) as stream:
        sample = stream.read(_GZIP_SAMPLE_BYTES)
    rest, decompressed = sample, 0
    with contextlib.suppress(zlib.error):  # told where the file is read
        while rest:
            decompressor = zlib.decompressobj(_GZIP_WINDOW)
            decompressed += len(decompressor.decompress(rest))
            rest = decompressor.unused_data
    return size(path) * decompressed // len(sample)


def make_folder(path: str) -> None:
    """Makes a folder and its parents where they are missing."""
    if not path:
        return
    if is_remote(path):
        _gfile().makedirs(path)
    else:
        os.makedirs(path, exist_ok=True)


def find(patterns: Sequence[str]) -> list[str]:
    """Returns the files that patterns name, sorted within each pattern, each file once."""
    if not patterns:
        raise DataError("no input file is named; expected paths or globs")
    found: list[str] = []
    for pattern in patterns:
        files = _matches(pattern)
        if not files:
            what = _describe_other(pattern)
            raise DataError(f"{pattern}: {what}; expected the path or glob of an input file")
        found.extend(files)
    return list(dict.fromkeys(found))


def _describe_other(path: str) -> str:
    """Says what is at a path where no regular file is."""
    if os.path.isdir(path):
        return "is a folder"
    exists = os.path.exists(path)
    return "a pipe or a device, which can be read only once" if exists else "no such file"


def _matches(pattern: str) -> list[str]:
    if "[" in pattern and exists(pattern) and not os.path.isdir(pattern):
        return [pattern]  # a name may hold brackets
    return [path for path in glob(pattern) if is_remote(path) or os.path.isfile(path)]


def glob(pattern: str) -> list[str]:
    """Returns what matches a pattern, sorted. The name of an existing folder is taken as it is."""
    if is_remote(pattern):
        return sorted(_gfile().glob(pattern))
    folder = os.path.dirname(pattern)
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return sorted(local_glob.glob(local_glob.escape(folder) + pattern[len(folder) :]))


def same(path: str, other: str) -> bool:
    """True where two paths, written in whatever way, name one file."""
    return identity(path) == identity(other)


def identity(path: str) -> str:
    """Returns what is the same for all local paths, written in whatever way, of one file."""
    return path if is_remote(path) else os.path.realpath(path)


def open_raw(path: str) -> IO[bytes]:
    """Opens a file to read its bytes as they are. Raises DataError if there is no such file."""
    if is_remote(path) and not exists(path):
        raise DataError(f"{path}: no such file")
    if not is_remote(path) and os.path.exists(path) and not os.path.isfile(path):
        raise DataError(f"{path}: {_describe_other(path)}; expected a file")
    input_files.note(path)
    try:
        return _gfile().GFile(path, "rb") if is_remote(path) else open(path, "rb")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except PermissionError:
        raise DataError(f"{path}: may not be read by this user") from None


def is_gzip(path: str) -> bool:
    """True for a file that is compressed by gzip, whatever its name."""
    with open_raw(path) as stream:
        return stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def open_binary(path: str) -> IO[bytes]:
    """Opens a file as ``open_raw``; one that is compressed by gzip is decompressed."""
    raw = open_raw(path)
    magic = raw.read(len(_GZIP_MAGIC))
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if magic == _GZIP_MAGIC else raw  # type: ignore[return-value]


def compress(data: bytes) -> bytes:
    """Returns data as a gzip file of its own; several of them, in a row, are a gzip file too."""
    # Not gzip.compress, whose header depends on the version of Python.
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return compressor.compress(data) + compressor.flush()


def read_lines(path: str) -> Iterator[str]:
    """Yields the lines of a UTF-8 file without their line ends.

    Only ``\\n`` ends a line (``\\r\\n`` loses its ``\\r``): the other characters at which
    ``str.splitlines`` breaks are text. In a file without any ``\\n``, ``\\r`` ends a line: see
    ``ends_lines_by_returns``. A byte order mark at the start is dropped.
    """
    number = 0
    with open_binary(path) as stream:
        try:
            for number, raw in enumerate(_raw_lines(stream), 1):
                if number == 1:
                    raw = raw.removeprefix(BYTE_ORDER_MARK)
                yield decode(raw.rstrip(b"\r\n"), path, number)
        except BROKEN_GZIP as error:
            raise DataError(
                f"{path}:{number + 1}: broken gzip data ({error}); expected a whole .gz file"
            ) from None


def decode(data: bytes, path: str, line: int) -> str:
    """Returns text of a file, from that line on. Raises DataError where it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data.count(_LINE_FEED, 0, error.start)
        column = error.start - data.rfind(_LINE_FEED, 0, error.start)
        raise DataError(
            f"{path}:{line}: byte 0x{data[error.start]:02x} at column {column} is not UTF-8; "
            "expected UTF-8 text"
        ) from None


def _raw_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yields the lines of a stream; where there is no ``\\n`` at all, ``\\r`` ends them."""
    for number, line in enumerate(stream):
        if number == 0 and not line.endswith(_LINE_FEED):  # this is all
            yield from line.removesuffix(_CARRIAGE_RETURN).split(_CARRIAGE_RETURN)
        else:
            yield line


def ends_lines_by_returns(path: str) -> bool:
    """True for a text with the line ends of the classic Mac: it holds ``\\r``, and no ``\\n``.

    It reads no further than the first ``\\n``.
    """
    found = False
    for chunk in read_chunks(path, _SCAN_BYTES):
        if _LINE_FEED in chunk:
            return False
        found = found or _CARRIAGE_RETURN in chunk
    return found


def read_chunks(path: str, chunk_bytes: int) -> Iterator[bytes]:
    """Yields a file, decompressed if it is a ``.gz``, in chunks of that size and a shorter last."""
    with open_binary(path) as stream:
        while True:
            try:
                chunk = stream.read(chunk_bytes)
            except BROKEN_GZIP as error:
                raise DataError(
                    f"{path}: broken gzip data ({error}); expected a whole .gz file"
                ) from None
            if not chunk:
                return
            yield chunk


def refuse_bomb(path: str) -> None:
    """Raises DataError for a compressed file that decompresses to far more than its own size.

    For files that are read as wholes; no more of it is decompressed than is needed to know.
    """
    if not is_gzip(path):
        return
    most = most_decompressed(size(path))
    total = 0
    for chunk in read_chunks(path, _SCAN_BYTES):
        total += len(chunk)
        if total > most:
            raise DataError(
                f"{path}: decompresses to more than {most:,} bytes; expected at most {_MAX_RATIO} "
                "times its own size"
            )


def most_decompressed(size: int) -> int:
    """Returns how many bytes so many compressed ones may become; more are taken for an attack."""
    return max(_SMALL_BYTES, _MAX_RATIO * size)


def read_bytes(path: str) -> bytes:
    """Returns a whole file."""
    with open_binary(path) as stream:
        return stream.read()


def sha256(path: str) -> str:
    """Returns the hexadecimal SHA-256 of a file's bytes."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


def check_writable(path: str) -> None:
    """Raises DataError where something of that name is no file, or there is no name."""
    if is_remote(path):
        return
    if not os.path.basename(path) or (os.path.exists(path) and not os.path.isfile(path)):
        what = "is no regular file" if os.path.basename(path) else "no name of a file"
        raise DataError(f"{path}: {what}; expected the name of a file to write")


@contextlib.contextmanager
def atomic_path(path: str) -> Iterator[str]:
    """Gives a temporary path beside ``path`` that takes its name when the block ends well.

    Where the block raises, or the process is killed, ``path`` is as it was before. For what killed
    processes leave, see ``staging``. Raises DataError as ``check_writable``.
    """
    check_writable(path)
    # A link stays a link.
    target = path if is_remote(path) else os.path.realpath(path)
    if not is_remote(path):
        make_folder(os.path.dirname(target))
    with staging.temporary_file(target) as temporary:
        yield temporary
        if is_remote(path):
            _gfile().rename(temporary, target, overwrite=True)
        else:
            os.replace(temporary, target)
    input_files.forget(path)


def remove(path: str) -> None:
    """Removes a file if it is there."""
    if exists(path):
        remover = _gfile().remove if is_remote(path) else os.unlink
        remover(path)
    input_files.forget(path)


def move(path: str, to: str) -> None:
    """Gives a local file another name, in one step, or puts it into a bucket."""
    if not is_remote(to):
        make_folder(os.path.dirname(to))
        try:
            os.replace(path, os.path.realpath(to))  # a link stays a link
        except OSError as error:
            if error.errno != errno.EXDEV:  # another file system
                raise
        else:
            input_files.forget(to)
            return
    with atomic_path(to) as temporary:
        if is_remote(to):
            _gfile().copy(path, temporary, overwrite=True)
        else:
            shutil.copyfile(path, temporary)
    os.unlink(path)


def write_bytes(path: str, data: bytes) -> None:
    """Writes a file in one step: whole, or not at all."""
    with atomic_path(path) as temporary:
        opener = _gfile().GFile if is_remote(temporary) else open
        with opener(temporary, "wb") as stream:
            stream.write(data)
            if not is_remote(temporary):
                stream.flush()
                os.fsync(stream.fileno())


def write_text(path: str, text: str) -> None:
    r"""Writes a UTF-8 file in one step: whole, or not at all.

    UTF-8 lacks halves of surrogate pairs. JSON may name them, and Python has them for the bytes of
    file names that are not UTF-8. They are written as ``\udcd6``, which JSON reads as what it was.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))
