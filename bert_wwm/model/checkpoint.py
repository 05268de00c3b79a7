"""Starts a model from a checkpoint: all of it by name, and nothing in silence."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core import input_files, stand_ins
from bert_wwm.core.errors import CheckpointError, first_reason
from bert_wwm.model.checkpoint_path import FILE_OF_CHECKPOINT, read_newest, resolve

# Variables of the training that wrote a checkpoint; no model takes them over. LAMB and AdamW write
# the first two endings, TensorFlow's own optimizers and averages the next ones, its loss scaling
# and its savers the names; saved by Keras's means, all of them have an ending of their own. Our own
# loss scaling has a scope.
_OPTIMIZER_STATE = re.compile(
    r"(/(adam|lamb)_[mv]|/Adam|/Momentum|/RMSProp|/ExponentialMovingAverage|(^|/)beta[12]_power"
    r"|(^|/)(current_)?loss_scale|(^|/)good_steps|^loss_scale/\w+|^global_step|^save_counter"
    r"|^_CHECKPOINTABLE_OBJECT_GRAPH)(_\d+)?(/\.ATTRIBUTES(/\w+)?)?$"
)
# The reader turns some of TensorFlow's errors into Python's: a file cut short is an IndexError.
_READ_ERRORS = (tf.errors.OpError, IndexError, ValueError)
# Names in checkpoints of TensorFlow 2: objects and their attributes, and a description of these.
_ATTRIBUTE, _OBJECT_GRAPH = "/.ATTRIBUTES/", "_CHECKPOINTABLE_OBJECT_GRAPH"
_LAYER = re.compile(r"^(.*/layer_\d+)/")


@dataclass(frozen=True)
class RestorePlan:
    """The variables of a model that start from a checkpoint, and the others of both."""

    checkpoint: str  # prefix of its files
    # For each variable that starts from the checkpoint, in the order of the model, its name there.
    sources: Mapping[str, str]
    initialized: tuple[str, ...]  # names only the model has; they start from their initialisers
    unused: tuple[str, ...]  # names only the checkpoint has, sorted, without the next ones
    optimizer_state: tuple[str, ...]  # the slots and the global step in the checkpoint, sorted

    def apply(self) -> None:
        """Makes ``sources`` the initial values; call it before the variables are initialised."""
        note_files(self.checkpoint)
        pairs = [(source, name) for name, source in self.sources.items()]
        tf.train.init_from_checkpoint(self.checkpoint, pairs)

    def report(self) -> str:
        """Returns a table for the log: how many variables, and which, layers in one line each."""
        rows = [
            ("from the checkpoint", self.sources),
            ("from initialisers", _map_to_self(self.initialized)),
            ("left in the checkpoint", _map_to_self(self.unused)),
        ]
        lines = [f"Initial weights from {self.checkpoint}"]
        for title, sources in rows:
            lines.append(f"  {title:<24}{len(sources):>6}")
            lines.extend(f"    {line}" for line in _list_by_layer(sources))
        lines.append(f"  {'optimizer state, unused':<24}{len(self.optimizer_state):>6}")
        return "\n".join(lines)


def plan_restore(
    variables: Sequence[tf.Variable],
    init_checkpoint: str,
    encoder_scope: str = "bert",
    layers: Sequence[int] | None = None,
    allow_random: Sequence[str] = (),
) -> RestorePlan:
    """Compares a model with the checkpoint to start from, and reads the variables to restore.

    A checkpoint may hold more than the model: further layers, other heads. It may lack the model's
    heads, but no variable of its encoder.

    Args:
        init_checkpoint: a path for ``checkpoint_path.resolve``.
        layers: the checkpoint's layers that the model's layers 0, 1, 2, ... start from; by default
            those of the same numbers.
        allow_random: names or scopes of variables that start at random where the checkpoint lacks
            them, or has them in another shape.

    Raises:
        CheckpointError: the checkpoint is missing or broken, or doesn't fit; or an entry of
            ``allow_random`` allows nothing.
    """
    return read_newest(
        lambda: resolve(init_checkpoint),
        lambda prefix: _plan(variables, prefix, encoder_scope, layers, allow_random),
    )


def _plan(
    variables: Sequence[tf.Variable],
    prefix: str,
    encoder_scope: str,
    layers: Sequence[int] | None,
    allow_random: Sequence[str],
) -> RestorePlan:
    reader = _open(prefix)
    dtypes = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    stored = {name: f"{dtypes[name].name} {shape}" for name, shape in shapes.items()}
    wanted = {
        _name(variable): f"{variable.dtype.base_dtype.name} {variable.shape.as_list()}"
        for variable in variables
    }
    origins = _map_to_self(wanted)
    if layers is not None:
        origins = _map_layers(wanted, stored, layers, prefix)

    sources = {}
    differing = []
    for name, source in origins.items():
        if wanted[name] == stored.get(source):
            sources[name] = source
        elif source in stored and not _is_in(name, allow_random):
            differing.append(
                f"{name} is {wanted[name]} in the model and {stored[source]} in the checkpoint"
            )
    if differing:
        raise CheckpointError(f"{prefix} does not fit the model: {'; '.join(differing)}")
    initialized = tuple(name for name in wanted if name not in sources)
    missing = [
        name
        for name in initialized
        if name.startswith(f"{encoder_scope}/") and not _is_in(name, allow_random)
    ]
    if missing:
        raise CheckpointError(
            f"{prefix} lacks {len(missing)} variables of the encoder, which would stay random: "
            f"{', '.join(_list_by_layer(_map_to_self(missing)))}; --allow_random_init with their "
            "names or scopes would allow it"
        )
    _check_allowed(allow_random, wanted, initialized, prefix)
    for _ in _read(reader, prefix, sources.values()):  # a session would fail long after the start
        pass
    left = sorted(set(stored) - set(sources.values()), key=_natural_key)
    return RestorePlan(
        prefix,
        sources,
        initialized,
        unused=tuple(name for name in left if not is_optimizer_state(name)),
        optimizer_state=tuple(filter(is_optimizer_state, left)),
    )


def note_files(prefix: str) -> None:
    """Notes the files of a checkpoint that is an input: see ``core.input_files``."""
    for path in _files_of(prefix):
        input_files.note(path)


def check_readable(prefix: str) -> None:
    """Reads all of a checkpoint, by which its sums are checked. Raises CheckpointError."""
    reader = _open(prefix)
    for _ in _read(reader, prefix, reader.get_variable_to_shape_map()):
        pass


def read_variables(
    init_checkpoint: str,
    optimizer_state: bool = True,
    only: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    """Reads variables, by which their sums are checked, in natural order: layer 2 before layer 10.

    Args:
        init_checkpoint: a path for ``checkpoint_path.resolve``.
        optimizer_state: whether to read the optimizer's variables and ``global_step`` too.
        only: the names to read, if the checkpoint has them; by default all.

    Raises:
        CheckpointError: the checkpoint is missing or broken.
    """

    def read(prefix: str) -> dict[str, np.ndarray]:
        reader = _open(prefix)
        stored = sorted(reader.get_variable_to_shape_map(), key=_natural_key)
        wanted = [
            name
            for name in stored
            if (optimizer_state or not is_optimizer_state(name)) and (only is None or name in only)
        ]
        return dict(_read(reader, prefix, wanted))

    return read_newest(lambda: resolve(init_checkpoint), read)


def write_variables(prefix: str, variables: Mapping[str, np.ndarray]) -> None:
    """Writes ``prefix.index`` and ``prefix.data-00000-of-00001``, the same bytes every time.

    Both get their names when they are whole, the index last: without it there is no checkpoint.
    """
    names = sorted(variables)
    with tf.Graph().as_default(), tf.Session() as session:
        feeds = [tf.placeholder(variables[name].dtype, variables[name].shape) for name in names]
        save = tf.raw_ops.SaveV2(
            prefix=tf.compat.as_bytes(prefix),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=feeds,
        )
        try:
            session.run(save, {feed: variables[name] for feed, name in zip(feeds, names)})
        except tf.errors.OpError as error:
            reason = first_reason(error.message)
            raise CheckpointError(f"{prefix}: can't be written: {reason}") from None


def is_optimizer_state(name: str) -> bool:
    """True for variables of the training that wrote a checkpoint, which no model takes over."""
    return bool(_OPTIMIZER_STATE.search(name))


def get_assignment_map_from_checkpoint(
    tvars: Iterable[tf.Variable], init_checkpoint: str
) -> tuple[dict[str, str], dict[str, int]]:
    """google-research/bert's way in: the variables that a checkpoint and a model share.

    Unlike ``plan_restore`` it compares names alone, and stays silent on what is missing. Returns
    the map for ``tf.train.init_from_checkpoint``, each name to itself; and a dictionary whose keys
    are these names with and without ``:0``.
    """
    stored = _open(resolve(init_checkpoint)).get_variable_to_shape_map()
    wanted = {_name(variable) for variable in tvars}
    shared = [name for name in sorted(stored) if name in wanted]
    return _map_to_self(shared), {key: 1 for name in shared for key in (name, f"{name}:0")}


def _name(variable: tf.Variable) -> str:
    return re.sub(r":\d+$", "", variable.name)


def _open(prefix: str) -> tf.train.NewCheckpointReader:
    try:
        reader = tf.train.NewCheckpointReader(prefix)
    except tf.errors.NotFoundError:
        raise CheckpointError(f"{prefix}: no such checkpoint") from None
    except _READ_ERRORS as error:
        raise _as_broken(prefix, "", error) from None
    names = reader.get_variable_to_shape_map()
    if names and all(_ATTRIBUTE in name or name == _OBJECT_GRAPH for name in names):
        raise CheckpointError(
            f"{prefix}: a checkpoint of TensorFlow 2 that holds objects (tf.train.Checkpoint or "
            "Keras's save_weights), not variables by name; expected one such as "
            "google-research/bert's: load it with the code that wrote it, and save the model with "
            "tf.compat.v1.train.Saver or in Hugging Face's format"
        )
    return reader


def _as_broken(prefix: str, place: str, error: Exception) -> CheckpointError:
    """Returns the error for the user; raises its own if a file is a Git LFS pointer or a web page.

    The reader's has several lines, or none.
    """
    for path in _files_of(prefix):
        stand_ins.refuse(path, CheckpointError)
    reason = str(error).partition("\n")[0] or type(error).__name__
    return CheckpointError(f"{prefix}: broken checkpoint: {place}{reason}")


def _files_of(prefix: str) -> list[str]:
    """Returns the files of a checkpoint; none where its folder can't be listed."""
    folder, name = os.path.split(prefix)
    try:
        entries = tf.gfile.ListDirectory(folder or ".")
    except tf.errors.OpError:
        return []
    paths = [os.path.join(folder, e) for e in entries if FILE_OF_CHECKPOINT.sub("", e) == name]
    return [path for path in sorted(paths) if not tf.gfile.IsDirectory(path)]


