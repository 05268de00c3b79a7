"""One fine-tuning run: training with an evaluation every epoch, predictions by the best weights."""

import dataclasses
import hashlib
import json
import math
import os
import sys
import time
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError
from bert_wwm.finetuning.input import InputFn, host_input_fn, scattered
from bert_wwm.finetuning.job import DEV, TEST, TRAIN, Job, Split
from bert_wwm.finetuning.tpu_input import record_input_fn
from bert_wwm.model.bert import BertConfig
from bert_wwm.report.training import write_summary
from bert_wwm.tasks.batches import Batch, TrainingOrder, prediction_batches
from bert_wwm.train.checkpoints import newest_readable
from bert_wwm.train.estimator import Estimators, Machine
from bert_wwm.train.loop import Loop, Summary
from bert_wwm.train.model_fn import TrainingSettings, make_model_fn

_RECORD = "run.json"


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long to train, and in which batches.

    Attributes:
        num_train_epochs: passes over the training data.
        warmup_proportion: share of the steps in which the learning rate rises.
        shapes: the lengths that batches may be padded to, ascending.
        predict_batch_size: examples of ``test`` at a time; ``dev`` has the machine's
            ``eval_batch_size``.
    """

    num_train_epochs: float
    warmup_proportion: float
    shapes: Sequence[int]
    predict_batch_size: int

    def num_train_steps(self, num_rows: int, batch_size: int) -> int:
        """Returns google-research/bert's number of steps; 1 at least."""
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
    ) -> Dict[str, Any]:
        """Trains where asked to; then scores and writes the predictions of the other splits.

        A run that has been carried out before is left as it is.

        Args:
            splits: ``train`` where it is to train; ``dev``, to evaluate; ``test``, to predict.
            do_train: whether to train.
            identity: what the outcome of training depends on, as JSON knows it.

        Returns:
            The run's record, ``run.json``: among others, for each split its scores by name.

        Raises:
            ConfigError: the folder holds another run, or no weights.
        """
        wanted = [splits[name] for name in (DEV, TEST) if name in splits]
        record = self._record(splits, identity) if do_train else {"features": {}}
        if do_train and record["finished"] and all(_has(record, split) for split in wanted):
            self._log(f"{self.folder}: finished before, with these settings")
            return record
        if do_train:
            self._train_and_record(splits, record)
        checkpoint = self._weights()
        if not checkpoint and not self._settings.init_checkpoint:
            raise ConfigError(
                f"{self.folder}: holds no trained weights; expected --do_train, or "
                "--init_checkpoint with the weights of a fine-tuned model"
            )
        for split in wanted:
            record[split.name] = self._results(split, checkpoint)
            record["features"][split.name] = split.key
        record["finished"] = True
        if do_train:
            self._write_record(record)
        return record

    def _record(self, splits: Mapping[str, Split], identity: Mapping[str, Any]) -> Dict[str, Any]:
        """Returns the record of an earlier process, or a new one."""
        settings = {**identity, "train_features": splits[TRAIN].key}
        path = os.path.join(self.folder, _RECORD)
        if not files.exists(path):
            return {"settings": settings, "features": {}, "finished": False}
        record = json.loads(files.read_bytes(path))
        for name, value in settings.items():
            before = record["settings"].get(name)
            if before != value:
                raise ConfigError(
                    f"{self.folder}: holds a run with {name} {before}, not {value}; expected the "
                    "same settings, or another --output_dir"
                )
        return record

    def _train_and_record(self, splits: Mapping[str, Split], record: Dict[str, Any]) -> None:
        begun = time.monotonic()
        self._write_record(record)
        summary = self._train(splits[TRAIN], splits.get(DEV))
        write_summary(self.folder, dataclasses.asdict(summary), self._log)
        if summary.stopped:
            self._log(f"Stopped at step {summary.last_step:,}; the same command goes on")
            sys.exit(143)
        record["seconds"] = record.get("seconds", 0.0) + time.monotonic() - begun

    def _write_record(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        files.write_text(os.path.join(self.folder, _RECORD), text)

    def _results(self, split: Split, checkpoint: Optional[str]) -> Dict[str, float]:
        """Predicts, writes predictions and ``eval_results.txt``, and returns the scores."""
        machine = self._machine
        if split.name == TEST:
            machine = dataclasses.replace(machine, eval_batch_size=self._plan.predict_batch_size)
        predictions = self._predict(self._estimators(self._settings, machine), split, checkpoint)
        scores = self._job.score(split, predictions)
        contents = self._job.files(split, predictions)
        if split.name == DEV:
            step = int(tf.train.load_variable(checkpoint, "global_step")) if checkpoint else 0
            lines = {**self._job.result_lines(scores), "global_step": step}
            contents["eval_results.txt"] = "".join(f"{k} = {lines[k]}\n" for k in sorted(lines))
        for name, content in contents.items():
            files.write_text(os.path.join(self.folder, name), content)
        return scores

    def _train(self, train: Split, dev: Optional[Split]) -> Summary:
        """Trains, or goes on, to the last step; keeps the weights that are best on ``dev``."""
        rows, batch_size = len(train.table), self._machine.train_batch_size
        num_steps = self._plan.num_train_steps(rows, batch_size)
        settings = dataclasses.replace(
            self._settings,
            num_train_steps=num_steps,
            num_warmup_steps=int(num_steps * self._plan.warmup_proportion),
        )
        order = TrainingOrder(
            train.table.lengths, batch_size, num_steps, settings.random_seed, self._plan.shapes
        )
        estimators = self._estimators(settings, self._machine)
        estimators.check_batch_size()
        files.make_folder(self.folder)

        def evaluate() -> Dict[str, float]:
            assert dev is not None
            return self._job.score(dev, self._predict(estimators, dev, None))

        def input_fn_at(step: int) -> InputFn:
            return self._input_fn(train, order.batch, num_steps, batch_size, step)

        every = -(-num_steps // math.ceil(self._plan.num_train_epochs)) if dev else 0
        task = self._job.task
        return Loop(estimators, self._log, self._line).train(
            num_steps, input_fn_at, every, evaluate, task.best_metric or task.metrics[0]
        )

    def _line(self, scores: Mapping[str, float]) -> str:
        shown = [f"{name} {scores[name]:.2f}" for name in self._job.task.metrics]
        return "  ".join(["dev", *shown])

    def _predict(self, estimators: Estimators, split: Split, checkpoint: Optional[str]) -> Any:
        batch_size = estimators.machine.eval_batch_size
        batches = prediction_batches(split.table.lengths, batch_size, self._plan.shapes)
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
        order = [split.key, seed, num_batches, batch_size, self._plan.shapes]
        name = hashlib.sha256(json.dumps(order).encode("ascii")).hexdigest()[:32]
        return record_input_fn(
            split.table,
            objective,
            names,
            batch_at,
            num_batches,
            first_batch,
            os.path.join(self.folder, "tpu_input", f"{split.name}-{name}.tfrecord"),
            self._plan.shapes[-1],
            batch_size,
        )

    def _weights(self) -> Optional[str]:
        """Returns the prefix of the best weights in the folder, or else of the newest."""
        best = tf.train.latest_checkpoint(os.path.join(self.folder, "best"))
        return best or newest_readable(self.folder, self._log)

    def _estimators(self, settings: TrainingSettings, machine: Machine) -> Estimators:
        model_fn = make_model_fn(self._config, self._job.objective, settings, self._log)
        return Estimators(model_fn, machine)


def _has(record: Mapping[str, Any], split: Split) -> bool:
    return split.name in record and record["features"].get(split.name) == split.key
