"""TensorFlow checkpoints: the model's tensors, and those of its training."""

import numpy as np

from bert_wwm.model.checkpoint import is_optimizer_state, read_variables


def read(prefix_or_folder: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Reads a checkpoint, by which the sums that it holds are checked.

    A variable that lies in the scope of another one is an optimizer's slot of it.

    Args:
        prefix_or_folder: prefix of its files, or a folder with a ``checkpoint`` file.

    Returns:
        The model's tensors, and the optimizer's slots with ``global_step``; by name.

    Raises:
        CheckpointError: the checkpoint is missing or broken.
    """
    tensors, state = {}, {}
    stored = {name: np.asarray(value) for name, value in read_variables(prefix_or_folder).items()}
    for name, value in stored.items():
        scopes = name.split("/")
        is_slot = any("/".join(scopes[:count]) in stored for count in range(1, len(scopes)))
        (state if is_slot or is_optimizer_state(name) else tensors)[name] = value
    return tensors, state
