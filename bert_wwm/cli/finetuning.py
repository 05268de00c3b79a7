"""What the programs that fine-tune do, whatever the kind of their tasks."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from bert_wwm.cli import finetuning_flags, model_flags
from bert_wwm.cli.tokenizer_flags import make_tokenizer_from_flags
from bert_wwm.core import files, input_files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.label_file import read_labels
from bert_wwm.core.lock import locked
from bert_wwm.tasks.featurize import featurize
from bert_wwm.tasks.label_counts import label_counts
from bert_wwm.tasks.reading_tasks import ReadingTask
from bert_wwm.tasks.task import Settings, Task
from bert_wwm.text.tokenizer import Tokenizer

FLAGS = flags.FLAGS

# Makes the job of a task: of the tokenizer, the longest sequence, and the labels of the task.
MakeJob = Callable[[Task, Tokenizer, int, Sequence[str]], Any]

_OF_LABELS = ("output_weights", "output_bias")  # variables, of texts' classes as of tokens' tags
_SPLITS = ("train", "dev", "test")
# What the outcome of a run depends on, besides the features.
_IDENTITY = (
    "bert_config_file init_checkpoint allow_random_init warmup_proportion num_accumulation_steps "
    "optimizer layer_decay gelu use_bfloat16"
).split()


def finetune(task: Task, make_job: MakeJob, find_labels: Callable | None = None) -> None:
    """Trains, evaluates and predicts, as the flags say.

    Args:
        task: for what.
        make_job: makes the task's job.
        find_labels: finds the labels of a task that doesn't define them in its training file's
            examples.
    """
    finetuning_flags.check_flags()
    model_flags.prepare_xla()
    # TensorFlow takes seconds to import; a wrong flag should not.
    from bert_wwm.compat import tf
    from bert_wwm.train.cluster import check_cluster
    from bert_wwm.train.half_precision import check_half_precision
    from bert_wwm.train.output_dir import check_start

    if FLAGS.use_tpu:  # there the Estimator says how the training goes
        tf.logging.set_verbosity(tf.logging.INFO)
    check_cluster(None, log)
    if FLAGS.use_bfloat16:
        check_half_precision(FLAGS.use_tpu, log)
    check_start(FLAGS.output_dir, FLAGS.init_checkpoint, for_task=True)
    with locked(FLAGS.output_dir) if FLAGS.do_train else contextlib.nullcontext():
        _finetune(task, make_job, find_labels)


def _finetune(task: Task, make_job: MakeJob, find_labels: Callable | None) -> None:
    from bert_wwm.finetuning.repeat import repeat
    from bert_wwm.model.bert import BertConfig

    config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu(FLAGS.gelu)
    small = finetuning_flags.is_small(config.num_hidden_layers, config.hidden_size)
    settings = finetuning_flags.settings_of(task, small)
    config.check_length(settings.max_seq_length, FLAGS.bert_config_file)
    rates = finetuning_flags.learning_rates(settings.learning_rate)
    tokenizer = make_tokenizer_from_flags()
    if len(tokenizer.vocabulary) > config.vocab_size:
        raise ConfigError(
            f"{FLAGS.vocab_file}: {len(tokenizer.vocabulary):,} pieces; expected at most the "
            f"{config.vocab_size:,} of vocab_size in {FLAGS.bert_config_file}"
        )
    examples = _read(task)
    labels = _labels(task, examples, find_labels)
    _check_initial_weights(task, labels)
    job = make_job(task, tokenizer, settings.max_seq_length, labels)
    splits = _featurized(job, examples)
    several = FLAGS.num_runs > 1 or len(rates) > 1
    runner = _Runner(job, config, settings, splits, several)
    seeds = [FLAGS.random_seed + number for number in range(FLAGS.num_runs)]
    results = repeat(runner.carry_out, seeds, rates, task.best_metric or task.metrics[0])
    _report(task, settings, results)


def _read(task: Task) -> dict[str, list[Any]]:
    """Returns the examples of the splits that are needed."""
    wanted = dict(zip(_SPLITS, (FLAGS.do_train, FLAGS.do_eval, FLAGS.do_predict)))
    examples = {}
    for split in (split for split in _SPLITS if wanted[split]):
        path = finetuning_flags.path_of(task, split)
        examples[split] = task.read(path, log)
        if not examples[split]:
            raise DataError(f"{path}: holds no example; expected some of {task.title}")
        log(f"{split:<5}  {path}: {len(examples[split]):,} examples")
        labels = label_counts(examples[split]) if _has_labels(task) else None
        if labels:
            log(f"{split:<5}  labels: {labels}")
    return examples


def _has_labels(task: Task) -> bool:
    """Whether examples have more than one label: all answers of CMRC 2018 are spans."""
    return not isinstance(task, ReadingTask) or task.with_null


def _labels(
    task: Task, examples: Mapping[str, list[Any]], find_labels: Callable | None
) -> Sequence[str]:
    """Returns what there is to predict: the task's labels, or those of the training data."""
    if task.labels is not None or find_labels is None:
        return task.labels or ()
    if "train" not in examples:
        return _labels_of_training(task)
    return find_labels(finetuning_flags.path_of(task, "train"), examples["train"])


def _labels_of_training(task: Task) -> Sequence[str]:
    """Returns the labels that the weights were trained for."""
    from bert_wwm.finetuning.run import LABELS

    path = os.path.join(FLAGS.output_dir, LABELS)
    if not files.exists(path):
        path = _labels_of_initial_weights()
    if not path:
        raise ConfigError(
            f"{os.path.join(FLAGS.output_dir, LABELS)}: missing, so the labels of {task.name} "
            "aren't known; expected the --output_dir of a run, or its weights as --init_checkpoint"
        )
    return read_labels(path)


