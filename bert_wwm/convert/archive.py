"""Release archives: a zip of a checkpoint, its configuration and its vocabulary.

HFL's hold the three at the top or in a folder, named bert_model.ckpt.*, lert_model.ckpt.* or
chinese_macbert_base.ckpt.*, bert_config.json, bert_config_rbt3.json or macbert_base_config.json,
and vocab.txt.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping

from bert_wwm.core import files, folders, input_files, stand_ins
from bert_wwm.core.errors import DataError, naming
from bert_wwm.core.staging import temporary_folder

# What members say of their sizes is believed up to this; weights are hardly compressible.
_MAX_RATIO = 100
_LONGEST_NAME = 1024  # folders within each other are made by recursion
_SMALL_BYTES = 64 << 20  # that little may be compressed to any ratio
_COPY_BYTES = 1 << 20
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DRIVE = re.compile(r"^[A-Za-z]:")
# What zipfile raises for bytes that are none of a whole archive.
_READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    ValueError,
    OverflowError,
    struct.error,
    OSError,  # a position before the beginning
)

# The earliest time that the format can tell: the true one would change the bytes.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_PERMISSIONS = stat.S_IFREG | 0o644

CHECKPOINT = ".index"
_CONFIG = re.compile(r".*config.*\.json$")
_VOCABULARY = "vocab.txt"
MAC_FOLDER = "__MACOSX"


def extract(zip_path: str, folder: str) -> None:
    """Unpacks an archive into a folder: all of it, or nothing.

    Args:
        zip_path: the archive.
        folder: where to; it is new, or empty.

    Raises:
        DataError: the archive is missing, broken, encrypted, or has members that reach out of the
            folder, are no files, or are far larger than the archive; it stands for another file;
            or the folder holds files.
    """
    if os.path.isdir(folder) and os.listdir(folder):
        raise DataError(f"{folder}: holds files; expected a new or empty folder")
    with folders.replaced(folder) as temporary, _opened(zip_path) as archive:
        members = archive.infolist()
        _check(members, zip_path, files.size(zip_path))
        for member in members:
            _extract_member(archive, member, temporary, zip_path)


@contextlib.contextmanager
def unpacked(zip_path: str) -> Iterator[str]:
    """Unpacks an archive into a temporary folder; errors of the block name the archive instead.

    Raises:
        DataError: see ``extract``; or there is no room for the folder.
    """
    with temporary_folder() as temporary:
        folder = os.path.join(temporary, "model")
        try:
            extract(zip_path, folder)
        except OSError as error:
            raise DataError(
                f"{zip_path}: can't be unpacked into {tempfile.gettempdir()} ({error.strerror}); "
                "the variable TMPDIR names another folder"
            ) from None
        with naming(zip_path, folder):
            yield folder


def names_in(zip_path: str) -> list[str]:
    """Returns the names of an archive's files. Raises DataError as ``extract`` does."""
    with _opened(zip_path) as archive:
        return [member.filename for member in archive.infolist() if not member.is_dir()]


def find_model(folder: str) -> tuple[str, str, str]:
    """Finds the model in an unpacked archive, wherever in it, and whatever the names.

    Returns:
        The prefix of its checkpoint, its configuration and its vocabulary.

    Raises:
        DataError: one of them is missing, or there are several.
    """
    index = _only(folder, "checkpoint", "*.ckpt.index", lambda name: name.endswith(CHECKPOINT))
    config = _only(folder, "configuration", "*config*.json", _CONFIG.match)
    vocabulary = _only(folder, "vocabulary", _VOCABULARY, lambda name: name == _VOCABULARY)
    return index[: -len(CHECKPOINT)], config, vocabulary


