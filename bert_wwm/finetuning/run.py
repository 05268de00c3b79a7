"""One fine-tuning run: training with an evaluation every epoch, predictions by the best weights."""

import dataclasses
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.same_run import check_same_run
from bert_wwm.finetuning.evaluation import (
    TPU_INPUT,
    evaluate,
    record_name,
    write_evaluation,
)
from bert_wwm.finetuning.input import InputFn, host_input_fn, record_input_fn
from bert_wwm.finetuning.job import DEV, TEST, TRAIN, Job, Split
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.checkpoint_path import read_newest
from bert_wwm.report.training import write_summary
from bert_wwm.tasks.batches import Batch, Padding, TrainingOrder
from bert_wwm.tasks.features import FeatureTable
from bert_wwm.tasks.run_files import RunFiles, new_record
from bert_wwm.train.checkpoints import find_weights
from bert_wwm.train.estimator import Estimators, Machine
from bert_wwm.train.loop import Summary, read_step, train_with_evaluations
from bert_wwm.train.model_fn import make_model_fn
from bert_wwm.train.settings import TrainingSettings

_STOPPED = 143  # the status of a process that SIGTERM ended
_DEV_DATA, _DECODING = "hash of the evaluated data", "decoding"
# What is left of a training, to go on from.
_CHECKPOINT = re.compile(r"model\.ckpt-\d+\..*|graph\.pbtxt")


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long to train, and in which batches.

    Attributes:
        num_train_epochs: passes over the training data.
        warmup_proportion: share of the steps in which the learning rate rises.
        padding: what becomes of the padding of batches.
        predict_batch_size: examples of ``test`` at a time; ``dev`` has the machine's
            ``eval_batch_size``.
        only_best: keep of a finished training its best weights only, not those to go on from.
    """

    num_train_epochs: float
    warmup_proportion: float
    padding: Padding
    predict_batch_size: int
    only_best: bool = False

    def num_train_steps(self, num_rows: int, batch_size: int) -> int:
        """Returns the number of steps; 1 at least.

        google-research/bert's where an example is one sequence. Of reading comprehension it counts
        questions, HFL as here the chunks of their contexts.
        """
        return max(1, int(num_rows / batch_size * self.num_train_epochs))


class Run:
    """A run in a folder of its own, with a seed and a learning rate of its own.

    Args:
        settings: how to train, but for the numbers of steps.
        machine: its ``output_dir`` is the run's folder.
    """

    def __init__(
        self,
        job: Job,
        config: BertConfig,
        settings: TrainingSettings,
        machine: Machine,
        plan: Plan,
        log: Callable[[str], None],
    ):
        self.folder = machine.output_dir
        self._files = RunFiles(self.folder)
        self._job = job
        self._config = config
        self._settings = settings
        self._machine = machine
        self._plan = plan
        self._log = log

    def carry_out(
        self, splits: Mapping[str, Split], do_train: bool, identity: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Trains where asked to; then scores and writes the predictions of the other splits.

        What has been done before, with the same settings, is left as it is.

        Args:
            splits: ``train`` where it is to train; ``dev``, to evaluate; ``test``, to predict.
            do_train: whether to train.
            identity: what the outcome of training depends on, as JSON knows it.

        Returns:
            The run's record, ``run.json``: among others, for each split its scores by name.

        Raises:
            ConfigError: the folder holds another run, or no weights.
            DataError: its record can't be read.
        """
        wanted = [splits[name] for name in (DEV, TEST) if name in splits]
        record = self._read_record(splits, identity) if do_train else new_record({})
        if record["trained"]:
            self._log(f"{self.folder}: trained before, with these settings")
        elif do_train:
            self._train_and_record(splits, record)

        def evaluate_splits(checkpoint: str) -> None:
            if not checkpoint and not self._settings.init_checkpoint:
                raise ConfigError(
                    f"{self.folder}: holds no trained weights; expected --do_train, the "
                    "--output_dir of a run, or --init_checkpoint with the weights of a fine-tuned "
                    "model"
                )
            if checkpoint and not do_train:
                self._log(f"Weights from {checkpoint}")
            for split in wanted:
                made_of = {"features": split.key, **self._job.decoding}
                if do_train and record["made_of"].get(split.name) == made_of:
                    continue
                record[split.name] = self._evaluate(split, checkpoint or None)
                record["made_of"][split.name] = made_of

        # Without --do_train another process may be training there.
        read_newest(lambda: self._find_weights(repair=do_train) or "", evaluate_splits, self._log)
        if do_train:
            self._files.write_record(record)
            if self._plan.only_best:
                self._remove_all_but_best()
        return record

    def _read_record(
        self, splits: Mapping[str, Split], identity: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns the record of an earlier process, or a new one."""
        settings = {
            **self._job.featurizer.describe(),
            **identity,
            "hash of the training data": splits[TRAIN].key,
            _DEV_DATA: splits[DEV].key if DEV in splits else None,
            _DECODING: dict(self._job.decoding),
        }
        if not self._find_weights():  # what failed before its first step is no run
            return new_record(settings)
        record = self._files.read_record()
        if not record:
            raise ConfigError(
                f"{self.folder}: holds weights of another program; expected a new --output_dir, "
                "or one of the same task"
            )
        former = record["settings"]
        former.setdefault("stop_on_nan", True)  # earlier versions didn't record it
        settings[_DEV_DATA] = settings[_DEV_DATA] or former.get(_DEV_DATA)
        former[_DEV_DATA] = former.get(_DEV_DATA) or settings[_DEV_DATA]
        if record["trained"]:  # the best weights are chosen; other predictions may be made by them
            settings[_DECODING] = former.get(_DECODING)
        check_same_run(former, settings, self.folder, "or another --output_dir")
        return record

    def _train_and_record(self, splits: Mapping[str, Split], record: dict[str, Any]) -> None:
        begun = time.monotonic()
        self._files.write_record(record)
        if self._job.labels:
            self._files.write_labels(self._job.labels)
        summary = self._train(splits[TRAIN], splits.get(DEV))
        write_summary(self.folder, dataclasses.asdict(summary), self._log)
        record["seconds"] = record.get("seconds", 0.0) + time.monotonic() - begun
        record["trained"] = not summary.stopped
        self._files.write_record(record)
        if summary.stopped:
            self._log(f"Stopped at step {summary.last_step:,}; the same command goes on")
            sys.exit(_STOPPED)

    def _train(self, train: Split, dev: Split | None) -> Summary:
        """Trains, or goes on, to the last step; keeps the weights that are best on ``dev``."""
        rows, batch_size = len(train.table), self._machine.train_batch_size
        num_steps = self._plan.num_train_steps(rows, batch_size)
        settings = dataclasses.replace(
            self._settings,
            num_train_steps=num_steps,
            num_warmup_steps=int(num_steps * self._plan.warmup_proportion),
        )
        estimators = self._make_estimators(settings, self._machine)
        estimators.check_batch_size()
        files.make_folder(self.folder)

        def evaluate_newest() -> dict[str, float]:
            assert dev is not None
            scores = evaluate(self._job, dev, estimators, self._plan.padding, None).scores
            self._show_in_tensorboard(scores)
            return scores

        every = math.ceil(rows / batch_size) if dev else 0
        task = self._job.task
        return train_with_evaluations(
            estimators,
            self._log,
            num_steps,
            self._training_input(train, num_steps),
            every,
            evaluate_newest,
            task.best_metric or task.metrics[0],
            self._describe_scores,
        )

    def _training_input(self, train: Split, num_steps: int) -> Callable[[int], InputFn]:
        """Returns what gives the input from a step on."""
        batch_size, padding = self._machine.train_batch_size, self._plan.padding
        seed, objective = self._settings.random_seed, self._job.objective
        order = TrainingOrder(train.table.lengths, batch_size, num_steps, seed, padding)
        names = [*objective.inputs, *objective.targets]

        def batches_from(first: int) -> Iterator[tuple[FeatureTable, Batch]]:
            return ((train.table, order.batch(number)) for number in range(first, num_steps))

        if not self._machine.use_tpu:
            return lambda step: host_input_fn(lambda: batches_from(step), objective, names)
        name = record_name(train, [seed, num_steps], batch_size, padding)
        return lambda step: record_input_fn(
            lambda: batches_from(0),
            objective,
            names,
            os.path.join(self.folder, name),
            padding.shapes[-1],
            batch_size,
            step,
            num_steps,
        )

    def _evaluate(self, split: Split, checkpoint: str | None) -> dict[str, float]:
        """Predicts, writes the predictions, and returns the scores."""
        machine, settings = self._machine, self._settings
        if split.name == TEST:
            machine = dataclasses.replace(machine, eval_batch_size=self._plan.predict_batch_size)
        if checkpoint:
            settings = dataclasses.replace(settings, init_checkpoint=None)
        estimators = self._make_estimators(settings, machine)
        evaluation = evaluate(self._job, split, estimators, self._plan.padding, checkpoint)
        step = read_step(checkpoint) if checkpoint else 0
        names = write_evaluation(self._job, evaluation, self.folder, step)
        self._log(f"{split.name:<5}  {self.folder}: {', '.join(names)}")
        return evaluation.scores

    def _show_in_tensorboard(self, scores: Mapping[str, float]) -> None:
        """Writes the scores of the newest weights to the folder's events of evaluations."""
        step = read_step(tf.train.latest_checkpoint(self.folder))
        values = [tf.Summary.Value(tag=tag, simple_value=score) for tag, score in scores.items()]
        with tf.Graph().as_default():  # elsewhere its writer is refused
            writer = tf.summary.FileWriterCache.get(os.path.join(self.folder, "eval"))
            writer.add_summary(tf.Summary(value=values), step)
            writer.flush()

    def _describe_scores(self, scores: Mapping[str, float]) -> str:
        shown = [f"{name} {scores[name]:.2f}" for name in self._job.task.metrics]
        return "  ".join(["dev", *shown])

    def _find_weights(self, repair: bool = True) -> str | None:
        """Returns the prefix of the best weights in the folder, or else of the newest."""
        return find_weights(self.folder, self._log, repair)

    def _remove_all_but_best(self) -> None:
        """Leaves the best weights; where there was nothing to find them by, the last ones."""
        kept = "no checkpoint"
        if tf.train.latest_checkpoint(self._files.best):
            files.remove(os.path.join(self.folder, "checkpoint"))
        else:
            kept = os.path.basename(tf.train.latest_checkpoint(self.folder))
        for name in tf.gfile.ListDirectory(self.folder):
            if _CHECKPOINT.fullmatch(name) and not name.startswith(f"{kept}."):
                files.remove(os.path.join(self.folder, name))
        records = os.path.join(self.folder, TPU_INPUT)
        if tf.gfile.IsDirectory(records):
            tf.gfile.DeleteRecursively(records)

    def _make_estimators(self, settings: TrainingSettings, machine: Machine) -> Estimators:
        model_fn = make_model_fn(self._config, self._job.objective, settings, self._log)
        return Estimators(model_fn, machine)
