"""Masked LM heads that were never trained, which many released models have."""

from collections.abc import Collection, Mapping

import numpy as np

# What training starts from, in google-research/bert and in Hugging Face's libraries. One step of
# training changes all of them.
_INITIAL = {
    "cls/predictions/output_bias": 0.0,
    "cls/predictions/transform/LayerNorm/beta": 0.0,
    "cls/predictions/transform/LayerNorm/gamma": 1.0,
}
_NOTE = (
    "the masked LM head was never trained (output bias 0, layer norm gain 1 and offset 0): "
    "its predictions are random until it is pretrained"
)


def describe(variables: Mapping[str, np.ndarray]) -> str:
    """Returns a sentence if a model's masked LM head is as training starts from it; else ""."""
    as_initialized = all(
        name in variables and np.all(variables[name] == value) for name, value in _INITIAL.items()
    )
    return _NOTE if as_initialized else ""


def describe_checkpoint(init_checkpoint: str) -> str:
    """Returns the same of a checkpoint. Raises CheckpointError where it can't be read."""
    from bert_wwm.model.checkpoint import read_variables  # takes seconds: it imports TensorFlow

    return describe(read_variables(init_checkpoint, only=_INITIAL))


def describe_restored(init_checkpoint: str, names: Collection[str]) -> str:
    """Returns the same if a model restores the head: it is among the names of its variables."""
    return describe_checkpoint(init_checkpoint) if _INITIAL.keys() <= set(names) else ""
