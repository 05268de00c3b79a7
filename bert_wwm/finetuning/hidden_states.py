"""Hidden states of many texts, in their order; as many at a time as their states take memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.finetuning.objective import TaskObjective
from bert_wwm.finetuning.prediction import predict_tables
from bert_wwm.model.bert import BertConfig
from bert_wwm.tasks.batches import GPU_LENGTH_STEP, list_shapes
from bert_wwm.tasks.features import INPUT_IDS, FeatureTable, join_tables
from bert_wwm.train.estimator import Estimators, Machine
from bert_wwm.train.model_fn import make_model_fn
from bert_wwm.train.objective import Encoded
from bert_wwm.train.settings import TrainingSettings

_WINDOW_BYTES = 1 << 28  # of states
_WINDOW_BATCHES = 100  # of states that take less
_STATES = "states"

# The ids of a text's tokens, [T], and its states: float32 [T, L, H], or [L, H] where it is pooled.
Text = tuple[np.ndarray, np.ndarray]


class HiddenStates(TaskObjective):
    """The states of some layers, in the order wanted; 0 is the lowest layer, -1 the highest.

    With ``pooling``, one of ``core.choices.POOLINGS``, it is one state a text, else one a token.
    """

    unused_scopes = ("bert/pooler/",)

    def __init__(self, layers: Sequence[int], pooling: str | None):
        self._layers = layers
        self._pooling = pooling
        self.token_outputs = () if pooling else (_STATES,)

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        outputs = batch.model.get_all_encoder_layers()
        states = [tf.cast(outputs[layer], tf.float32) for layer in self._layers]
        states = tf.stack(states, axis=2)  # [B, S, L, H]
        if self._pooling == "cls":
            states = states[:, 0]
        elif self._pooling:  # the mean of all tokens, [CLS] and [SEP] among them
            weights = tf.cast(batch.features["input_mask"], tf.float32)
            totals = tf.einsum("bs,bslh->blh", weights, states)
            states = totals / tf.reduce_sum(weights, axis=1)[:, tf.newaxis, tf.newaxis]
        return {_STATES: states}


class Extraction(NamedTuple):
    """The layers to extract, and the weights."""

    init_checkpoint: str
    layers: Sequence[int]  # as for ``HiddenStates``, and so is ``pooling``
    pooling: str | None = None
    use_one_hot_embeddings: bool = False  # look words up by a product; TPUs always do


def extract_states(
    config: BertConfig,
    extraction: Extraction,
    machine: Machine,
    max_seq_length: int,
    tables: Iterable[FeatureTable],
    log: Callable[[str], None],
    records: str | None = None,
    progress: Callable[[int], None] = lambda done: None,
    shapes: Sequence[int] | None = None,
    window_bytes: int = _WINDOW_BYTES,
) -> Iterator[Text]:
    """Yields texts, in their order: the ids of their tokens, and their states.

    Args:
        machine: ``eval_batch_size`` is the number of texts of a batch.
        tables: the texts' features, in blocks of a batch or so.
        records: for a TPU, the file that its input is written to; it is removed at the end.
        progress: called with the number of texts that are done.
        shapes: the lengths that batches may be padded to, ascending; by default what is fastest,
            on a TPU ``max_seq_length`` alone.
        window_bytes: memory for states, in bytes; a batch may be more.

    Raises:
        CheckpointError: the weights are missing, broken or don't fit.
        ToolkitError: what ``tables`` raises.
    """
    objective = HiddenStates(extraction.layers, extraction.pooling)
    settings = TrainingSettings(
        learning_rate=0.0,
        num_train_steps=0,
        num_warmup_steps=0,
        train_batch_size=machine.train_batch_size,
        use_tpu=machine.use_tpu,
        init_checkpoint=extraction.init_checkpoint,
        use_one_hot_embeddings=extraction.use_one_hot_embeddings,
    )
    token_bytes = 0 if extraction.pooling else 4 * len(extraction.layers) * config.hidden_size
    most_texts = _WINDOW_BATCHES * machine.eval_batch_size
    windows = predict_tables(
        Estimators(make_model_fn(config, objective, settings, log), machine),
        objective,
        _join_to_windows(tables, most_texts, token_bytes, window_bytes),
        shapes or _shapes(max_seq_length, machine.use_tpu),
        records=records,
        progress=progress,
    )
    try:
        for window, outputs in windows:
            for row, output in enumerate(outputs):
                yield window.of_tokens(INPUT_IDS, row), output[_STATES]
    finally:
        if records:
            files.remove(records)


def _join_to_windows(
    tables: Iterable[FeatureTable], most_texts: int, token_bytes: int, window_bytes: int
) -> Iterator[FeatureTable]:
    """Joins blocks to as many texts as their states may take memory."""
    parts: list[FeatureTable] = []
    texts = size = 0
    for table in tables:
        added = token_bytes * int(table.offsets[-1])
        if parts and (texts + len(table) > most_texts or size + added > window_bytes):
            yield join_tables(parts)
            parts, texts, size = [], 0, 0
        parts.append(table)
        texts += len(table)
        size += added
    if parts:
        yield join_tables(parts)


def _shapes(max_seq_length: int, use_tpu: bool) -> tuple[int, ...]:
    if use_tpu:
        return (max_seq_length,)
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    return list_shapes(max_seq_length, GPU_LENGTH_STEP if has_gpu else 1)
