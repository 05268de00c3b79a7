"""Files that stand for others: Git LFS pointers, and pages that failed downloads leave."""

from bert_wwm.core import files
from bert_wwm.core.errors import DataError, ToolkitError

_BEGIN_BYTES = 256
_POINTER = b"version https://git-lfs.github.com/spec/"
_PAGES = (b"<!doctype html", b"<html", b"<?xml")


def refuse(path: str, error: type[ToolkitError] = DataError) -> None:
    """Raises an error for a Git LFS pointer or a web page in place of a model's file."""
    with files.open_raw(path) as stream:
        begin = stream.read(_BEGIN_BYTES).removeprefix(files.BYTE_ORDER_MARK)
    if begin.startswith(_POINTER):
        raise error(
            f"{path}: a Git LFS pointer, which stands for the file; expected the file itself: run "
            "`git lfs pull` in its repository, or download the file by itself"
        )
    if begin.lstrip().lower().startswith(_PAGES):
        raise error(
            f"{path}: a web page or a server's message (HTML or XML), which a failed download "
            "leaves; expected the file itself: download it again"
        )
