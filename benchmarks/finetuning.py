"""Measures fine-tuning on the CPU: the gain from skipping padding.

Training steps (forward, backward, AdamW) and predictions run as run_classifier.py runs them, by its
Estimators, input and model function, on real texts with the task's length and batch size:

  python benchmarks/finetuning.py                            RBT3's shape, three tasks, ten minutes
  python benchmarks/finetuning.py --tasks=lcqmc --steps=3 --repeats=1                   a quick look

Training has the same batches with and without their padding; predictions come in batches of fixed
length and of similar length, which stand for those of all data. Both kinds take turns on the same
weights.

The folder --data_dir holds vocab.txt, chnsenticorp/train.tsv, xnli/train_cmnli_subset.tsv and
lcqmc/dev.tsv.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import flags
from measure import Cost, Table, define_data_dir, time_work

from bert_wwm.cli import app
from bert_wwm.cli.steps import ROOT
from bert_wwm.tasks.batches import Batch, Padding, TrainingOrder, list_shapes, prediction_batches
from bert_wwm.tasks.features import FeatureTable
from bert_wwm.tasks.featurize import featurize
from bert_wwm.tasks.table import TASKS
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS

FILES = {
    "chnsenticorp": "chnsenticorp/train.tsv",
    "xnli": "xnli/train_cmnli_subset.tsv",
    "lcqmc": "lcqmc/dev.tsv",  # its training data is not among the test data
}
SEED = 12345

define_data_dir()
flags.DEFINE_list("tasks", list(FILES), f"What to train for, of {', '.join(FILES)}.")
flags.register_validator(
    "tasks", lambda names: set(names) <= set(FILES), f"expected some of {', '.join(FILES)}"
)
flags.DEFINE_string(
    "bert_config_file", os.path.join(ROOT, "configs", "rbt3.json"), "The model's shape, as JSON."
)
flags.DEFINE_integer("steps", 6, "Steps of a turn, of each kind.", lower_bound=1, upper_bound=100)
flags.DEFINE_integer("repeats", 2, "Turns; the median counts.", lower_bound=1)


class Kind(NamedTuple):
    """A way to handle padding, measured on a few batches that stand for all."""

    name: str
    batches: list[Batch]
    padding: float  # its share of what dense layers compute, over all data
    skip_padding: bool = False  # whether the model skips it


def main(_) -> None:
    print(
        f"{os.path.basename(FLAGS.bert_config_file)}, {os.cpu_count()} cores; median of "
        f"{FLAGS.repeats} times {FLAGS.steps} steps\n"
    )
    tokenizer = Tokenizer(Vocabulary.from_file(os.path.join(FLAGS.data_dir, "vocab.txt")))
    for name in FLAGS.tasks:
        measure_task(TASKS[name], tokenizer)
        print()


def measure_task(task: Task, tokenizer: Tokenizer) -> None:
    """Prints what a task costs: its features, training and predictions."""
    from bert_wwm.finetuning.sentence import SentenceJob

    examples = task.read(os.path.join(FLAGS.data_dir, FILES[task.name]), lambda note: None)
    length, batch_size = task.settings.max_seq_length, task.settings.train_batch_size
    job = SentenceJob(task, tokenizer, length, task.labels or ())
    with tempfile.TemporaryDirectory() as folder:
        (features, _), first = time_work(lambda: featurize(job.featurizer, examples, 1, folder))
        _, again = time_work(lambda: featurize(job.featurizer, examples, 1, folder))
    lengths = features.lengths
    print(
        f"{task.title}: {len(features):,} examples of {lengths.mean():.1f} tokens on average, "
        f"{length} at most, {batch_size} a step\n"
        f"features: {len(features) / first.cpu:,.0f} examples a CPU second, again from the cache "
        f"in {again.wall:.2f} s"
    )
    table = Table(
        "<12",
        ("", "<18"),
        ("% padding", ">10.1f"),
        ("s a step", ">10.2f"),
        ("CPU s", ">8.2f"),
        ("examples/s", ">12.1f"),
        ("times as fast", ">15.2f"),
        ("in CPU time", ">13.2f"),
    )
    num_steps = len(features) // batch_size
    order = TrainingOrder(lengths, batch_size, num_steps, SEED, Padding((length,)))
    in_training = [order.batch(step) for step in range(num_steps)]
    by_length = prediction_batches(lengths, batch_size, list_shapes(length, 1))
    fixed = [Batch(batch.rows, length) for batch in by_length]
    padded = make_kind("fixed length", in_training, lengths)
    training = [padded, padded._replace(name="padding skipped", padding=0.0, skip_padding=True)]
    prediction = [
        make_kind("fixed length", fixed, lengths),
        make_kind("of similar length", by_length, lengths),
    ]
    with tempfile.TemporaryDirectory() as folder:
        measure = Measure(job, features, folder)
        print_rows(table, "training", training, measure.train, batch_size)
        print_rows(table, "prediction", prediction, measure.predict, batch_size)


def make_kind(name: str, batches: Sequence[Batch], lengths: np.ndarray) -> Kind:
    positions = sum(len(batch.rows) * batch.length for batch in batches)
    tokens = sum(count_tokens(batch, lengths) for batch in batches)
    return Kind(name, choose(batches, lengths), 1 - tokens / positions)


def count_tokens(batch: Batch, lengths: np.ndarray) -> int:
    return int(lengths[batch.rows].sum())


def choose(batches: Sequence[Batch], lengths: np.ndarray) -> list[Batch]:
    """Returns full batches, from few tokens to many, which have the mean number of all."""
    full = [batch for batch in batches if len(batch.rows) == len(batches[0].rows)]
    full.sort(key=lambda batch: count_tokens(batch, lengths))
    bounds = np.linspace(0, len(full), FLAGS.steps + 1).astype(int)
    chosen, owed = [], 0.0
    for begin, end in itertools.pairwise(bounds):
        part = full[begin:end]
        owed += np.mean([count_tokens(batch, lengths) for batch in part])
        chosen.append(min(part, key=lambda batch: abs(count_tokens(batch, lengths) - owed)))
        owed -= count_tokens(chosen[-1], lengths)  # the next ones make up for it
    return chosen


class Measure:
    """Trains, and predicts with the trained weights."""

    def __init__(self, job: Any, features: FeatureTable, folder: str):
        self._job = job
        self._features = features
        self._folder = folder  # for checkpoints

    def train(self, kind: Kind) -> list[Cost]:
        """Returns what a training step on each batch takes, from random weights."""
        from bert_wwm.compat import tf

        costs: list[Cost] = []

        class Watch(tf.train.SessionRunHook):
            def before_run(self, run_context: Any) -> None:
                self._begun = time.perf_counter(), time.process_time()

            def after_run(self, run_context: Any, run_values: Any) -> None:
                wall, cpu = self._begun
                costs.append(Cost(time.perf_counter() - wall, time.process_time() - cpu))

        if tf.gfile.Exists(self._folder):
            tf.gfile.DeleteRecursively(self._folder)
        objective = self._job.objective
        batches = [kind.batches[-1], *kind.batches]  # one to warm up
        input_fn = self._input_fn(batches, (*objective.inputs, *objective.targets))
        estimators = self._estimators(len(batches), kind.skip_padding)
        estimators.train(input_fn, len(batches), [Watch()])
        return costs[1:]

    def predict(self, kind: Kind) -> list[Cost]:
        """Returns what the prediction of each batch takes."""
        batches = [kind.batches[-1], *kind.batches]
        input_fn = self._input_fn(batches, self._job.objective.inputs)
        outputs: Iterator[Any] = self._estimators(len(batches)).predict(input_fn, None)
        return [time_work(lambda: next(outputs))[1] for _ in batches][1:]

    def _input_fn(self, batches: Sequence[Batch], names: Sequence[str]) -> Callable[..., Any]:
        from bert_wwm.finetuning.input import host_input_fn

        return host_input_fn(
            lambda: ((self._features, batch) for batch in batches), self._job.objective, names
        )

    def _estimators(self, num_steps: int, skip_padding: bool = False) -> Any:
        from bert_wwm.model.bert import BertConfig
        from bert_wwm.train.estimator import Estimators, Machine
        from bert_wwm.train.model_fn import make_model_fn
        from bert_wwm.train.settings import TrainingSettings

        rate, size = self._job.task.settings.learning_rate, self._job.task.settings.train_batch_size
        settings = TrainingSettings(rate, num_steps, 0, size, skip_padding=skip_padding)
        machine = Machine(
            self._folder,
            size,
            size,
            save_checkpoints_steps=num_steps + 1,  # behind the last step only
            keep_checkpoint_max=1,
            random_seed=SEED,
        )
        config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu("erf")
        return Estimators(make_model_fn(config, self._job.objective, settings, None), machine)


def print_rows(
    table: Table,
    name: str,
    kinds: Sequence[Kind],
    measure: Callable[[Kind], list[Cost]],
    batch_size: int,
) -> None:
    """Measures kinds in turns, and prints a row for each; the first is the one to compare with."""
    turns = np.array(
        [
            [np.mean([(cost.wall, cost.cpu) for cost in measure(kind)], axis=0) for kind in kinds]
            for _ in range(FLAGS.repeats)
        ]
    )  # [turns, kinds, wall and CPU]
    medians = np.median(turns, axis=0)
    times = np.median(turns[:, :1] / turns, axis=0)
    for kind, (wall, cpu), ratios in zip(kinds, medians, times):
        padding = 100 * kind.padding
        table.print_row(name, kind.name, padding, wall, cpu, batch_size / wall, *ratios)


if __name__ == "__main__":
    app.run(main)