def _labels_of_initial_weights() -> str | None:
    """Returns the file of labels beside --init_checkpoint, if there is one."""
    from bert_wwm.finetuning.run import LABELS

    if not FLAGS.init_checkpoint:
        return None
    path = files.absolute(FLAGS.init_checkpoint)
    # A checkpoint, or a folder of some; that of the best is within a run's.
    folders = [path, os.path.dirname(path), os.path.dirname(os.path.dirname(path))]
    paths = (os.path.join(folder, LABELS) for folder in folders)
    return next(filter(files.exists, paths), None)


def _check_initial_weights(task: Task, labels: Sequence[str]) -> None:
    """Raises ConfigError where a training would start from weights for more or fewer labels."""
    path = _labels_of_initial_weights() if FLAGS.do_train and labels else None
    if not path or set(_OF_LABELS) <= set(FLAGS.allow_random_init):
        return
    count = len(read_labels(path))
    if count != len(labels):
        raise ConfigError(
            f"--init_checkpoint={FLAGS.init_checkpoint}: fine-tuned for the {count} labels of "
            f"{path}; expected weights for the {len(labels)} of {task.name}, or "
            f"--allow_random_init={','.join(_OF_LABELS)} to learn these anew"
        )


def _featurized(job: Any, examples: Mapping[str, list[Any]]) -> dict[str, Any]:
    from bert_wwm.finetuning.job import Split

    folder = finetuning_flags.feature_dir()
    splits = {}
    for name, of_file in examples.items():
        path = finetuning_flags.path_of(job.task, name)
        usable = job.usable(name, of_file)
        job.check(name, path, usable, log)
        table, key = featurize(job.featurizer, usable, FLAGS.num_workers, folder, log)
        splits[name] = Split(name, path, usable, table, key)
        if name == "train" and not len(table):
            raise DataError(f"{path}: all texts are empty; expected some to learn from")
        for note in job.notes(splits[name]):
            log(note)
    return splits


class _Runner:
    """Makes runs of the flags, and carries them out."""

    def __init__(
        self,
        job: Any,
        config: Any,
        settings: Settings,
        splits: Mapping[str, Any],
        several: bool,
    ):
        self._job = job
        self._config = config
        self._settings = settings
        self._splits = splits
        self._several = several

    def carry_out(self, seed: int, rate: float) -> dict[str, Any]:
        """Returns the record of a run with a seed and a learning rate."""
        from bert_wwm.finetuning.run import Plan, Run
        from bert_wwm.train.estimator import Machine
        from bert_wwm.train.settings import TrainingSettings

        folder = FLAGS.output_dir
        if self._several:
            folder = os.path.join(folder, f"rate_{rate:g}_seed_{seed}")
            log(f"\n== Seed {seed}, learning rate {rate:g}: {folder}")
        settings = self._settings
        of_run = {
            "output_dir": folder,
            "learning_rate": rate,
            "random_seed": seed,
            "train_batch_size": settings.train_batch_size,
        }
        padding = finetuning_flags.padding_of(settings.max_seq_length)
        machine = Machine(**{**model_flags.values_of(Machine), **_of(Machine, of_run)})
        training = TrainingSettings(
            **{
                **model_flags.values_of(TrainingSettings),
                **_of(TrainingSettings, of_run),
                "num_train_steps": 0,  # hangs on the training data
                "num_warmup_steps": 0,
                "skip_padding": padding.skipped,
                "tpu_buckets": padding.shapes if FLAGS.use_tpu else (),
            }
        )
        plan = Plan(
            settings.num_train_epochs,
            FLAGS.warmup_proportion,
            padding,
            FLAGS.predict_batch_size,
            only_best=self._several,
        )
        identity = {
            "task": self._job.task.name,
            **{name: FLAGS[name].value for name in _IDENTITY},
            **{name: value for name, value in of_run.items() if name != "output_dir"},
            "num_train_epochs": settings.num_train_epochs,
            "several tpu_buckets": padding.by_length,
            "skip_padding": padding.skipped,
        }
        run = Run(self._job, self._config, training, machine, plan, log)
        return run.carry_out(self._splits, FLAGS.do_train, identity)


def _of(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those of the values that the dataclass has fields for."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _report(task: Task, settings: Settings, results: dict[str, Any]) -> None:
    """Prints the scores, and writes ``results.json``.

    Raises:
        DataError: an input file has changed.
    """
    input_files.check_unchanged()
    from bert_wwm.finetuning.repeat import in_hfls_form

    for split in ("dev", "test"):
        summary = results.get(split, {})
        if not all(name in summary for name in task.metrics):
            continue
        if results["num_runs"] == 1:
            values = " / ".join(f"{summary[name]['max']:.2f}" for name in task.metrics)
        else:
            values = in_hfls_form(summary, task.metrics)
        log(f"{task.title}, {split}: {' / '.join(task.metrics)}  {values}")
    if not FLAGS.do_train:
        return
    results = {
        "task": task.name,
        "model": FLAGS.model_name or _name_of_model(),
        "settings": {**settings._asdict(), "learning_rate": results["learning_rate"]},
        **results,
    }
    text = json.dumps(results, indent=2, ensure_ascii=False) + "\n"
    files.write_text(os.path.join(FLAGS.output_dir, "results.json"), text)


def _name_of_model() -> str | None:
    """Returns the name of the folder that the weights start from."""
    if not FLAGS.init_checkpoint:
        return None
    path = files.absolute(FLAGS.init_checkpoint)
    is_folder = not files.exists(f"{path}.index")
    return os.path.basename(path if is_folder else os.path.dirname(path))


def log(text: str) -> None:
    print(text, flush=True)