def write(zip_path: str, members: Mapping[str, str]) -> None:
    """Writes an archive, the same bytes for the same files: in one step, whole or not at all.

    Args:
        zip_path: the archive.
        members: the path of each file by its name in the archive.

    Raises:
        DataError: a file is missing or has changed, or the archive can't have that name.
    """
    with files.atomic_path(zip_path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(members):
            member = zipfile.ZipInfo(name, _TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = _UNIX
            member.external_attr = _PERMISSIONS << 16
            with files.open_raw(members[name]) as source:
                member.file_size = files.size(members[name])  # by it ZIP64 is chosen
                with archive.open(member, "w") as target:
                    shutil.copyfileobj(source, target, _COPY_BYTES)
        input_files.check_unchanged()


@contextlib.contextmanager
def _opened(zip_path: str) -> Iterator[zipfile.ZipFile]:
    """Opens an archive; raises DataError for all that zipfile raises of a broken one."""
    stand_ins.refuse(zip_path)
    try:
        with files.open_raw(zip_path) as stream, zipfile.ZipFile(stream) as archive:
            yield archive
    except _READ_ERRORS as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # of the folder: a full disk
        reason = str(error) or type(error).__name__
        raise DataError(
            f"{zip_path}: broken archive ({reason}); expected a whole .zip file"
        ) from None


def _check(members: list[zipfile.ZipInfo], path: str, archive_bytes: int) -> None:
    """Raises DataError for an archive that is not safe to unpack."""
    for member in members:
        _refuse(member, _wrong_name(member.orig_filename) or _wrong_kind(member), path)
    counts = Counter(member.filename.rstrip("/") for member in members)
    plain = {member.filename for member in members if not member.is_dir()}
    for member in members:
        name = member.filename.rstrip("/")
        _refuse(member, "stands there twice" if counts[name] > 1 else "", path)
        _refuse(member, "" if plain.isdisjoint(_parents(name)) else "lies in a file", path)
    size = sum(member.file_size for member in members)
    if size > max(_SMALL_BYTES, _MAX_RATIO * archive_bytes):
        raise DataError(
            f"{path}: would unpack from {archive_bytes:,} to {size:,} bytes; expected at most "
            f"{_MAX_RATIO} times as many"
        )


def _refuse(member: zipfile.ZipInfo, reason: str, path: str) -> None:
    """Raises DataError where there is a reason to."""
    if reason:
        raise DataError(
            f"{path}: {member.orig_filename!r} {reason}; expected plain files, each once"
        )


def _parents(name: str) -> Iterator[str]:
    """Yields the folders that a member lies in."""
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _wrong_name(name: str) -> str:
    """Says why a member's name may not be used as a path; empty if it may."""
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        return "is an absolute path"
    if len(name) > _LONGEST_NAME:
        return f"has a name of more than {_LONGEST_NAME:,} characters"
    parts = re.split(r"[/\\]", name)
    if ".." in parts:
        return "leads out of the folder"
    if "\\" in name or "\0" in name or not {"", "."}.isdisjoint(parts[:-1]) or parts == [""]:
        return "is no proper path"
    return ""


def _wrong_kind(member: zipfile.ZipInfo) -> str:
    """Says why a member is not to be unpacked; empty if it is."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link" if kind == stat.S_IFLNK else "is no file"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if member.compress_type not in _METHODS:
        return f"is compressed by method {member.compress_type}, which can't be read"
    return ""


def _extract_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: str, path: str
) -> None:
    target = os.path.join(folder, member.filename)
    if member.is_dir():
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with archive.open(member) as source, open(target, "xb") as stream:
        # zipfile reads no more than the header tells.
        shutil.copyfileobj(source, stream, _COPY_BYTES)
        size = stream.tell()
    if size != member.file_size:
        raise DataError(
            f"{path}: {member.filename!r} has not the {member.file_size:,} bytes that its header "
            "tells; expected a whole .zip file"
        )


def _only(folder: str, what: str, pattern: str, matches) -> str:
    """Returns the one file of a folder whose name matches."""
    found = []
    for place, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if name != MAC_FOLDER and not name.startswith("."))
        found += [
            os.path.join(place, name)
            for name in sorted(names)
            if not name.startswith(".") and matches(name)
        ]
    if len(found) != 1:
        names_found = ", ".join(os.path.relpath(path, folder) for path in found)
        raise DataError(
            f"{folder}: {f'several {what} files ({names_found})' if found else f'no {what}'}; "
            f"expected one {pattern}"
        )
    return found[0]
