"""Runs a model over tables of features, in batches of similar length; outputs come in order."""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from bert_wwm.core.errors import ToolkitError
from bert_wwm.finetuning.input import host_input_fn, record_input_fn
from bert_wwm.finetuning.objective import TaskObjective
from bert_wwm.tasks.batches import Batch, prediction_batches
from bert_wwm.tasks.features import FeatureTable
from bert_wwm.train.estimator import Estimators

Outputs = list[dict[str, np.ndarray]]


def predict_tables(
    estimators: Estimators,
    objective: TaskObjective,
    tables: Iterable[FeatureTable],
    shapes: Sequence[int],
    checkpoint: str | None = None,
    records: str | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[FeatureTable, Outputs]]:
    """Yields tables, in their order, with the outputs of each of their sequences by name.

    Outputs are [...], or [length, ...] of ``token_outputs``; those of a table are in memory
    together. Raises CheckpointError as ``Estimators.predict``, and what ``tables`` raises.

    Args:
        shapes: the lengths that batches may be padded to, ascending.
        checkpoint: as for ``Estimators.predict``.
        records: for a TPU, the file that its input is written to; see ``record_input_fn``.
        progress: called with the number of sequences that are done, after each batch.
    """
    pending: collections.deque[tuple[FeatureTable, Batch]] = collections.deque()
    errors: list[ToolkitError] = []
    batch_size = estimators.machine.eval_batch_size

    def batches() -> Iterator[tuple[FeatureTable, Batch]]:
        try:
            for table in tables:
                for batch in prediction_batches(table.lengths, batch_size, shapes):
                    pending.append((table, batch))
                    yield table, batch
        except ToolkitError as error:  # TensorFlow, which calls this, would make it one of its own
            errors.append(error)

    if records is None:
        input_fn = host_input_fn(batches, objective, objective.inputs)
    else:
        input_fn = record_input_fn(
            batches, objective, objective.inputs, records, shapes[-1], batch_size
        )
    done = 0
    found: dict[int, dict[str, np.ndarray]] = {}
    for outputs in () if errors else estimators.predict(input_fn, checkpoint):
        table, batch = pending.popleft()
        for place, row in enumerate(batch.rows.tolist()):
            length = table.lengths[row]
            # A copy lets go of the batch's padding.
            found[row] = {
                name: (
                    values[place, :length] if name in objective.token_outputs else values[place]
                ).copy()
                for name, values in outputs.items()
            }
        done += len(batch.rows)
        progress(done)
        if len(found) == len(table):
            yield table, [found.pop(row) for row in range(len(table))]
    if errors:
        raise errors[0]
