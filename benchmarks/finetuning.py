"""Measures fine-tuning on the CPU: what it brings to leave padding out.

Training steps (forward, backward, AdamW) and predictions run as run_classifier.py runs them, by its
Estimators, input and model function, on real texts with the task's length and batch size:

  python benchmarks/finetuning.py                            RBT3's shape, three tasks, ten minutes
  python benchmarks/finetuning.py --tasks=lcqmc --quick      a look
  python benchmarks/finetuning.py --bert_config_file=configs/bert_base.json --quick

Training has the same batches with and without their padding; predictions come in batches of fixed
length and of like length, which stand for those of all data. Both kinds take turns on the same
weights, so that the machine's moods hit both alike. CPU time, that of all threads, hangs less on
what else the machine does.

The data is the test data of the project: the folder --data_dir holds vocab.txt,
chnsenticorp/train.tsv, xnli/train_cmnli_subset.tsv and lcqmc/dev.tsv.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from bert_wwm.cli import app
from bert_wwm.tasks.batches import Batch, Padding, TrainingOrder, list_shapes, prediction_batches
from bert_wwm.tasks.features import FeatureTable
from bert_wwm.tasks.featurize import featurize
from bert_wwm.tasks.table import TASKS
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
FILES = {
    "chnsenticorp": "chnsenticorp/train.tsv",
    "xnli": "xnli/train_cmnli_subset.tsv",
    "lcqmc": "lcqmc/dev.tsv",  # its training data is not among the test data
}

flags.DEFINE_list("tasks", list(FILES), f"What to train for, of {', '.join(FILES)}.")
flags.register_validator(
    "tasks", lambda names: set(names) <= set(FILES), f"expected some of {', '.join(FILES)}"
)
flags.DEFINE_string(
    "data_dir",
    os.environ.get("BERT_WWM_TEST_DATA", os.path.join(ROOT, os.pardir, "shared", "data")),
    "The test data; by default the folder that the environment variable BERT_WWM_TEST_DATA names, "
    "or ../shared/data beside the project.",
)
flags.DEFINE_string(
    "bert_config_file", os.path.join(ROOT, "configs", "rbt3.json"), "The model's shape, as JSON."
)
flags.DEFINE_integer("steps", 6, "Steps of a turn, of each kind.", lower_bound=1, upper_bound=100)
flags.DEFINE_integer("repeats", 2, "Turns; the median counts.", lower_bound=1)
flags.DEFINE_bool("quick", False, "One turn of three steps.")

SEED = 12345


class Cost(NamedTuple):
    """Seconds by the clock, and of all threads."""

    wall: float
    cpu: float


class Kind(NamedTuple):
    """A way to go about padding.

    Attributes:
        name: of the row.
        batches: those to measure.
        padding: its share of what dense layers compute, over all data.
        skip_padding: whether the model leaves out what padding the batches have.
    """

    name: str
    batches: list[Batch]
    padding: float
    skip_padding: bool = False


def main(_) -> None:
    if FLAGS.quick:
        FLAGS.steps, FLAGS.repeats = 3, 1
    print(
        f"{os.path.basename(FLAGS.bert_config_file)}, {os.cpu_count()} cores; median of "
        f"{FLAGS.repeats} times {FLAGS.steps} steps\n"
    )
    tokenizer = Tokenizer(Vocabulary.from_file(os.path.join(FLAGS.data_dir, "vocab.txt")))
    for name in FLAGS.tasks:
        measure_task(TASKS[name], tokenizer)


def measure_task(task: Task, tokenizer: Tokenizer) -> None:
    """Prints what a task costs: its features, training and predictions."""
    from bert_wwm.finetuning.sentence import SentenceJob

    examples = task.read(os.path.join(FLAGS.data_dir, FILES[task.name]), lambda note: None)
    length, batch_size = task.settings.max_seq_length, task.settings.train_batch_size
    job = SentenceJob(task, tokenizer, length, task.labels or ())
    with tempfile.TemporaryDirectory() as folder:
        (table, _), first = timed(lambda: featurize(job.featurizer, examples, 1, folder))
        _, again = timed(lambda: featurize(job.featurizer, examples, 1, folder))
    print(
        f"{task.title}: {len(table):,} examples of {table.lengths.mean():.1f} tokens on the mean, "
        f"of {length} at most, {batch_size} a step\n"
        f"features: {len(table) / first.cpu:,.0f} examples a CPU second, again from the cache in "
        f"{again.wall:.2f} s\n"
        f"{'':<28}{'% padding':>10}{'s a step':>10}{'CPU s':>8}{'examples/s':>12}"
        f"{'times as fast':>15}{'in CPU time':>13}",
        flush=True,
    )
    lengths, shapes = table.lengths, list_shapes(length, 1)
    num_steps = len(table) // batch_size
    order = TrainingOrder(lengths, batch_size, num_steps, SEED, Padding((length,)))
    in_training = [order.batch(step) for step in range(num_steps)]
    of_like_length = prediction_batches(lengths, batch_size, shapes)
    fixed = [Batch(batch.rows, length) for batch in of_like_length]
    with tempfile.TemporaryDirectory() as folder:
        measure = Measure(job, table, folder)
        print_rows(
            "training",
            [
                Kind(
                    "fixed length", spread(in_training, lengths), padding_in(in_training, lengths)
                ),
                Kind("padding skipped", spread(in_training, lengths), 0.0, skip_padding=True),
            ],
            measure.training,
            batch_size,
        )
        print_rows(
            "prediction",
            [
                Kind("fixed length", spread(fixed, lengths), padding_in(fixed, lengths)),
                Kind(
                    "of like length",
                    spread(of_like_length, lengths),
                    padding_in(of_like_length, lengths),
                ),
            ],
            measure.prediction,
            batch_size,
        )
    print()


def timed(work: Callable[[], Any]) -> tuple[Any, Cost]:
    """Returns the result of some work, and what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Cost(time.perf_counter() - wall, time.process_time() - cpu)


