"""Predictions of a split: how good they are, and the files that they are handed on in."""

import hashlib
import json
import os
from typing import Any, NamedTuple

from bert_wwm.core import files, input_files
from bert_wwm.finetuning.job import DEV, Job, Split
from bert_wwm.finetuning.prediction import predict_tables
from bert_wwm.tasks.batches import Padding
from bert_wwm.train.estimator import Estimators

TPU_INPUT = "tpu_input"  # the folder of records for a TPU, in that of the run


class Evaluation(NamedTuple):
    """The predictions of a split, in the form of its job, and their scores by name."""

    split: Split
    predictions: Any
    scores: dict[str, float]


def evaluate(
    job: Job, split: Split, estimators: Estimators, padding: Padding, checkpoint: str | None
) -> Evaluation:
    """Predicts and scores a split.

    Args:
        job: the task.
        split: the examples.
        estimators: what predicts.
        padding: the lengths that batches may have.
        checkpoint: prefix of the weights; None as for ``Estimators.predict``.
    """
    machine = estimators.machine
    records = None
    if machine.use_tpu:
        name = record_name(split, None, machine.eval_batch_size, padding)
        records = os.path.join(machine.output_dir, name)
    [(_, outputs)] = predict_tables(
        estimators, job.objective, [split.table], padding.shapes, checkpoint, records
    )
    predictions = job.decode(split, outputs)
    return Evaluation(split, predictions, job.score(split, predictions))


def write_evaluation(job: Job, evaluation: Evaluation, folder: str, step: int) -> list[str]:
    """Writes the predictions of a split, and of ``dev`` ``eval_results.txt``.

    Args:
        job: the task.
        evaluation: of the split.
        folder: where to.
        step: that of the weights.

    Returns:
        The names of the files.

    Raises:
        DataError: an input file has changed; nothing is written then.
    """
    contents = job.files(evaluation.split, evaluation.predictions)
    if evaluation.split.name == DEV:
        lines = {**job.result_lines(evaluation.scores), "global_step": step}
        contents["eval_results.txt"] = "".join(f"{k} = {lines[k]}\n" for k in sorted(lines))
    input_files.check_unchanged()
    for name, content in contents.items():
        files.write_text(os.path.join(folder, name), content)
    return sorted(contents)


def record_name(split: Split, order: Any, batch_size: int, padding: Padding) -> str:
    """Returns a name, in a run's folder, for the records of batches for a TPU.

    Args:
        split: what they are of.
        order: what their order depends on, besides, as JSON knows it.
        batch_size: sequences of each.
        padding: the lengths that they may have.
    """
    facts = [split.key, order, batch_size, padding.shapes]
    key = hashlib.sha256(json.dumps(facts).encode("ascii")).hexdigest()[:32]
    return os.path.join(TPU_INPUT, f"{split.name}-{key}.tfrecord")
