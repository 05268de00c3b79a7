"""Fine-tunes as the programs do: data to features, runs with seeds and rates, results."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from bert_wwm.core import files, input_files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.finetuning.job import DEV, TEST, TRAIN, Job, Split
from bert_wwm.finetuning.repeat import format_like_hfl, repeat
from bert_wwm.finetuning.run import Log, Options, Run
from bert_wwm.model.bert import BertConfig
from bert_wwm.tasks.examples import label_counts
from bert_wwm.tasks.featurize import featurize
from bert_wwm.tasks.kinds import KINDS
from bert_wwm.tasks.run_files import RunFiles
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.train.settings import TrainingSettings

_OF_LABELS = ("output_weights", "output_bias")  # variables, of texts' classes as of tokens' tags


def fine_tune(
    task: Task, config: BertConfig, tokenizer: Tokenizer, options: Options, log: Log
) -> None:
    """Trains, evaluates and predicts; prints the scores and writes ``results.json``."""
    examples = {split: _read(task, split, path, log) for split, path in options.paths.items()}
    kind = KINDS[task.kind].load_job()
    labels = _find_labels(kind, task, examples, options) if kind.has_labels else ()
    if TRAIN in examples and labels:
        _check_initial_labels(task, labels, options.training)
    job = kind(task, tokenizer, options.settings.max_seq_length, labels, **options.job_options)
    splits = {name: _make_split(job, name, examples[name], options, log) for name in examples}

    def carry_out(seed: int, rate: float) -> dict[str, Any]:
        return Run(job, config, options, seed, rate, log).carry_out(splits)

    best_metric = task.best_metric or task.metrics[0]
    results = repeat(carry_out, options.seeds, options.learning_rates, best_metric)
    input_files.check_unchanged()
    for line in _describe_results(task, results):
        log(line)
    if TRAIN in splits:
        settings = options.settings._replace(learning_rate=results["learning_rate"])
        RunFiles(options.machine.output_dir).write_results(
            {
                "task": task.name,
                "model": options.model_name or _name_of_model(options.training.init_checkpoint),
                "settings": settings._asdict(),
                **results,
            }
        )


def _read(task: Task, split: str, path: str, log: Log) -> list[Any]:
    """Returns the examples of a file."""
    examples = task.read(path, log)
    if not examples:
        raise DataError(f"{path}: holds no example; expected some of {task.title}")
    log(f"{split:<5}  {path}: {len(examples):,} examples")
    labels = label_counts(examples) if task.shows_labels else None
    if labels:
        log(f"{split:<5}  labels: {labels}")
    return examples


def _find_labels(
    kind: type[Job], task: Task, examples: Mapping[str, list[Any]], options: Options
) -> Sequence[str]:
    """Returns the task's labels, or those of the training data, or of the weights."""
    if task.labels is not None:
        return task.labels
    if TRAIN in examples:
        return kind.find_labels(options.paths[TRAIN], examples[TRAIN])
    run = RunFiles(options.machine.output_dir)
    labels = run.read_labels()
    if labels is None and options.training.init_checkpoint:
        labels = RunFiles.of_checkpoint(options.training.init_checkpoint).read_labels()
    if labels is None:
        raise ConfigError(
            f"{run.labels}: missing, so the labels of {task.name} aren't known; expected the "
            "--output_dir of a run, or its weights as --init_checkpoint"
        )
    return labels


def _check_initial_labels(task: Task, labels: Sequence[str], training: TrainingSettings) -> None:
    """Raises ConfigError where a training would start from weights for more or fewer labels."""
    if not training.init_checkpoint or set(_OF_LABELS) <= set(training.allow_random_init):
        return
    run = RunFiles.of_checkpoint(training.init_checkpoint)
    former = run.read_labels()
    if former is not None and len(former) != len(labels):
        raise ConfigError(
            f"--init_checkpoint={training.init_checkpoint}: fine-tuned for the {len(former)} "
            f"labels of {run.labels}; expected weights for the {len(labels)} of {task.name}, or "
            f"--allow_random_init={','.join(_OF_LABELS)} to learn these anew"
        )


def _make_split(job: Job, name: str, examples: list[Any], options: Options, log: Log) -> Split:
    """Checks examples, and makes their features."""
    path = options.paths[name]
    usable = job.usable(name, examples)
    job.check(name, path, usable, log)
    table, key = featurize(job.featurizer, usable, options.num_workers, options.feature_dir, log)
    if name == TRAIN and not len(table):
        raise DataError(f"{path}: all texts are empty; expected some to learn from")
    split = Split(name, path, usable, table, key)
    for note in job.notes(split):
        log(note)
    return split


def _describe_results(task: Task, results: Mapping[str, Any]) -> list[str]:
    """Returns a line of the scores of each split that has some."""
    lines = []
    for split in (DEV, TEST):
        summary = results.get(split, {})
        if not all(name in summary for name in task.metrics):
            continue
        values = format_like_hfl(summary, task.metrics)
        if results["num_runs"] == 1:
            values = " / ".join(f"{summary[name]['max']:.2f}" for name in task.metrics)
        lines.append(f"{task.title}, {split}: {' / '.join(task.metrics)}  {values}")
    return lines


def _name_of_model(init_checkpoint: str | None) -> str | None:
    """Returns the name of the folder that the weights start from."""
    if not init_checkpoint:
        return None
    path = files.absolute(init_checkpoint)
    is_folder = not files.exists(f"{path}.index")
    return os.path.basename(path if is_folder else os.path.dirname(path))
