"""Which folder an output may take the place of."""

import os
from collections.abc import Callable

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError


def check(path: str, overwrite: bool, is_ours: Callable[[str], bool]) -> None:
    """Refuses a folder that can't be written, or holds what must not be lost.

    Args:
        path: the folder.
        overwrite: whether it may hold an earlier output.
        is_ours: whether a file of some name is one of an output.

    Raises:
        ConfigError: it is in a bucket, no folder, not empty, or holds other files.
    """
    if files.is_remote(path):
        raise ConfigError(f"--output_dir={path}: expected a folder of this machine")
    if os.path.lexists(path) and not os.path.isdir(path):
        raise ConfigError(f"--output_dir={path}: is no folder")
    held = sorted(os.listdir(path)) if os.path.isdir(path) else []
    if held and not overwrite:
        raise ConfigError(
            f"--output_dir={path}: is not empty; expected a new folder, or --overwrite"
        )
    others = [name for name in held if not is_ours(name)]
    if others:
        raise ConfigError(
            f"--output_dir={path}: holds {others[0]}, which --overwrite would delete; expected "
            "nothing but the files of a model"
        )
