"""The checkpoints of a training's folder: the newest that is whole, and the best."""

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError, ConfigError, DataError
from bert_wwm.core.json_files import read_json, write_json
from bert_wwm.core.shards import base_name
from bert_wwm.model.checkpoint import check_readable, read_variables, write_variables
from bert_wwm.model.checkpoint_path import find_newest, named_checkpoint
from bert_wwm.tasks.run_files import BEST

_INDEX = re.compile(r"(model\.ckpt-(\d+))\.index")
# What this module writes to the folder of the best, and the temporary names of all of it.
_FILE = re.compile(r"^\.?(model\.ckpt-\d+|best\.json|checkpoint)\.")
_TEMPORARY = ".tmp"  # the ending of files.atomic_path
# What TensorFlow writes first, before it gets its name.
_UNFINISHED = re.compile(
    r"model\.ckpt-\d+_temp|(checkpoint|graph\.pbtxt|model\.ckpt-\d+\.meta)\.tmp[0-9a-f]{32}"
)
_BROKEN = "broken"
_CHUNK_BYTES = 1 << 24


def newest_readable(output_dir: str, log: Callable[[str], None], repair: bool = True) -> str | None:
    """Returns the prefix of the newest checkpoint of a training that is whole; None without any.

    That is the one which the folder's ``checkpoint`` file names, or if that can't be read or names
    none of the folder's, the one of the highest step. All of it is read, so that its checksums are
    checked. Where it is broken, the whole one of the highest step takes its place: the
    ``checkpoint`` file names it from then on, and the broken ones are moved to
    ``output_dir/broken``, out of TensorFlow's sight. If all are broken, nothing is changed, nor
    without ``repair``, for machines that read what another one writes. The folder may be missing.

    Raises:
        CheckpointError: the folder has checkpoints, and all are broken.
        tf.errors.OpError: a bucket can't be reached.
    """
    state = os.path.join(output_dir, "checkpoint")
    names = list_checkpoints(output_dir)
    named = named_checkpoint(output_dir)
    if not names:
        if named is None and repair:
            files.remove(state)  # unreadable: TensorFlow would stumble over it
        return None
    newest = base_name(named) if named and base_name(named) in names else names[-1]
    if not _is_named(output_dir, newest):
        prefix = os.path.join(output_dir, newest)
        log(f"{state} names {named or 'no checkpoint'}; {prefix} is taken")
    broken: dict[str, str] = {}
    for name in [newest, *(name for name in reversed(names) if name != newest)]:
        prefix = os.path.join(output_dir, name)
        try:
            check_readable(prefix)
        except CheckpointError as error:
            with contextlib.suppress(tf.errors.NotFoundError):
                _read_bytes(output_dir, name)
            if not files.exists(f"{prefix}.index"):  # another process trains there
                return newest_readable(output_dir, log, repair)
            broken[name] = str(error)
            continue
        if repair:
            if not _is_named(output_dir, name):
                _write_state(output_dir, name, [n for n in names if n != name and n not in broken])
            aside = os.path.join(output_dir, _BROKEN)
            for other, reason in broken.items():
                _move(output_dir, other, aside)
                log(f"{reason}; moved to {aside}, and {prefix} is taken instead")
        return prefix
    raise CheckpointError(
        f"{output_dir}: no checkpoint can be read; expected a whole one, or a folder without: "
        f"{'; '.join(broken.values())}"
    )


def find_weights(folder: str, log: Callable[[str], None], repair: bool = True) -> str | None:
    """Returns the prefix of the best weights of a run, or else what ``newest_readable`` does."""
    return find_newest(f"{folder}/{BEST}") or newest_readable(folder, log, repair)


def remove_leftovers(output_dir: str) -> None:
    """Removes what TensorFlow was writing when an earlier training was killed.

    This process has locked the folder. Those in buckets, which can't be locked, stay as they are.
    """
    if files.is_remote(output_dir) or not tf.gfile.IsDirectory(output_dir):
        return
    for name in filter(_UNFINISHED.fullmatch, tf.gfile.ListDirectory(output_dir)):
        tf.gfile.DeleteRecursively(os.path.join(output_dir, name))


