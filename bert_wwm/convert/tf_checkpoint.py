"""TensorFlow checkpoints: the model's tensors, and those of its training."""

from collections.abc import Iterator

import numpy as np

from bert_wwm.model.checkpoint import is_optimizer_state, read_variables


def read(prefix_or_folder: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Reads a checkpoint, by which the sums that it holds are checked.

    Args:
        prefix_or_folder: prefix of its files, or a folder with a ``checkpoint`` file.

    Returns:
        The model's tensors, and the optimizer's slots with ``global_step``; by name.

    Raises:
        CheckpointError: the checkpoint is missing or broken.
    """
    stored = {n: np.asarray(value) for n, value in read_variables(prefix_or_folder).items()}
    state = {
        name: value
        for name, value in stored.items()
        if is_optimizer_state(name) or not stored.keys().isdisjoint(_scopes(name))
    }
    return {name: value for name, value in stored.items() if name not in state}, state


def _scopes(name: str) -> Iterator[str]:
    """Yields what a name lies in; where that is a variable, it is a slot of an optimizer's."""
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
