"""TensorFlow checkpoints: the model's tensors, and those of its training."""

from typing import Dict, Tuple

import numpy as np

from bert_wwm.model.checkpoint import is_optimizer_state, read_variables


def read(prefix_or_folder: str) -> Tuple[Dict[str, np.ndarray], Dict[str, np.ndarray]]:
    """Reads a checkpoint, by which the sums that it holds are checked.

    Args:
        prefix_or_folder: prefix of its files, or a folder with a ``checkpoint`` file.

    Returns:
        The model's tensors, and the optimizer's slots with ``global_step``; by name.

    Raises:
        CheckpointError: the checkpoint is missing or broken.
    """
    stored = {n: np.asarray(value) for n, value in read_variables(prefix_or_folder).items()}
    state = {name: value for name, value in stored.items() if is_optimizer_state(name)}
    return {name: value for name, value in stored.items() if name not in state}, state
