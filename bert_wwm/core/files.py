"""Files, local or in a bucket: open, find, and write so that a half-written file is never seen.

Local paths need nothing but Python. A path with a scheme (``gs://...``) goes through
``tf.io.gfile``; TensorFlow is imported on the first such path.
"""

import contextlib
import glob as local_glob
import gzip
import hashlib
import io
import os
import tempfile
import zlib
from typing import IO, Iterator, List, Sequence

from bert_wwm.core.errors import DataError

_GZIP_RATIO = 3  # of Chinese text, about


def is_remote(path: str) -> bool:
    """True where the path names a scheme, as in ``gs://bucket/file``."""
    return "://" in path


def _gfile():
    import tensorflow

    return tensorflow.io.gfile


def exists(path: str) -> bool:
    return _gfile().exists(path) if is_remote(path) else os.path.exists(path)


def size(path: str) -> int:
    """The size of a file in bytes."""
    return int(_gfile().stat(path).length) if is_remote(path) else os.path.getsize(path)


def text_size(path: str) -> int:
    """The size of a text file in bytes; of a ``.gz``, an estimate of it decompressed."""
    return size(path) * (_GZIP_RATIO if path.endswith(".gz") else 1)


def make_folder(path: str) -> None:
    """Makes a folder and its parents where they are missing."""
    if not path:
        return
    if is_remote(path):
        _gfile().makedirs(path)
    else:
        os.makedirs(path, exist_ok=True)


def find(patterns: Sequence[str]) -> List[str]:
    """Returns the files that patterns name, sorted within each pattern, each file once.

    Raises:
        DataError: there is no pattern, or a pattern names no file.
    """
    if not patterns:
        raise DataError("no input file is named; expected paths or globs")
    found: List[str] = []
    for pattern in patterns:
        files = _matches(pattern)
        if not files:
            what = "is a folder" if os.path.isdir(pattern) else "no such file"
            raise DataError(f"{pattern}: {what}; expected the path or glob of an input file")
        found.extend(files)
    return list(dict.fromkeys(found))


def _matches(pattern: str) -> List[str]:
    if is_remote(pattern):
        return sorted(_gfile().glob(pattern))
    if os.path.isfile(pattern):  # a name may hold brackets
        return [pattern]
    return sorted(path for path in local_glob.glob(pattern) if os.path.isfile(path))


def same(path: str, other: str) -> bool:
    """True where two paths, written in whatever way, name one file."""
    if is_remote(path) or is_remote(other):
        return path == other
    return os.path.realpath(path) == os.path.realpath(other)


def open_binary(path: str) -> IO[bytes]:
    """Opens a file to read bytes; a name that ends in ``.gz`` is decompressed.

    Raises:
        DataError: there is no such file, or it is a folder.
    """
    if is_remote(path) and not exists(path):
        raise DataError(f"{path}: no such file")
    try:
        raw = _gfile().GFile(path, "rb") if is_remote(path) else open(path, "rb")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; expected a file") from None
    except PermissionError:
        raise DataError(f"{path}: may not be read by this user") from None
    return gzip.GzipFile(fileobj=raw) if path.endswith(".gz") else raw  # type: ignore[return-value]


def read_lines(path: str) -> Iterator[str]:
    """Yields the lines of a UTF-8 file without their line ends.

    Only ``\\n`` ends a line (``\\r\\n`` loses its ``\\r``): the other characters at which
    ``str.splitlines`` breaks are text. A byte order mark at the start is dropped.

    Raises:
        DataError: the file is missing, not UTF-8 (``path:line``), or a broken ``.gz``.
    """
    number = 0
    with open_binary(path) as stream:
        try:
            for number, raw in enumerate(stream, 1):
                if number == 1 and raw.startswith(b"\xef\xbb\xbf"):
                    raw = raw[3:]
                yield raw.rstrip(b"\r\n").decode("utf-8")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise DataError(
                f"{path}:{number}: byte 0x{byte:02x} at column {error.start + 1} is not UTF-8; "
                "expected UTF-8 text"
            ) from None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                f"{path}:{number + 1}: broken gzip data ({error}); expected a whole .gz file"
            ) from None


def read_bytes(path: str) -> bytes:
    """Returns a whole file."""
    with open_binary(path) as stream:
        return stream.read()


def sha256(path: str) -> str:
    """Returns the hexadecimal SHA-256 of a file's bytes."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


@contextlib.contextmanager
def atomic_path(path: str) -> Iterator[str]:
    """Gives a temporary path beside ``path`` that takes its name when the block ends well.

    Where the block raises, or the process is killed, ``path`` is as it was before.

    Raises:
        DataError: there is something of that name which is no file, or no name.
    """
    if is_remote(path):
        with _remote_atomic_path(path) as temporary:
            yield temporary
        return
    if not path or (os.path.exists(path) and not os.path.isfile(path)):
        what = "is no regular file" if path else "no name"
        raise DataError(f"{path}: {what}; expected the name of a file to write")
    path = os.path.realpath(path)  # a link stays a link
    folder = os.path.dirname(path) or "."
    make_folder(folder)
    handle, temporary = tempfile.mkstemp(
        dir=folder, prefix=f".{os.path.basename(path)}.", suffix=".tmp"
    )
    os.close(handle)
    os.chmod(temporary, 0o666 & ~_umask())
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


@contextlib.contextmanager
def _remote_atomic_path(path: str) -> Iterator[str]:
    gfile = _gfile()
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        yield temporary
        gfile.rename(temporary, path, overwrite=True)
    finally:
        if gfile.exists(temporary):
            gfile.remove(temporary)


def remove(path: str) -> None:
    """Removes a file if it is there."""
    if exists(path):
        remover = _gfile().remove if is_remote(path) else os.unlink
        remover(path)


def write_text(path: str, text: str) -> None:
    """Writes a UTF-8 file in one step: whole, or not at all."""
    with atomic_path(path) as temporary:
        opener = _gfile().GFile if is_remote(temporary) else io.FileIO
        with opener(temporary, "wb") as stream:
            stream.write(text.encode("utf-8"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