def padding_in(batches: Sequence[Batch], lengths: np.ndarray) -> float:
    """Returns the share of padding in batches."""
    positions = sum(len(batch.rows) * batch.length for batch in batches)
    return 1 - sum(tokens_of(batch, lengths) for batch in batches) / positions


def tokens_of(batch: Batch, lengths: np.ndarray) -> int:
    return int(lengths[batch.rows].sum())


def spread(batches: Sequence[Batch], lengths: np.ndarray) -> list[Batch]:
    """Returns full batches, from few tokens to many, which have the mean number of all."""
    full = [batch for batch in batches if len(batch.rows) == len(batches[0].rows)]
    full.sort(key=lambda batch: tokens_of(batch, lengths))
    bounds = np.linspace(0, len(full), FLAGS.steps + 1).astype(int)
    chosen, owed = [], 0.0
    for begin, end in itertools.pairwise(bounds):
        part = full[begin:end]
        owed += np.mean([tokens_of(batch, lengths) for batch in part])
        chosen.append(min(part, key=lambda batch: abs(tokens_of(batch, lengths) - owed)))
        owed -= tokens_of(chosen[-1], lengths)  # the next ones make up for it
    return chosen


class Measure:
    """Trains, and predicts with the weights that come of it.

    Args:
        job: the task.
        table: its features.
        folder: for checkpoints.
    """

    def __init__(self, job: Any, table: FeatureTable, folder: str):
        self._job = job
        self._table = table
        self._folder = folder

    def training(self, kind: Kind) -> list[Cost]:
        """Returns what a training step on each batch takes, from random weights."""
        from bert_wwm.compat import tf

        costs: list[Cost] = []

        class Watch(tf.train.SessionRunHook):
            def before_run(self, run_context: Any) -> None:
                self._wall, self._cpu = time.perf_counter(), time.process_time()

            def after_run(self, run_context: Any, run_values: Any) -> None:
                costs.append(
                    Cost(time.perf_counter() - self._wall, time.process_time() - self._cpu)
                )

        if tf.gfile.Exists(self._folder):
            tf.gfile.DeleteRecursively(self._folder)
        objective = self._job.objective
        batches = [kind.batches[-1], *kind.batches]  # one to warm up
        input_fn = self._input_fn(batches, (*objective.inputs, *objective.targets))
        estimators = self._estimators(len(batches), kind.skip_padding)
        estimators.train(input_fn, len(batches), [Watch()])
        return costs[1:]

    def prediction(self, kind: Kind) -> list[Cost]:
        """Returns what the prediction of each batch takes."""
        batches = [kind.batches[-1], *kind.batches]
        input_fn = self._input_fn(batches, self._job.objective.inputs)
        outputs: Iterator[Any] = self._estimators(len(batches)).predict(input_fn, None)
        return [timed(lambda: next(outputs))[1] for _ in batches][1:]

    def _input_fn(self, batches: Sequence[Batch], names: Sequence[str]) -> Callable[..., Any]:
        from bert_wwm.finetuning.input import host_input_fn

        return host_input_fn(
            lambda: ((self._table, batch) for batch in batches), self._job.objective, names
        )

    def _estimators(self, num_steps: int, skip_padding: bool = False) -> Any:
        from bert_wwm.model.bert import BertConfig
        from bert_wwm.train.estimator import Estimators, Machine
        from bert_wwm.train.model_fn import make_model_fn
        from bert_wwm.train.settings import TrainingSettings

        of_task = self._job.task.settings
        settings = TrainingSettings(
            of_task.learning_rate,
            num_steps,
            0,
            of_task.train_batch_size,
            skip_padding=skip_padding,
        )
        machine = Machine(
            self._folder,
            of_task.train_batch_size,
            of_task.train_batch_size,
            save_checkpoints_steps=num_steps + 1,  # behind the last step only
            keep_checkpoint_max=1,
            random_seed=SEED,
        )
        config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu("erf")
        return Estimators(make_model_fn(config, self._job.objective, settings, None), machine)


def print_rows(
    name: str, kinds: Sequence[Kind], measure: Callable[[Kind], list[Cost]], batch_size: int
) -> None:
    """Measures kinds in turns, and prints a line of the table for each.

    Args:
        name: of what is measured.
        kinds: the first is what others are compared with.
        measure: returns what each batch takes.
        batch_size: examples of a step.
    """
    turns = np.array(
        [[np.mean(measure(kind), axis=0) for kind in kinds] for _ in range(FLAGS.repeats)]
    )  # [turns, kinds, wall and CPU]
    medians = np.median(turns, axis=0)
    times = np.median(turns[:, :1] / turns, axis=0)
    for kind, (wall, cpu), (times_wall, times_cpu) in zip(kinds, medians, times):
        print(
            f"{name:<12}{kind.name:<16}{100 * kind.padding:>10.1f}{wall:>10.2f}{cpu:>8.2f}"
            f"{batch_size / wall:>12.1f}{times_wall:>15.2f}{times_cpu:>13.2f}",
            flush=True,
        )


if __name__ == "__main__":
    app.run(main)
