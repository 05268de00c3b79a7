"""Checks of the folder that a training writes to, and of the weights that it starts from."""

import re

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError
from bert_wwm.model.checkpoint_path import named_checkpoint, resolve

_OWN_INDEX = re.compile(r"(model\.ckpt-(\d+))\.index")
_OTHER_INDEX = re.compile(r"(.+)\.index")
_OTHER_FORMAT = re.compile(r".+\.(safetensors|h5|pdparams)|pytorch_model.*\.bin")
_TASK_HEAD = re.compile(r"output_(weights|bias)$|cls/(squad|answer_type)/")
_NEW_FOLDER = "expected a new folder as --output_dir, and"


def check_start(output_dir: str, init_checkpoint: str | None, for_task: bool) -> None:
    """Checks where weights go and where they come from, before any data is read.

    Raises:
        CheckpointError: as ``check_output_dir``, or ``init_checkpoint`` is missing, which is needed
            unless the folder has a checkpoint of its own.
    """
    check_output_dir(output_dir, for_task)
    if init_checkpoint and not tf.train.latest_checkpoint(output_dir):
        resolve(init_checkpoint)


def check_output_dir(output_dir: str, for_task: bool) -> None:
    """Refuses a released model's folder, and the folder of another kind of training.

    Args:
        output_dir: local or in a bucket; it may be missing.
        for_task: whether it is for fine-tuning, rather than pretraining.

    Raises:
        CheckpointError: the folder holds other weights. The message says how to start from them.
    """
    folder = output_dir.rstrip("/") or output_dir
    names = sorted(tf.gfile.ListDirectory(folder)) if tf.gfile.IsDirectory(folder) else []
    own = {int(match[2]): match[1] for match in map(_OWN_INDEX.fullmatch, names) if match}
    for name in names:
        index = _OTHER_INDEX.fullmatch(name)
        if index and not _OWN_INDEX.fullmatch(name):
            raise _other_weights(f"{folder}/{index[1]}")
        if _OTHER_FORMAT.fullmatch(name):
            raise CheckpointError(
                f"{folder}/{name}: weights of another program; {_NEW_FOLDER} --init_checkpoint "
                "with what convert_checkpoint.py to_tf makes of these"
            )
    named = named_checkpoint(folder) if names else None
    if named and not own and files.exists(f"{named}.index"):
        raise CheckpointError(
            f"{folder}/checkpoint: names {named}, which is in another folder; {_NEW_FOLDER} "
            f"--init_checkpoint={named} to start from it"
        )
    if own:
        _check_variables(f"{folder}/{own[max(own)]}", for_task)


def _check_variables(prefix: str, for_task: bool) -> None:
    try:
        variables = [name for name, _ in tf.train.list_variables(prefix)]
    except (tf.errors.OpError, ValueError, IndexError):
        return  # broken: the training takes the one before it
    has_task = any(map(_TASK_HEAD.match, variables))
    if "global_step" not in variables or has_task != for_task:
        raise _other_weights(prefix)


def _other_weights(prefix: str) -> CheckpointError:
    return CheckpointError(
        f"{prefix}: weights of another program; {_NEW_FOLDER} --init_checkpoint={prefix} to start "
        "from them"
    )