def _read(
    reader: tf.train.NewCheckpointReader, prefix: str, names: Iterable[str]
) -> Iterator[tuple[str, np.ndarray]]:
    for name in names:
        try:
            yield name, reader.get_tensor(name)
        except _READ_ERRORS as error:
            raise _as_broken(prefix, f"{name} cannot be read: ", error) from None


def _map_to_self(names: Iterable[str]) -> dict[str, str]:
    return {name: name for name in names}


def _natural_key(name: str) -> list[object]:
    """A key to sort names by, that puts layer 2 before layer 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _map_layers(
    wanted: Iterable[str], stored: Iterable[str], layers: Sequence[int], prefix: str
) -> dict[str, str]:
    """Returns, for each variable of a model, the checkpoint's variable that it starts from."""
    layer = re.compile(r"^(bert/encoder/layer_)(\d+)(?=/)")

    def find_numbers(names: Iterable[str]) -> list[int]:
        return sorted({int(match[2]) for match in map(layer.match, names) if match})

    def show(numbers: Iterable[int]) -> str:
        return ", ".join(map(str, numbers))

    known = find_numbers(stored)
    absent = [number for number in layers if number not in known]
    if absent:
        raise CheckpointError(
            f"--init_layers: {prefix} has no layer {show(absent)}; expected some of "
            f"{show(known) or 'its layers, but it has none'}"
        )
    count = len(find_numbers(wanted))
    if len(layers) != count:
        raise CheckpointError(
            f"--init_layers: {show(layers)} are {len(layers)} layers; expected {count}, one "
            "for each layer of the model"
        )
    return {
        name: layer.sub(lambda found: f"{found[1]}{layers[int(found[2])]}", name) for name in wanted
    }


