"""Training, evaluation in between, and resumption after an interruption."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core.errors import ToolkitError
from bert_wwm.train.checkpoints import BestCheckpoint, newest_readable, remove_leftovers
from bert_wwm.train.estimator import Estimators, InputFn
from bert_wwm.train.hooks import EndOnSignal, StopOnSignal, format_heads, make_nan_error
from bert_wwm.train.tpu_summaries import find_nan_step

_MOST_SECONDS_TO_SAVE = 600

Results = dict[str, float]
Log = Callable[[str], None]


@dataclasses.dataclass
class Summary:
    """The outcome of a training; ``training_summary.json``.

    Attributes:
        first_step, last_step: where this process began and ended.
        num_train_steps: the step that the training is to end at.
        seconds: of this process, evaluation included.
        examples: that it trained on.
        checkpoint: the last one.
        stopped: whether a signal ended it before its time.
        evaluations: the results of each evaluation, with the ``step`` of the weights.
        best: ``best/best.json`` of the best weights, of earlier processes too.
    """

    first_step: int
    last_step: int
    num_train_steps: int
    seconds: float = 0.0
    examples: int = 0
    checkpoint: str | None = None
    stopped: bool = False
    evaluations: list[Results] = dataclasses.field(default_factory=list)
    best: dict[str, Any] | None = None


def describe_heads(results: Results) -> str:
    """Returns a line of the losses and accuracies of an evaluation."""
    return "  ".join([f"held out  loss {results['loss']:.4f}", *format_heads(results)])


class Loop:
    """Trains with evaluations in between.

    Args:
        describe: makes a line of the results of an evaluation.
    """

    def __init__(
        self, estimators: Estimators, log: Log, describe: Callable[[Results], str] = describe_heads
    ):
        self._describe = describe
        self._estimators = estimators
        self._output_dir = estimators.machine.output_dir
        # Of the machines of a cluster one writes; the others read.
        self._is_chief = estimators.machine.is_chief()
        self._log = log

    def train(
        self,
        num_train_steps: int,
        input_fn_at: Callable[[int], InputFn],
        eval_every_steps: int = 0,
        evaluate: Callable[[], Results] | None = None,
        best_metric: str = "loss",
        agree: Callable[[str | None], None] | None = None,
    ) -> Summary:
        """Trains from the newest checkpoint that is whole, or from the start.

        Args:
            input_fn_at: gives the input from a step on.
            eval_every_steps: steps between two evaluations; 0 for none.
            evaluate: evaluates the newest checkpoint.
            best_metric: decides which checkpoint is kept as the best.
            agree: called with the checkpoint, if any, before the first step; raises if another
                process of the cluster would train something else.
        """
        if self._is_chief:
            remove_leftovers(self._output_dir)
        checkpoint = newest_readable(self._output_dir, self._log, repair=self._is_chief)
        if agree:
            agree(checkpoint)
        first = read_step(checkpoint) if checkpoint else 0
        summary = Summary(first, first, num_train_steps, checkpoint=checkpoint)
        best = None
        if eval_every_steps and evaluate and self._is_chief:
            best = BestCheckpoint(self._output_dir, best_metric, self._log)

        def evaluate_newest() -> None:
            if best and evaluate:
                results = evaluate()
                summary.evaluations.append({**results, "step": summary.last_step})
                self._log(f"step {summary.last_step:,}: {self._describe(results)}")
                best.update(results, str(summary.checkpoint))

        begin = time.monotonic()
        if first >= num_train_steps:
            self._log(f"Nothing to train: {checkpoint} has had {first:,} steps already")
        elif checkpoint:
            self._log(f"Going on from {checkpoint}")
        if best and first and (first >= num_train_steps or first % eval_every_steps == 0):
            evaluate_newest()  # it may have been killed before it did
        self._train_rounds(summary, input_fn_at, eval_every_steps, evaluate_newest)
        summary.best = best.best if best else None
        summary.seconds = time.monotonic() - begin
        summary.examples = (summary.last_step - first) * self._estimators.machine.train_batch_size
        return summary

    def _train_rounds(
        self,
        summary: Summary,
        input_fn_at: Callable[[int], InputFn],
        eval_every_steps: int,
        evaluate_newest: Callable[[], None],
    ) -> None:
        """Trains from one evaluation to the next, until the last step or a signal."""
        stop = StopOnSignal()
        # The other processes of a cluster would wait for ever for one that stops by itself.
        is_one_of_many = self._estimators.machine.distribution_strategy == "multi_worker"
        hooks: list[tf.train.SessionRunHook] = [EndOnSignal() if is_one_of_many else stop]
        while summary.last_step < summary.num_train_steps and not stop.received:
            step = summary.last_step
            target = summary.num_train_steps
            if eval_every_steps:
                target = min(target, (step // eval_every_steps + 1) * eval_every_steps)
            self._train_to(input_fn_at(step), target, hooks)
            summary.last_step = target
            if self._is_chief:
                summary.checkpoint = tf.train.latest_checkpoint(self._output_dir)
                summary.last_step = read_step(summary.checkpoint)
            else:
                _wait_for_checkpoint(self._output_dir, target)
            if not stop.received:
                evaluate_newest()
        summary.stopped = stop.received

    def _train_to(self, input_fn: InputFn, step: int, hooks: list[tf.train.SessionRunHook]) -> None:
        try:
            self._estimators.train(input_fn, step, hooks)
        except tf.errors.InvalidArgumentError as error:
            nan_step = find_nan_step(error)
            if nan_step is None:
                raise
            raise make_nan_error(nan_step, self._output_dir) from None


def read_step(checkpoint: str | None) -> int:
    """Returns the global step of a checkpoint."""
    return int(tf.train.load_variable(checkpoint, "global_step"))


def _wait_for_checkpoint(output_dir: str, step: int) -> None:
    """Waits until the machine that writes has written; from there all go on."""
    until = time.monotonic() + _MOST_SECONDS_TO_SAVE
    while time.monotonic() < until:
        checkpoint = tf.train.latest_checkpoint(output_dir)
        if checkpoint and read_step(checkpoint) == step:
            return
        time.sleep(0.2)
    raise ToolkitError(
        f"{output_dir}: no checkpoint of step {step:,} from the first machine; expected one in a "
        "folder that all machines share"
    )
