"""TensorFlow checkpoints in and out; of this layer the only module with TensorFlow."""

from typing import Dict, Mapping, Tuple

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError
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


def write(prefix: str, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes ``prefix.index`` and ``prefix.data-00000-of-00001``, the same bytes every time.

    Both get their names when they are whole, the index last: without it there is no checkpoint.

    Raises:
        CheckpointError: they can't be written.
    """
    names = sorted(tensors)
    with tf.Graph().as_default(), tf.Session() as session:
        feeds = [tf.placeholder(tensors[name].dtype, tensors[name].shape) for name in names]
        save = tf.raw_ops.SaveV2(
            prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=feeds
        )
        try:
            session.run(save, {feed: tensors[name] for feed, name in zip(feeds, names)})
        except tf.errors.OpError as error:
            raise CheckpointError(f"{prefix}: can't be written: {error.message}") from None
