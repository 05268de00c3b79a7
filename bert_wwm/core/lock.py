"""A lock on a folder: one process at a time writes there."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Locks a local folder while the block runs; it ends with the process, however that ends.

    The folder is made if need be, and removed again if it is empty at the end. Folders in buckets
    have no locks.

    Raises:
        ConfigError: another process has locked it.
    """
    if files.is_remote(folder):
        yield
        return
    with contextlib.closing(_Lock(folder)):
        yield


class _Lock:
    def __init__(self, folder: str):
        self._folder = folder
        while True:
            files.make_folder(folder)
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._descriptor)
                raise ConfigError(
                    f"{folder}: another process is writing there; wait for its end, or choose "
                    "another folder"
                ) from None
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(folder), os.fstat(self._descriptor)):
                    return
            os.close(self._descriptor)  # another process has just removed it

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.rmdir(self._folder)
        os.close(self._descriptor)
