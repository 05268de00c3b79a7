"""What a checkpoint gives a model: all of it by name, and nothing in silence."""

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Dict, Iterable, List, Sequence, Tuple

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError

# Variables of the training that wrote a checkpoint; no model takes them over. LAMB and AdamW write
# the first two endings, TensorFlow's own Adam the third and the two counters.
_OPTIMIZER_STATE = re.compile(
    r"(/(adam|lamb)_[mv]|/Adam(_1)?|(^|/)beta[12]_power|^global_step)(_\d+)?$"
)
_FILE_OF_CHECKPOINT = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")
# The reader turns some of TensorFlow's errors into Python's: a file cut short is an IndexError.
_READ_ERRORS = (tf.errors.OpError, IndexError, ValueError)
_LAYER = re.compile(r"^(.*/layer_\d+)/")


@dataclass(frozen=True)
class RestorePlan:
    """Which variables of a model start from a checkpoint.

    Attributes:
        checkpoint: prefix of the checkpoint's files.
        restored: names that both have, in the order of the model.
        initialized: names only the model has; they start from their initialisers.
        unused: names only the checkpoint has, sorted, without the optimizer's.
        optimizer_state: the optimizer's slots and the global step in the checkpoint, sorted.
    """

    checkpoint: str
    restored: Tuple[str, ...]
    initialized: Tuple[str, ...]
    unused: Tuple[str, ...]
    optimizer_state: Tuple[str, ...]

    def apply(self) -> None:
        """Makes the restored variables start from the checkpoint.

        To be called in the graph of the model, before the variables are initialised.
        """
        tf.train.init_from_checkpoint(self.checkpoint, {name: name for name in self.restored})

    def report(self) -> str:
        """Returns a table for the log: how many variables, and which, layers in one line each."""
        rows = [
            ("from the checkpoint", self.restored),
            ("from initialisers", self.initialized),
            ("left in the checkpoint", self.unused),
        ]
        lines = [f"Initial weights from {self.checkpoint}"]
        for title, names in rows:
            lines.append(f"  {title:<24}{len(names):>6}")
            lines.extend(f"    {line}" for line in _by_layer(names))
        lines.append(f"  {'optimizer state, unused':<24}{len(self.optimizer_state):>6}")
        return "\n".join(lines)


def plan_restore(
    variables: Sequence[tf.Variable], init_checkpoint: str, encoder_scope: str = "bert"
) -> RestorePlan:
    """Compares a model with the checkpoint it is to start from, and reads what it will restore.

    A checkpoint may hold more than the model: further layers, other heads. It may lack the model's
    heads, but no variable of its encoder.

    Args:
        variables: the model's variables, as ``tf.trainable_variables()``.
        init_checkpoint: prefix of a checkpoint's files, or a folder with a ``checkpoint`` file.
        encoder_scope: scope of the variables that the checkpoint must hold.

    Raises:
        CheckpointError: the checkpoint is missing or broken, a shape differs, or the checkpoint
            lacks a variable of the encoder.
    """
    prefix = _resolve(init_checkpoint)
    reader = _open(prefix)
    stored: Dict[str, List[int]] = reader.get_variable_to_shape_map()
    wanted = OrderedDict((_name(variable), variable.shape.as_list()) for variable in variables)

    restored = tuple(name for name in wanted if name in stored)
    differing = [
        f"{name} is {wanted[name]} in the model and {stored[name]} in the checkpoint"
        for name in restored
        if wanted[name] != stored[name]
    ]
    if differing:
        raise CheckpointError(f"{prefix} does not fit the model: {'; '.join(differing)}")
    initialized = tuple(name for name in wanted if name not in stored)
    missing = [name for name in initialized if name.startswith(f"{encoder_scope}/")]
    if missing:
        raise CheckpointError(
            f"{prefix} lacks {len(missing)} variables of the encoder, which would stay random: "
            f"{', '.join(_by_layer(missing))}"
        )
    _read_all(reader, prefix, restored)

    left = sorted(set(stored) - set(wanted))
    return RestorePlan(
        checkpoint=prefix,
        restored=restored,
        initialized=initialized,
        unused=tuple(name for name in left if not _OPTIMIZER_STATE.search(name)),
        optimizer_state=tuple(name for name in left if _OPTIMIZER_STATE.search(name)),
    )


def get_assignment_map_from_checkpoint(
    tvars: Iterable[tf.Variable], init_checkpoint: str
) -> Tuple[Dict[str, str], Dict[str, int]]:
    """google-research/bert's way in: the variables that a checkpoint and a model share.

    Unlike ``plan_restore`` it compares names alone, and stays silent on what is missing.

    Args:
        tvars: the model's variables.
        init_checkpoint: prefix of a checkpoint's files, or a folder with a ``checkpoint`` file.

    Returns:
        The map for ``tf.train.init_from_checkpoint``, each name to itself; and a dictionary whose
        keys are these names with and without ``:0``.

    Raises:
        CheckpointError: the checkpoint is missing or broken.
    """
    stored = _open(_resolve(init_checkpoint)).get_variable_to_shape_map()
    wanted = {_name(variable) for variable in tvars}
    assignment_map = OrderedDict((name, name) for name in sorted(stored) if name in wanted)
    initialized_variable_names = {}
    for name in assignment_map:
        initialized_variable_names[name] = 1
        initialized_variable_names[f"{name}:0"] = 1
    return assignment_map, initialized_variable_names


def _name(variable: tf.Variable) -> str:
    return re.sub(r":\d+$", "", variable.name)


def _resolve(init_checkpoint: str) -> str:
    """Returns the prefix of a checkpoint given by its prefix or its folder."""
    if _FILE_OF_CHECKPOINT.search(init_checkpoint):
        raise CheckpointError(
            f"{init_checkpoint}: one of the files of a checkpoint; expected what their names have "
            "in common, as in folder/bert_model.ckpt"
        )
    if not tf.gfile.IsDirectory(init_checkpoint):
        return init_checkpoint
    prefix = tf.train.latest_checkpoint(init_checkpoint)
    if prefix is None:
        raise CheckpointError(f"{init_checkpoint}: no checkpoint in this folder")
    return prefix


def _open(prefix: str) -> tf.train.NewCheckpointReader:
    try:
        return tf.train.NewCheckpointReader(prefix)
    except tf.errors.NotFoundError:
        raise CheckpointError(f"{prefix}: no such checkpoint") from None
    except _READ_ERRORS as error:
        raise CheckpointError(f"{prefix}: broken checkpoint: {_reason(error)}") from None


def _read_all(reader: tf.train.NewCheckpointReader, prefix: str, names: Iterable[str]) -> None:
    """Reads variables to check their sums now: a session would fail long after the start."""
    for name in names:
        try:
            reader.get_tensor(name)
        except _READ_ERRORS as error:
            raise CheckpointError(
                f"{prefix}: broken checkpoint: {name} cannot be read: {_reason(error)}"
            ) from None


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0]


def _by_layer(names: Sequence[str]) -> List[str]:
    """Returns names in order, those of an encoder layer as one entry with their number."""
    counts: Dict[str, int] = OrderedDict()
    for name in names:
        layer = _LAYER.match(name)
        entry = f"{layer.group(1)}/*" if layer else name
        counts[entry] = counts.get(entry, 0) + 1
    return [f"{entry} ({n})" if entry.endswith("/*") else entry for entry, n in counts.items()]
