"""One fine-tuning run: training with an evaluation every epoch, predictions by the best weights."""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core import files, input_files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import is_number, read_json
from bert_wwm.finetuning.input import InputFn, host_input_fn, scattered
from bert_wwm.finetuning.job import DEV, TEST, TRAIN, Job, Split
from bert_wwm.finetuning.tpu_input import record_input_fn
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.checkpoint_path import BEST, find_newest, read_newest
from bert_wwm.report.training import write_summary
from bert_wwm.tasks.batches import Batch, Padding, TrainingOrder, prediction_batches
from bert_wwm.train.checkpoints import newest_readable
from bert_wwm.train.estimator import Estimators, Machine
from bert_wwm.train.loop import Loop, Summary, read_step
from bert_wwm.train.model_fn import make_model_fn
from bert_wwm.train.settings import TrainingSettings

_RECORD, LABELS = "run.json", "labels.json"
_TPU_INPUT = "tpu_input"
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
        job: the task.
        config: the encoder.
        settings: how to train, but for the numbers of steps.
        machine: where; its ``output_dir`` is the run's folder.
        plan: how long.
        log: takes what the user should see.
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
        record = self._record(splits, identity) if do_train else _new_record({})
        if record["trained"]:
            self._log(f"{self.folder}: trained before, with these settings")
        elif do_train:
            self._train_and_record(splits, record)

        def use(checkpoint: str | None) -> None:
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
                record[split.name] = self._results(split, checkpoint)
                record["made_of"][split.name] = made_of

        # Without --do_train another process may be training there.
        read_newest(lambda: self._weights(repair=do_train), use, self._log)
        if do_train:
            self._write_record(record)
            if self._plan.only_best:
                self._remove_all_but_best()
        return record

    def _record(self, splits: Mapping[str, Split], identity: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the record of an earlier process, or a new one."""
        settings = {
            **self._job.featurizer.describe(),
            **identity,
            "hash of the training data": splits[TRAIN].key,
            _DEV_DATA: splits[DEV].key if DEV in splits else None,
            _DECODING: dict(self._job.decoding),
        }
        path = os.path.join(self.folder, _RECORD)
        if not self._weights():  # what failed before its first step is no run
            return _new_record(settings)
        if not files.exists(path):
            raise ConfigError(
                f"{self.folder}: holds weights of another program; expected a new --output_dir, "
                "or one of the same task"
            )
        record = None
        with contextlib.suppress(DataError):
            record = read_json(path)
        if not is_whole(record, self._job.task.metrics):
            raise DataError(
                f"{path}: is broken; expected the record of a run, or another --output_dir"
            )
        former = record["settings"]
        for name, value in settings.items():
            before = former.get(name)
            if name == _DECODING and record["trained"]:
                continue  # the best weights are chosen; other predictions may be made by them
            if before != value and not (name == _DEV_DATA and None in (before, value)):
                raise ConfigError(
                    f"{self.folder}: holds a run with {name} {before}, not {value}; expected the "
                    "same settings, or another --output_dir"
                )
        former[_DEV_DATA] = settings[_DEV_DATA] or former[_DEV_DATA]
        return record

    def _train_and_record(self, splits: Mapping[str, Split], record: dict[str, Any]) -> None:
        begun = time.monotonic()
        self._write_record(record)
        if self._job.labels:
            text = json.dumps(list(self._job.labels), ensure_ascii=False) + "\n"
            files.write_text(os.path.join(self.folder, LABELS), text)
        summary = self._train(splits[TRAIN], splits.get(DEV))
        write_summary(self.folder, dataclasses.asdict(summary), self._log)
        record["seconds"] = record.get("seconds", 0.0) + time.monotonic() - begun
        record["trained"] = not summary.stopped
        self._write_record(record)
        if summary.stopped:
            self._log(f"Stopped at step {summary.last_step:,}; the same command goes on")
            sys.exit(_STOPPED)

    def _write_record(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        files.write_text(os.path.join(self.folder, _RECORD), text)

    def _results(self, split: Split, checkpoint: str | None) -> dict[str, float]:
        """Predicts, writes predictions and ``eval_results.txt``, and returns the scores.

        Raises:
            DataError: an input file has changed; nothing is written then.
        """
        machine, settings = self._machine, self._settings
        if split.name == TEST:
            machine = dataclasses.replace(machine, eval_batch_size=self._plan.predict_batch_size)
        if checkpoint:
            settings = dataclasses.replace(settings, init_checkpoint=None)
        step = read_step(checkpoint) if checkpoint else 0
        predictions = self._predict(self._estimators(settings, machine), split, checkpoint)
        scores = self._job.score(split, predictions)
        contents = self._job.files(split, predictions)
        if split.name == DEV:
            lines = {**self._job.result_lines(scores), "global_step": step}
            contents["eval_results.txt"] = "".join(f"{k} = {lines[k]}\n" for k in sorted(lines))
        input_files.check_unchanged()
        for name, content in contents.items():
            files.write_text(os.path.join(self.folder, name), content)
        self._log(f"{split.name:<5}  {self.folder}: {', '.join(sorted(contents))}")
        return scores

    def _train(self, train: Split, dev: Split | None) -> Summary:
        """Trains, or goes on, to the last step; keeps the weights that are best on ``dev``."""
        rows, batch_size = len(train.table), self._machine.train_batch_size
        num_steps = self._plan.num_train_steps(rows, batch_size)
        settings = dataclasses.replace(
            self._settings,
            num_train_steps=num_steps,
            num_warmup_steps=int(num_steps * self._plan.warmup_proportion),
        )
        order = TrainingOrder(
            train.table.lengths,
            batch_size,
            num_steps,
            settings.random_seed,
            self._plan.padding,
        )
        estimators = self._estimators(settings, self._machine)
        estimators.check_batch_size()
        files.make_folder(self.folder)

        def evaluate() -> dict[str, float]:
            assert dev is not None
            scores = self._job.score(dev, self._predict(estimators, dev, None))
            self._show_in_tensorboard(scores)
            return scores

        def input_fn_at(step: int) -> InputFn:
            return self._input_fn(train, order.batch, num_steps, batch_size, step)

        every = math.ceil(rows / batch_size) if dev else 0
        task = self._job.task
        return Loop(estimators, self._log, self._line).train(
            num_steps, input_fn_at, every, evaluate, task.best_metric or task.metrics[0]
        )

    def _show_in_tensorboard(self, scores: Mapping[str, float]) -> None:
        """Writes the scores of the newest weights to the folder's events of evaluations."""
        step = read_step(tf.train.latest_checkpoint(self.folder))
        values = [tf.Summary.Value(tag=tag, simple_value=score) for tag, score in scores.items()]
        with tf.Graph().as_default():  # elsewhere its writer is refused
            writer = tf.summary.FileWriterCache.get(os.path.join(self.folder, "eval"))
            writer.add_summary(tf.Summary(value=values), step)
            writer.flush()

    def _line(self, scores: Mapping[str, float]) -> str:
        shown = [f"{name} {scores[name]:.2f}" for name in self._job.task.metrics]
        return "  ".join(["dev", *shown])

    def _predict(self, estimators: Estimators, split: Split, checkpoint: str | None) -> Any:
        batch_size = estimators.machine.eval_batch_size
        batches = prediction_batches(split.table.lengths, batch_size, self._plan.padding.shapes)
        input_fn = self._input_fn(split, batches.__getitem__, len(batches), batch_size)
        outputs = estimators.predict(input_fn, checkpoint)
        objective = self._job.objective
        return self._job.decode(split, scattered(outputs, batches, split.table, objective))

    def _input_fn(
        self,
        split: Split,
        batch_at: Callable[[int], Batch],
        num_batches: int,
        batch_size: int,
        first_batch: int = 0,
    ) -> InputFn:
        objective = self._job.objective
        names = [*objective.inputs, *(objective.targets if split.name == TRAIN else ())]
        if not self._machine.use_tpu:
            return host_input_fn(split.table, objective, names, batch_at, num_batches, first_batch)
        seed = self._settings.random_seed if split.name == TRAIN else None
        order = [split.key, seed, num_batches, batch_size, self._plan.padding.shapes]
        name = hashlib.sha256(json.dumps(order).encode("ascii")).hexdigest()[:32]
        return record_input_fn(
            split.table,
            objective,
            names,
            batch_at,
            num_batches,
            first_batch,
            os.path.join(self.folder, _TPU_INPUT, f"{split.name}-{name}.tfrecord"),
            self._plan.padding.shapes[-1],
            batch_size,
        )

    def _weights(self, repair: bool = True) -> str | None:
        """Returns the prefix of the best weights in the folder, or else of the newest."""
        best = find_newest(os.path.join(self.folder, BEST))
        return best or newest_readable(self.folder, self._log, repair)

    def _remove_all_but_best(self) -> None:
        """Leaves the best weights; where there was nothing to find them by, the last ones."""
        kept = "no checkpoint"
        if tf.train.latest_checkpoint(os.path.join(self.folder, BEST)):
            files.remove(os.path.join(self.folder, "checkpoint"))
        else:
            kept = os.path.basename(tf.train.latest_checkpoint(self.folder))
        for name in tf.gfile.ListDirectory(self.folder):
            if _CHECKPOINT.fullmatch(name) and not name.startswith(f"{kept}."):
                files.remove(os.path.join(self.folder, name))
        records = os.path.join(self.folder, _TPU_INPUT)
        if tf.gfile.IsDirectory(records):
            tf.gfile.DeleteRecursively(records)

    def _estimators(self, settings: TrainingSettings, machine: Machine) -> Estimators:
        model_fn = make_model_fn(self._config, self._job.objective, settings, self._log)
        return Estimators(model_fn, machine)


def is_whole(record: Any, metrics: Sequence[str]) -> bool:
    """Whether a record has what is read of it again."""
    if not isinstance(record, dict):
        return False
    kinds = {"settings": dict, "made_of": dict, "trained": bool}
    if not all(isinstance(record.get(name), kind) for name, kind in kinds.items()):
        return False
    return is_number(record.get("seconds", 0)) and all(
        _are_scores(record.get(split), metrics if split == DEV else ())
        for split in record["made_of"]
    )


def _are_scores(scores: Any, metrics: Sequence[str]) -> bool:
    if not isinstance(scores, dict) or not set(metrics) <= scores.keys():
        return False
    return all(map(is_number, scores.values()))


def _new_record(settings: dict[str, Any]) -> dict[str, Any]:
    return {"settings": settings, "trained": False, "made_of": {}}
