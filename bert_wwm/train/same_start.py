"""Describes what the processes of a cluster must have in common when they start to train."""

import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError
from bert_wwm.core.json_files import read_object
from bert_wwm.core.shards import base_name, find_shards, manifest_path
from bert_wwm.model.checkpoint_path import resolve

# Machines may have their files at different places: the content is compared, not the path.
_RECORDS = ("input_file", "eval_input_file")
_PATHS = (*_RECORDS, "bert_config_file", "init_checkpoint", "output_dir", "vocab_file")
_HASH_DIGITS = 16


def describe_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Describes the flags of a pretraining, and the files that they name.

    Records are described by their names, sizes and manifests: to read them all takes too long, and
    copies on several machines have different dates. Checkpoints are described by their index, which
    holds a checksum of each variable. The descriptions are ready for JSON, by names that a message
    can show.
    """
    described = {f"--{name}": flags[name] for name in sorted(flags) if name not in _PATHS}
    for name in _RECORDS:
        described.update(_describe_records(f"--{name}", flags[name] or ()))
    for key, value in read_object(flags["bert_config_file"]).items():
        described[f"{key} of --bert_config_file"] = value
    if flags["vocab_file"]:
        described["the hash of --vocab_file"] = _hash(flags["vocab_file"])
    described["--init_checkpoint"] = describe_checkpoint(flags["init_checkpoint"])
    return described


def describe_code(program: str) -> dict[str, str]:
    """Describes the code that runs: the sources of a program and the package, and TensorFlow."""
    package = pathlib.Path(__file__).resolve().parent.parent
    digest = hashlib.sha256(pathlib.Path(program).read_bytes())
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode())
        digest.update(path.read_bytes())
    return {
        "the hash of the code": digest.hexdigest()[:_HASH_DIGITS],
        "TensorFlow's version": tf.__version__,
    }


def describe_checkpoint(path: str | None) -> str | None:
    """Describes a checkpoint by its name and the hash of its index. Returns None without one."""
    if not path:
        return None
    try:
        prefix = resolve(path)
    except CheckpointError:
        return "missing"  # --output_dir has a later one
    index = f"{prefix}.index"
    return f"{base_name(prefix)} {_hash(index) if files.exists(index) else ''}".strip()


def _describe_records(flag: str, patterns: Sequence[str]) -> dict[str, Any]:
    paths = find_shards(patterns) if patterns else []
    described: dict[str, Any] = {f"the number of files of {flag}": len(paths)}
    for number, path in enumerate(paths, 1):
        described[f"file {number} of {flag}"] = f"{base_name(path)} of {files.size(path):,} bytes"
    for number, place in enumerate(dict.fromkeys(map(manifest_path, paths)), 1):
        name = f"the hash of manifest {number} of {flag}"
        described[name] = _hash(place) if files.exists(place) else None
    return described


def _hash(path: str) -> str:
    return files.sha256(path)[:_HASH_DIGITS]
