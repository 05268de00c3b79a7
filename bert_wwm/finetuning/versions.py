"""Numbered folders, such as TensorFlow Serving's, which readers see whole or not at all."""

import contextlib
import errno
import os
from collections.abc import Iterator

from bert_wwm.core.input_files import check_unchanged
from bert_wwm.core.staging import temporary_folder


@contextlib.contextmanager
def unpublished(parent: str) -> Iterator[str]:
    """Gives an empty hidden folder among the versions, for ``publish``; removed if that fails.

    TensorFlow Serving ignores what has no number for its name.
    """
    is_new = not os.path.exists(parent)
    try:
        with temporary_folder(parent, "version") as folder:
            yield folder
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # there is a version
                os.rmdir(parent)


def publish(folder: str) -> str:
    """Gives a folder among the versions the number behind their highest; returns its new path."""
    check_unchanged()
    parent = os.path.dirname(folder)
    while True:
        numbers = [int(name) for name in os.listdir(parent) if name.isdecimal()]
        version = os.path.join(parent, str(max(numbers, default=0) + 1))
        try:
            os.rename(folder, version)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise  # those mean that another process has just taken the number
        else:
            return version
