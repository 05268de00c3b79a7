"""Finds the checkpoint that a path means."""

import re
from collections.abc import Callable
from typing import TypeVar

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError
from bert_wwm.tasks.run_files import BEST

FILE_OF_CHECKPOINT = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")
_INDEX = ".index"
_MOST_CHECKPOINTS = 10  # that are tried in a folder where a process trains

Prefix = TypeVar("Prefix")
Result = TypeVar("Result")


def resolve(path: str) -> str:
    """Returns the prefix of a checkpoint, given by its prefix or by its folder.

    In a folder it is, in this order:

    - the best checkpoint of a run, in the folder ``best``;
    - the one that the file ``checkpoint`` names, if it is in this folder or at the named place;
    - the only one in the folder, as in a release, or where ``checkpoint`` names a path of another
      machine.

    Raises:
        CheckpointError: there is none, or the folder has several; the path is one of a checkpoint's
            files; or TensorFlow can't read checkpoints at such a path.
    """
    if files.is_pattern(path):
        raise CheckpointError(f"{path}: {files.PATTERN_REFUSED}")
    if FILE_OF_CHECKPOINT.search(path):
        raise CheckpointError(
            f"{path}: one of the files of a checkpoint; expected their common prefix, such as "
            "folder/bert_model.ckpt"
        )
    # TensorFlow mistakes some prefixes in buckets for folders.
    if files.exists(path + _INDEX):
        return path
    if not tf.gfile.IsDirectory(path):
        if files.exists(path):  # of TensorFlow's first format, a single file
            return path
        raise CheckpointError(f"{path}: no such checkpoint")
    folder = path.rstrip("/") or path
    prefix = find_newest(f"{folder}/{BEST}") or find_newest(folder)
    if prefix is None:
        runs = [run for run in sorted(tf.gfile.ListDirectory(folder)) if _has_best(folder, run)]
        expected = f"; expected one of its runs, such as {folder}/{runs[0]}" if runs else ""
        raise CheckpointError(f"{path}: no checkpoint in this folder{expected}")
    return prefix


def named_checkpoint(folder: str) -> str | None:
    """Returns the prefix that a folder's file ``checkpoint`` names; None if it names none."""
    try:
        state = tf.train.get_checkpoint_state(folder)
    except ValueError:  # empty, or not text
        return None
    path = state.model_checkpoint_path if state else ""
    return path if path and "\0" not in path else None  # an edited one may hold anything


def read_newest(
    find: Callable[[], Prefix], read: Callable[[Prefix], Result], log: Callable[[str], None] = print
) -> Result:
    """Reads a checkpoint of a folder in which another process may train, and remove old ones.

    ``read`` is called again, for the next checkpoint, if it fails and ``find`` returns another
    prefix by then.
    """
    prefix = find()
    for _ in range(_MOST_CHECKPOINTS):
        try:
            return read(prefix)
        except (CheckpointError, tf.errors.NotFoundError, ValueError):  # the last is the Saver's
            newer = find()
            if newer == prefix:
                raise
            log(f"{prefix} could not be read; {newer} has taken its place, and is read instead")
            prefix = newer
    raise CheckpointError(
        f"{prefix}: the {_MOST_CHECKPOINTS} checkpoints before it were removed before they were "
        "read; expected a training with a higher --keep_checkpoint_max or --save_checkpoints_steps"
    )


def find_newest(folder: str) -> str | None:
    """Returns the prefix of a folder's checkpoint, ``best`` aside; None without one."""
    if not tf.gfile.IsDirectory(folder):
        return None
    named = named_checkpoint(folder)
    prefixes = _prefixes_in(folder)
    if named:
        own = prefixes.get(named.rpartition("/")[2])
        if own or files.exists(named + _INDEX):
            return own or named
        if named_checkpoint(folder) != named:  # another process trains there
            return find_newest(folder)
    if len(prefixes) > 1:
        raise CheckpointError(
            f"{folder}: holds several checkpoints ({', '.join(prefixes)}), and no file `checkpoint`"
            " names one of them; expected the prefix of one"
        )
    return next(iter(prefixes.values()), None)


def _prefixes_in(folder: str) -> dict[str, str]:
    """Returns the prefixes of a folder's checkpoints, by their names."""
    names: list[str] = sorted(tf.gfile.ListDirectory(folder))
    found = [name[: -len(_INDEX)] for name in names if name.endswith(_INDEX)]
    return {name: f"{folder}/{name}" for name in found}


def _has_best(folder: str, run: str) -> bool:
    return files.exists(f"{folder}/{run.rstrip('/')}/{BEST}/checkpoint")