class BestCheckpoint:
    """Keeps the weights of the checkpoint that is best by a metric, in ``output_dir/best``.

    The folder holds them as a checkpoint of the same name with ``global_step``, a ``checkpoint``
    file, so that the folder can be given wherever a checkpoint is expected, and ``best.json``:
    metric, value, step, all results, which are also the attribute ``best``. A process that is
    killed leaves the former best or the new one, never half of one, and the next one compares with
    it. Of metrics that end in ``loss`` the lowest is best, of all others the highest.
    """

    def __init__(self, output_dir: str, metric: str, log: Callable[[str], None]):
        self.folder = os.path.join(output_dir, BEST)
        self._metric = metric
        self._log = log
        self.best: dict[str, Any] | None = self._load()
        if self.best:
            self._finish(self.best["checkpoint"])

    def update(self, results: dict[str, float], checkpoint: str) -> bool:
        """Keeps a checkpoint, ``.../model.ckpt-STEP``, if it is better than all before.

        Returns whether it is; a value that isn't finite never is.
        """
        value = float(_pick(results, self._metric))
        if not math.isfinite(value) or not self._is_better(value):
            return False
        name = base_name(checkpoint)
        former = self.best
        if former and former["checkpoint"] == name:
            # New files take the names of the best's own; without an index these are none.
            files.remove(os.path.join(self.folder, f"{name}.index"))
        step = _copy_weights(checkpoint, self.folder)
        self.best = {
            "metric": self._metric,
            "value": value,
            "step": step,
            "checkpoint": name,
            "results": {  # JSON has no NaN
                key: float(results[key]) if math.isfinite(results[key]) else None
                for key in sorted(results)
            },
        }
        write_json(os.path.join(self.folder, "best.json"), self.best)  # from here on it is the best
        self._finish(name)
        before = f", before {former['results'][self._metric]:.4f}" if former else ""
        self._log(
            f"Best {self._metric} so far: {value:.4f} at step {step:,}{before}; "
            f"kept in {self.folder}"
        )
        return True

    def _is_better(self, value: float) -> bool:
        if self.best is None:
            return True
        best = self.best["results"][self._metric]
        return value < best if self._metric.endswith("loss") else value > best

    def _load(self) -> dict[str, Any] | None:
        """Reads ``best.json``; returns None if there is none, or its checkpoint is gone."""
        path = os.path.join(self.folder, "best.json")
        if not files.exists(path):
            return None
        try:
            best = read_json(path)
            known = best["checkpoint"] in list_checkpoints(self.folder)
            results = best["results"].items()  # an AttributeError where there is no object
            if not all(isinstance(value, (int, float, type(None))) for _, value in results):
                raise TypeError
            value = _pick(best["results"], self._metric)
        except (DataError, AttributeError, KeyError, TypeError):
            raise CheckpointError(
                f"{path}: not what an evaluation wrote; expected the best so far, or no such file"
            ) from None
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
        return best if known and value is not None else None

    def _finish(self, name: str) -> None:
        """Lets the ``checkpoint`` file name the best, and removes what else was there."""
        if not _is_named(self.folder, name):
            _write_state(self.folder, name, [])
        # Indexes first: without its index, a checkpoint is none for those that read there.
        there = tf.gfile.ListDirectory(self.folder)
        for file in sorted(there, key=lambda file: not file.endswith(".index")):
            its_own = file.startswith(f"{name}.") and not file.endswith(_TEMPORARY)
            if _FILE.match(file) and not its_own:
                files.remove(os.path.join(self.folder, file))


def _pick(results: dict[str, Any], metric: str) -> Any:
    if metric not in results:
        known = sorted(set(results) - {"global_step"})
        raise ConfigError(f"unknown metric {metric!r}; known: {', '.join(known)}")
    return results[metric]


def list_checkpoints(folder: str) -> list[str]:
    """Returns the names of a folder's checkpoints, the lowest step first."""
    return checkpoints_among(tf.gfile.ListDirectory(folder)) if tf.gfile.IsDirectory(folder) else []


def checkpoints_among(names: Iterable[str]) -> list[str]:
    """Returns the names of the checkpoints that some files are of, the lowest step first."""
    found = filter(None, map(_INDEX.fullmatch, names))
    return [match[1] for match in sorted(found, key=lambda match: int(match[2]))]


def _is_named(folder: str, name: str) -> bool:
    named = named_checkpoint(folder)
    return named is not None and files.same(named, os.path.join(folder, name))


def _write_state(folder: str, name: str, others: list[str]) -> None:
    """Writes the ``checkpoint`` file, with names that stay right when the folder moves."""
    names = [*others, name]
    lines = [f'model_checkpoint_path: "{name}"\n']
    lines.extend(f'all_model_checkpoint_paths: "{other}"\n' for other in names)
    files.write_text(os.path.join(folder, "checkpoint"), "".join(lines))


def _list_files(folder: str, name: str) -> list[str]:
    """Returns the names of a checkpoint's files, the index, without which it is none, last."""
    found = [
        file
        for file in tf.gfile.ListDirectory(folder)
        if file.startswith(f"{name}.") and not file.endswith(_TEMPORARY)
    ]
    return sorted(found, key=lambda file: (file.endswith(".index"), file))


def _read_bytes(folder: str, name: str) -> None:
    """Reads a checkpoint's files: a bucket that can't be reached raises here, a broken file not."""
    for file in _list_files(folder, name):
        with tf.gfile.GFile(os.path.join(folder, file), "rb") as stream:
            while stream.read(_CHUNK_BYTES):
                pass


def _move(folder: str, name: str, to: str) -> None:
    """Moves a checkpoint's files to another folder, the index first."""
    files.make_folder(to)
    for file in reversed(_list_files(folder, name)):
        tf.gfile.Rename(os.path.join(folder, file), os.path.join(to, file), overwrite=True)


def _copy_weights(checkpoint: str, folder: str) -> int:
    """Copies a checkpoint but for the optimizer's state, two thirds of it; returns its step."""
    if not files.exists(f"{checkpoint}.index"):
        raise CheckpointError(f"{checkpoint}: no such checkpoint")
    weights = read_variables(checkpoint, optimizer_state=False)
    name = base_name(checkpoint)
    files.make_folder(folder)
    step = int(name.rpartition("-")[2])
    weights["global_step"] = np.array(step, np.int64)
    write_variables(os.path.join(folder, name), weights)
    return step
