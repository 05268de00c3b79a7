"""The folder of a run of several steps that may be interrupted, and goes on with the same flags."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import read_object, write_json
from bert_wwm.core.lock import locked
from bert_wwm.core.same_run import check_same_run

_SETTINGS = "settings.json"


class RunFolder(NamedTuple):
    """A locked folder. ``folder("text", "a.txt")`` is the path of a file in it."""

    path: str
    lock: int  # a descriptor: programs that inherit it hold the lock as long as they run

    def __call__(self, *names: str) -> str:
        return os.path.join(self.path, *names)


@contextlib.contextmanager
def open_run_folder(path: str, settings: Mapping[str, Any], overwrite: bool) -> Iterator[RunFolder]:
    """Locks a folder, and compares it with all that the outcome depends on, ready for JSON.

    With ``overwrite``, what an earlier run left there is removed.
    """
    with locked(path) as lock:
        place = os.path.join(path, _SETTINGS)
        is_ours = os.path.exists(place)
        if not is_ours and any(not name.startswith(".") for name in os.listdir(path)):
            raise ConfigError(
                f"{path}: holds files of something else; expected a new or empty folder"
            )
        if is_ours and overwrite:
            _empty(path)
        if not os.path.exists(place):
            write_json(place, settings)
        try:
            earlier = read_object(place)
        except DataError as error:
            raise DataError(f"{error}; --overwrite begins again") from None
        otherwise = "another folder, or --overwrite, which begins again"
        check_same_run(earlier, settings, path, otherwise)
        yield RunFolder(path, lock)


def _empty(folder: str) -> None:
    others = set(os.listdir(folder)) - {_SETTINGS}
    for name in [*others, _SETTINGS]:  # last: without it the folder would be none of ours
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)
