"""Hidden states of many texts: batches of like length, and yet the order of the input.

Texts come in windows, as many as their states may take memory. Those of a window are put into
batches by length, and come out, without padding, in the order in which they went in.
"""

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import (
    Any,
    NamedTuple,
)

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import ToolkitError
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.checkpoint import plan_restore
from bert_wwm.model.hidden_states import pooled_states, states_of_layers
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.input_fn import sequential_input_fn
from bert_wwm.records.schema import INT, Field
from bert_wwm.tasks.batches import Batch, prediction_batches, shapes_up_to
from bert_wwm.tasks.features import INPUT_IDS, SEGMENT_IDS, FeatureTable, concatenated
from bert_wwm.train.estimator import Estimators, Machine

_WINDOW_BYTES = 1 << 28  # of states
_WINDOW_BATCHES = 100  # of states that take less
_PREFETCHED_BATCHES = 4
_LENGTH_STEP_OF_GPU = 8  # a GPU's products are fastest with multiples of 8
_FEATURES = ("input_mask", INPUT_IDS, SEGMENT_IDS)
_STATES = "states"

# The ids of a text's tokens, [T], and its states: float32 [T, L, H], or [L, H] where it is pooled.
Text = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Extraction:
    """What is wanted of a model.

    Attributes:
        init_checkpoint: its weights.
        layers: the numbers of layers, 0 for the lowest or -1 for the highest, in the order wanted.
        pooling: one of ``core.choices.POOLINGS``: one state a text; None: one a token.
        use_one_hot_embeddings: look words up by a product; with a TPU it doesn't count.
    """

    init_checkpoint: str
    layers: Sequence[int]
    pooling: str | None = None
    use_one_hot_embeddings: bool = False


class _Work(NamedTuple):
    """A batch on its way through the model, and whether it is the last of its window."""

    window: FeatureTable
    batch: Batch
    is_last: bool


