"""The folder of a run of several steps that may be interrupted, and goes on with the same flags."""

import contextlib
import os
import shutil
from collections.abc import Mapping
from typing import Any

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import read_object, write_json
from bert_wwm.core.lock import locked
from bert_wwm.core.same_run import check_same_run

_SETTINGS = "settings.json"


class RunFolder:
    """Locks a folder and compares it with the run; use it as a context.

    Args:
        path: the folder.
        settings: what the outcome hangs on, ready for JSON.
        overwrite: begin anew: remove what an earlier run left there.

    Raises:
        ConfigError: another process is at work there, or it was begun with other settings, or is
            of something else.
        DataError: the file of its settings is broken.
    """

    def __init__(self, path: str, settings: Mapping[str, Any], overwrite: bool):
        self.path = path
        self._settings = settings
        self._overwrite = overwrite
        self._descriptor = -1

    def __enter__(self) -> "RunFolder":
        with contextlib.ExitStack() as stack:
            self._descriptor = stack.enter_context(locked(self.path))
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def __call__(self, *names: str) -> str:
        """Returns the path of a file in the folder."""
        return os.path.join(self.path, *names)

    def fileno(self) -> int:
        """The lock's descriptor: programs that inherit it hold the lock as long as they run."""
        return self._descriptor

    def _begin(self) -> None:
        is_ours = os.path.exists(self(_SETTINGS))
        if not is_ours and any(not name.startswith(".") for name in os.listdir(self.path)):
            raise ConfigError(
                f"{self.path}: holds files of something else; expected a new or empty folder"
            )
        if is_ours and self._overwrite:
            self._empty()
        if not os.path.exists(self(_SETTINGS)):
            write_json(self(_SETTINGS), self._settings)
        try:
            earlier = read_object(self(_SETTINGS))
        except DataError as error:
            raise DataError(f"{error}; --overwrite begins again") from None
        otherwise = "another folder, or --overwrite, which begins again"
        check_same_run(earlier, self._settings, self.path, otherwise)

    def _empty(self) -> None:
        for name in set(os.listdir(self.path)) - {_SETTINGS}:
            path = self(name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.remove(path)
        os.remove(self(_SETTINGS))  # last: without it the folder would be none of ours
