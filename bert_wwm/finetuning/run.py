"""One fine-tuning run: training with an evaluation every epoch, predictions by the best weights."""

import dataclasses
import hashlib
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core import files, input_files
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.same_run import check_same_run
from bert_wwm.finetuning.input import InputFn, host_input_fn, record_input_fn
from bert_wwm.finetuning.job import DEV, TEST, TRAIN, Job, Split
from bert_wwm.finetuning.prediction import predict_tables
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.checkpoint_path import read_newest
from bert_wwm.report.training import write_summary
from bert_wwm.tasks.batches import Batch, Padding, TrainingOrder
from bert_wwm.tasks.features import FeatureTable
from bert_wwm.tasks.run_files import RunFiles, new_record
from bert_wwm.tasks.task import Settings
from bert_wwm.train.checkpoints import find_weights
from bert_wwm.train.estimator import Estimators, Machine
from bert_wwm.train.loop import Summary, read_step, train_with_evaluations
from bert_wwm.train.model_fn import make_model_fn
from bert_wwm.train.settings import TrainingSettings

_STOPPED = 143  # the status of a process that SIGTERM ended
_DEV_DATA, _DECODING = "hash of the evaluated data", "decoding"
_NEW_SETTINGS = {"stop_on_nan": True, "use_float16": False}  # earlier versions don't record them
_TPU_INPUT = "tpu_input"  # the folder of records for a TPU, in that of the run
# What is left of a training, to go on from.
_CHECKPOINT = re.compile(r"model\.ckpt-\d+\..*|graph\.pbtxt")