class Extractor:
    """Runs a model over texts.

    Args:
        config: the encoder.
        extraction: what is wanted of it.
        machine: where; its ``eval_batch_size`` counts.
        max_seq_length: tokens of a text, at most.
        log: takes what was restored.
        shapes: the lengths that batches may be padded to, ascending; by default what is fastest,
            on a TPU ``max_seq_length`` alone.
        window_bytes: memory for states, in bytes; a batch may be more.
    """

    def __init__(
        self,
        config: BertConfig,
        extraction: Extraction,
        machine: Machine,
        max_seq_length: int,
        log: Callable[[str], None],
        shapes: Sequence[int] | None = None,
        window_bytes: int = _WINDOW_BYTES,
    ):
        self._batch_size = machine.eval_batch_size
        self._max_seq_length = max_seq_length
        self._shapes = shapes or _shapes(max_seq_length, machine.use_tpu)
        self._pooled = extraction.pooling is not None
        self._window_tokens = window_bytes // (4 * len(extraction.layers) * config.hidden_size)
        self._estimators = Estimators(_model_fn(config, extraction, machine.use_tpu, log), machine)

    def states(
        self,
        tables: Iterable[FeatureTable],
        records: str | None = None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Iterator[Text]:
        """Yields texts, in their order: the ids of their tokens, and their states.

        Args:
            tables: the texts' features, in blocks of a batch or so.
            records: for a TPU, whose host reads files: a name for one of all the input, which is
                removed in the end.
            progress: takes the number of texts that the model is through with, now and then.

        Raises:
            CheckpointError: the weights are missing, broken or don't fit.
            ToolkitError: what ``tables`` raises.
        """
        pending: collections.deque[_Work] = collections.deque()
        works = self._works(tables)
        if records is None:
            host_input = _HostInput(works, pending)
            yield from self._run(host_input, pending, progress)
            if host_input.error:
                raise host_input.error
            return
        try:
            input_fn = self._record_input_fn(works, pending, records)
            yield from self._run(input_fn, pending, progress)
        finally:
            files.remove(records)

    def _run(
        self, input_fn: Any, pending: collections.deque[_Work], progress: Callable[[int], None]
    ) -> Iterator[Text]:
        done = 0
        found: dict[int, np.ndarray] = {}
        for outputs in self._estimators.predict(input_fn, None):
            window, batch, is_last = pending.popleft()
            lengths = window.lengths
            for row, values in zip(batch.rows.tolist(), outputs[_STATES]):
                # A copy lets go of the padding.
                found[row] = (values if self._pooled else values[: lengths[row]]).copy()
            done += len(batch.rows)
            progress(done)
            if is_last:
                for row in range(len(window)):
                    yield window.of_tokens(INPUT_IDS, row), found.pop(row)

    def _works(self, tables: Iterable[FeatureTable]) -> Iterator[_Work]:
        for window in self._windows(tables):
            batches = prediction_batches(window.lengths, self._batch_size, self._shapes)
            for number, batch in enumerate(batches, 1):
                yield _Work(window, batch, number == len(batches))

    def _windows(self, tables: Iterable[FeatureTable]) -> Iterator[FeatureTable]:
        """Puts blocks together to as many texts as their states may take memory."""
        most_texts = _WINDOW_BATCHES * self._batch_size
        parts: list[FeatureTable] = []
        texts = tokens = 0
        for table in tables:
            of_table = 0 if self._pooled else int(table.offsets[-1])
            if parts and (
                texts + len(table) > most_texts or tokens + of_table > self._window_tokens
            ):
                yield concatenated(parts)
                parts, texts, tokens = [], 0, 0
            parts.append(table)
            texts += len(table)
            tokens += of_table
        if parts:
            yield concatenated(parts)

    def _record_input_fn(
        self, works: Iterable[_Work], pending: collections.deque[_Work], path: str
    ) -> Callable[..., Any]:
        """Writes all batches, full ones only, as records, and returns the input of them."""
        length, size = self._max_seq_length, self._batch_size
        schema = tuple(Field(name, INT, length) for name in _FEATURES)
        with contextlib.closing(tf.python_io.TFRecordWriter(path)) as writer:
            for work in works:
                pending.append(work)
                rows = work.batch.rows
                rows = np.concatenate([rows, np.repeat(rows[:1], size - len(rows))])
                arrays = work.window.batch(rows, length, _FEATURES[1:], {})
                for record in encode_examples(arrays, schema):
                    writer.write(record)
        return sequential_input_fn([path], schema)


class _HostInput:
    """The input of a model function on this host; notes what goes through.

    Attributes:
        error: what the texts could not be read for, to be raised where TensorFlow is through.
    """

    def __init__(self, works: Iterable[_Work], pending: collections.deque[_Work]):
        self.error: ToolkitError | None = None
        self._works = works
        self._pending = pending

    def __call__(self, params: dict[str, Any]) -> "tf.data.Dataset":
        signature = {name: tf.TensorSpec([None, None], tf.int32) for name in _FEATURES}
        dataset = tf.data.Dataset.from_generator(self._arrays, output_signature=signature)
        return dataset.prefetch(_PREFETCHED_BATCHES)

    def _arrays(self) -> Iterator[dict[str, np.ndarray]]:
        try:
            for work in self._works:
                self._pending.append(work)
                yield work.window.batch(work.batch.rows, work.batch.length, _FEATURES[1:], {})
        except ToolkitError as error:
            self.error = error


def _shapes(max_seq_length: int, use_tpu: bool) -> tuple[int, ...]:
    if use_tpu:
        return (max_seq_length,)
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    return shapes_up_to(max_seq_length, _LENGTH_STEP_OF_GPU if has_gpu else 1)


def _model_fn(
    config: BertConfig, extraction: Extraction, use_tpu: bool, log: Callable[[str], None]
) -> Callable[..., Any]:
    """Returns the ``model_fn`` of a model without heads."""

    def model_fn(features: Any, labels: None, mode: str, params: dict[str, Any]) -> Any:
        model = BertModel(
            config,
            False,
            features[INPUT_IDS],
            features["input_mask"],
            features[SEGMENT_IDS],
            extraction.use_one_hot_embeddings,
            scope="bert",
            for_tpu=use_tpu,
        )
        states = states_of_layers(model, extraction.layers)
        if extraction.pooling:
            states = pooled_states(states, features["input_mask"], extraction.pooling)
        variables = [v for v in tf.trainable_variables() if not v.name.startswith("bert/pooler/")]
        plan = plan_restore(variables, extraction.init_checkpoint)
        log(plan.report())

        def scaffold_fn() -> "tf.train.Scaffold":
            plan.apply()
            return tf.train.Scaffold()

        if not use_tpu:
            plan.apply()
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=mode,
            predictions={_STATES: states},
            scaffold_fn=scaffold_fn if use_tpu else None,
        )

    return model_fn
