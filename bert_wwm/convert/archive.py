"""Release archives: a zip of a checkpoint, its configuration and its vocabulary.

HFL's hold the three at the top or in a folder, named bert_model.ckpt.*, lert_model.ckpt.* or
chinese_macbert_base.ckpt.*, bert_config.json, bert_config_rbt3.json or macbert_base_config.json,
and vocab.txt.
"""

import contextlib
import errno
import fnmatch
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence

from bert_wwm.core import files, input_files, stand_ins
from bert_wwm.core.errors import DataError, naming
from bert_wwm.core.staging import temporary_folder

CHECKPOINT = ".index"  # the end of the name of one of its files
_MAC_FOLDER = "__MACOSX"
_LONGEST_NAME = 1024  # folders within each other are made by recursion
_COPY_BYTES = 1 << 20
# What zipfile raises for bytes that are none of a whole archive; RuntimeError: it is encrypted.
_READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
    OSError,
)
# Of OSError: a position before the beginning, a file in a file, a name that is too long.
_FAULTS = (errno.EINVAL, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)

# Without this mark zipfile decodes names as cp437; macOS writes UTF-8 nevertheless, Windows its own
# code page, GBK in China.
_NAME_IS_UTF_8 = 0x800
_UNMARKED_NAMES = ("utf-8", "gbk")

# The earliest time that the format has: the true one would change the bytes.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_PERMISSIONS = stat.S_IFREG | 0o644


@contextlib.contextmanager
def unpacked(zip_path: str) -> Iterator[str]:
    """Unpacks an archive into a temporary folder; errors of the block name the archive instead."""
    with temporary_folder() as folder:
        try:
            # zipfile writes plain files within the folder and nothing else, whatever the names and
            # kinds of the members, and reads no more of each than its header declares.
            with _opened(zip_path) as archive:
                _check_sizes(archive, zip_path)
                archive.extractall(folder, archive.infolist())
        except OSError as error:
            raise DataError(
                f"{zip_path}: can't be unpacked into {tempfile.gettempdir()} ({error.strerror}); "
                "the variable TMPDIR names another folder"
            ) from None
        with naming(zip_path, folder):
            yield folder


def names_in(path: str) -> list[str]:
    """Returns the names of the files in a folder or an archive, but for hidden and macOS's ones."""
    if os.path.isdir(path):
        names = [
            os.path.relpath(os.path.join(place, name), path)
            for place, _, here in os.walk(path)
            for name in here
        ]
    else:
        with _opened(path) as archive:
            names = [member.filename for member in archive.infolist() if not member.is_dir()]
    return sorted(
        name
        for name in names
        if not any(part == _MAC_FOLDER or part.startswith(".") for part in name.split("/"))
    )


def find_model(folder: str) -> tuple[str, str, str]:
    """Finds checkpoint prefix, configuration and vocabulary in an unpacked archive."""
    names = names_in(folder)
    index = _only(names, folder, "checkpoint", f"*{CHECKPOINT}")
    config = _only(names, folder, "configuration", "*config*.json")
    return index.removesuffix(CHECKPOINT), config, _only(names, folder, "vocabulary", "vocab.txt")


def write(zip_path: str, members: Mapping[str, str]) -> None:
    """Writes an archive of files by their names in it, the same bytes for the same files."""
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
            for member in archive.infolist():
                if not member.flag_bits & _NAME_IS_UTF_8:
                    member.filename = _decode_again(member.filename)
            yield archive
    except _READ_ERRORS as error:
        if isinstance(error, OSError) and error.errno not in _FAULTS:
            raise  # of the folder: a full disk
        reason = str(error) or type(error).__name__
        raise DataError(
            f"{zip_path}: broken archive ({reason}); expected a whole .zip file, not encrypted"
        ) from None


def _decode_again(name: str) -> str:
    """Returns a name that was decoded as cp437; unchanged if its bytes are in neither encoding."""
    for encoding in _UNMARKED_NAMES:
        with contextlib.suppress(UnicodeError):
            return name.encode("cp437").decode(encoding)
    return name


def _check_sizes(archive: zipfile.ZipFile, path: str) -> None:
    """Raises DataError for an archive that would fill the disk, or nest folders without an end."""
    packed, most = files.size(path), files.most_decompressed(files.size(path))
    size = sum(member.file_size for member in archive.infolist())
    if size > most:
        raise DataError(
            f"{path}: would unpack from {packed:,} to {size:,} bytes; expected at most {most:,}"
        )
    if any(len(member.filename) > _LONGEST_NAME for member in archive.infolist()):
        raise DataError(
            f"{path}: holds a name of more than {_LONGEST_NAME:,} characters; expected shorter ones"
        )


def _only(names: Sequence[str], folder: str, what: str, pattern: str) -> str:
    """Returns the path of the one file whose name, without its folder, matches a pattern."""
    found = [name for name in names if fnmatch.fnmatchcase(os.path.basename(name), pattern)]
    if len(found) != 1:
        fault = f"several {what} files ({', '.join(found)})" if found else f"no {what}"
        raise DataError(f"{folder}: {fault}; expected one {pattern}")
    return os.path.join(folder, found[0])