Log = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of a fine-tuning: of one run, or of several."""

    paths: Mapping[str, str]  # the files of the wanted splits, by ``train``, ``dev`` and ``test``
    settings: Settings  # of the task, or the flags' own
    learning_rates: Sequence[float]  # of which the best is chosen by the score on ``dev``
    seeds: Sequence[int]  # of the runs
    warmup_proportion: float  # the share of the steps in which the learning rate rises
    padding: Padding  # of a sequence
    predict_batch_size: int  # of ``test``; ``dev`` has the machine's ``eval_batch_size``
    machine: Machine  # each run changes its folder and seed
    training: TrainingSettings  # each run changes its learning rate, seed and steps
    identity: Mapping[str, Any]  # what else the outcome of a run depends on, as JSON knows it
    job_options: Mapping[str, Any]  # those that the kind of the task has
    feature_dir: str  # where features are kept
    num_workers: int  # processes that make features
    model_name: str | None  # in ``results.json``; None: the folder of the initial weights

    @property
    def several(self) -> bool:
        """Whether there is more than one run."""
        return len(self.seeds) > 1 or len(self.learning_rates) > 1


class Run:
    """A run in a folder of its own, with a seed and a learning rate of its own."""

    def __init__(
        self, job: Job, config: BertConfig, options: Options, seed: int, rate: float, log: Log
    ):
        self.folder = options.machine.output_dir
        if options.several:
            self.folder = os.path.join(self.folder, f"rate_{rate:g}_seed_{seed}")
            log(f"\n== Seed {seed}, learning rate {rate:g}: {self.folder}")
        self._files = RunFiles(self.folder)
        self._job = job
        self._config = config
        self._options = options
        self._log = log
        self._padding = options.padding.times(job.objective.num_choices)
        self._machine = dataclasses.replace(
            options.machine, output_dir=self.folder, random_seed=seed
        )
        self._settings = dataclasses.replace(
            options.training,
            learning_rate=rate,
            random_seed=seed,
            skip_padding=self._padding.skipped,
            tpu_buckets=self._padding.shapes if self._machine.use_tpu else (),
        )
        self._identity = {
            "task": job.task.name,
            **options.identity,
            "learning_rate": rate,
            "random_seed": seed,
        }

    def carry_out(self, splits: Mapping[str, Split]) -> dict[str, Any]:
        """Trains if there is ``train``; then scores and writes the predictions of the others.

        What has been done before, with the same settings, is left as it is. Returns ``run.json``:
        among others, for each split its scores by name. Raises ConfigError if the folder holds
        another run, or no weights.
        """
        do_train = TRAIN in splits
        record = self._read_record(splits) if do_train else new_record({})
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
            for name in (DEV, TEST):
                if name not in splits:
                    continue
                made_of = {"features": splits[name].key, **self._job.decoding}
                if do_train and record["made_of"].get(name) == made_of:
                    continue
                record[name] = self._evaluate(splits[name], checkpoint or None)
                record["made_of"][name] = made_of

        # Without --do_train another process may be training there.
        read_newest(
            lambda: find_weights(self.folder, self._log, do_train) or "", evaluate_splits, self._log
        )
        if do_train:
            self._files.write_record(record)
            if self._options.several:
                self._remove_all_but_best()
        return record

    def _read_record(self, splits: Mapping[str, Split]) -> dict[str, Any]:
        """Returns the record of an earlier process, or a new one."""
        settings = {
            **self._job.featurizer.describe(),
            **self._identity,
            "hash of the training data": splits[TRAIN].key,
            _DEV_DATA: splits[DEV].key if DEV in splits else None,
            _DECODING: dict(self._job.decoding),
        }
        if not find_weights(self.folder, self._log):  # it failed before its first step
            return new_record(settings)
        record = self._files.read_record()
        if not record:
            raise ConfigError(
                f"{self.folder}: holds weights of another program; expected a new --output_dir, "
                "or one of the same task"
            )
        former = record["settings"]
        for name, value in _NEW_SETTINGS.items():
            former.setdefault(name, value)
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
        # google-research/bert's number if an example is one sequence. In reading comprehension it
        # counts questions, HFL, as here, the chunks of their contexts.
        num_steps = max(1, int(rows / batch_size * self._options.settings.num_train_epochs))
        settings = dataclasses.replace(
            self._settings,
            num_train_steps=num_steps,
            num_warmup_steps=int(num_steps * self._options.warmup_proportion),
        )
        estimators = self._make_estimators(settings, self._machine)
        estimators.check_batch_size()
        files.make_folder(self.folder)

        def evaluate_newest() -> dict[str, float]:
            assert dev is not None
            _, scores = self._predict(dev, estimators, None)
            self._show_in_tensorboard(scores)
            return scores

        every = math.ceil(rows / batch_size) if dev else 0
        task = self._job.task
        return train_with_evaluations(
            estimators,
            self._log,
            num_steps,
            self._training_input(train, num_steps, estimators.num_replicas),
            every,
            evaluate_newest,
            task.best_metric or task.metrics[0],
            self._describe_scores,
        )

    def _training_input(
        self, train: Split, num_steps: int, num_replicas: int
    ) -> Callable[[int], InputFn]:
        """Returns what gives the input from a step on."""
        batch_size, padding = self._machine.train_batch_size, self._padding
        seed, objective = self._settings.random_seed, self._job.objective
        order = TrainingOrder(train.table.lengths, batch_size, num_steps, seed, padding)
        names = [*objective.inputs, *objective.targets]

        def batches_from(first: int) -> Iterator[tuple[FeatureTable, Batch]]:
            return ((train.table, order.batch(number)) for number in range(first, num_steps))

        if not self._machine.use_tpu:
            return lambda step: host_input_fn(
                lambda: batches_from(step), objective, names, num_replicas
            )
        path = self._record_path(train, [seed, num_steps], batch_size)
        return lambda step: record_input_fn(
            lambda: batches_from(0),
            objective,
            names,
            path,
            padding.shapes[-1],
            batch_size,
            step,
            num_steps,
        )

    def _record_path(self, split: Split, order: Any, batch_size: int) -> str:
        """Returns the file of the records of batches in some order, for a TPU."""
        facts = [split.key, order, batch_size, self._padding.shapes]
        key = hashlib.sha256(json.dumps(facts).encode("ascii")).hexdigest()[:32]
        return os.path.join(self.folder, _TPU_INPUT, f"{split.name}-{key}.tfrecord")

    def _predict(
        self, split: Split, estimators: Estimators, checkpoint: str | None
    ) -> tuple[Any, dict[str, float]]:
        """Returns the predictions, in the form of the job, and their scores by name."""
        batch_size = estimators.machine.eval_batch_size
        records = self._record_path(split, None, batch_size) if self._machine.use_tpu else None
        [(_, outputs)] = predict_tables(
            estimators,
            self._job.objective,
            [split.table],
            self._padding.shapes,
            checkpoint,
            records,
        )
        predictions = self._job.decode(split, outputs)
        return predictions, self._job.score(split, predictions)

    def _evaluate(self, split: Split, checkpoint: str | None) -> dict[str, float]:
        """Predicts, writes the predictions and ``eval_results.txt``, and returns the scores."""
        machine, settings = self._machine, self._settings
        if split.name == TEST:
            batch_size = self._options.predict_batch_size
            machine = dataclasses.replace(machine, eval_batch_size=batch_size)
        if checkpoint:
            settings = dataclasses.replace(settings, init_checkpoint=None)
        estimators = self._make_estimators(settings, machine)
        predictions, scores = self._predict(split, estimators, checkpoint)
        contents = self._job.files(split, predictions)
        if split.name == DEV:
            step = read_step(checkpoint) if checkpoint else 0
            lines = {**self._job.result_lines(scores), "global_step": step}
            contents["eval_results.txt"] = "".join(f"{k} = {lines[k]}\n" for k in sorted(lines))
        input_files.check_unchanged()
        for name, content in contents.items():
            files.write_text(os.path.join(self.folder, name), content)
        self._log(f"{split.name:<5}  {self.folder}: {', '.join(sorted(contents))}")
        return scores

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
        records = os.path.join(self.folder, _TPU_INPUT)
        if tf.gfile.IsDirectory(records):
            tf.gfile.DeleteRecursively(records)

    def _make_estimators(self, settings: TrainingSettings, machine: Machine) -> Estimators:
        model_fn = make_model_fn(self._config, self._job.objective, settings, self._log)
        return Estimators(model_fn, machine)