def _is_in(name: str, scopes: Iterable[str]) -> bool:
    return any(f"{name}/".startswith(f"{scope.rstrip('/')}/") for scope in scopes)


def _check_allowed(
    allow_random: Iterable[str], wanted: Iterable[str], initialized: Sequence[str], prefix: str
) -> None:
    """Raises CheckpointError for entries that allow nothing: they are misspelt, or outdated."""
    for scope in allow_random:
        if not any(_is_in(name, [scope]) for name in wanted):
            raise CheckpointError(
                f"--allow_random_init: the model has no variable or scope {scope!r}"
            )
        if not any(_is_in(name, [scope]) for name in initialized):
            raise CheckpointError(
                f"--allow_random_init: {prefix} has all variables of {scope!r}; without it they "
                "start from there"
            )


def _list_by_layer(sources: Mapping[str, str]) -> list[str]:
    """Returns names in order, those of an encoder layer as one entry with their number.

    Where layers come from layers of other numbers, each entry has both.
    """
    moved = any(name != source for name, source in sources.items())
    counts: dict[str, int] = Counter()
    for name, source in sources.items():
        layer, origin = _LAYER.match(name), _LAYER.match(source)
        if layer and origin:
            counts[f"{layer[1]} <- {origin[1]}" if moved else f"{layer[1]}/*"] += 1
        else:
            counts[name] = 0
    return [f"{entry} ({count})" if count else entry for entry, count in counts.items()]
