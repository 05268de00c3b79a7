"""Training, evaluation now and then, and the way back in after an interruption."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core.errors import ToolkitError
from bert_wwm.train.checkpoints import BestCheckpoint, newest_readable, remove_leftovers
from bert_wwm.train.estimator import Estimators
from bert_wwm.train.hooks import EndOnSignal, StopOnSignal, head_results, not_finite
from bert_wwm.train.tpu_summaries import step_not_finite

_MOST_SECONDS_TO_SAVE = 600


@dataclasses.dataclass
class Summary:
    """What became of a training; ``training_summary.json``.

    Attributes:
        first_step: the step that this process began at.
        last_step: the step that it ended at.
        num_train_steps: the step that the training is to end at.
        seconds: of this process, evaluation included.
        examples: that it trained on.
        checkpoint: the last one.
        stopped: whether a signal ended it before its time.
        evaluations: the results of each evaluation, with the ``step`` of the weights.
        best: what ``best/best.json`` says of the best weights, of earlier processes too.
    """

    first_step: int
    last_step: int
    num_train_steps: int
    seconds: float = 0.0
    examples: int = 0
    checkpoint: str | None = None
    stopped: bool = False
    evaluations: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best: dict[str, Any] | None = None


def held_out(results: dict[str, float]) -> str:
    """Returns a line of the losses and accuracies of an evaluation."""
    return "  ".join([f"held out  loss {results['loss']:.4f}", *head_results(results)])


class Loop:
    """Trains with evaluations in between.

    Args:
        estimators: what trains and evaluates.
        log: takes what the user should see.
        describe: makes a line of the results of an evaluation.
    """

    def __init__(
        self,
        estimators: Estimators,
        log: Callable[[str], None],
        describe: Callable[[dict[str, float]], str] = held_out,
    ):
        self._describe = describe
        self._estimators = estimators
        self._machine = estimators.machine
        self._log = log

    def train(
        self,
        num_train_steps: int,
        input_fn_at: Callable[[int], Callable[..., Any]],
        eval_every_steps: int = 0,
        evaluate: Callable[[], dict[str, float]] | None = None,
        best_metric: str = "loss",
        agree: Callable[[str | None], None] | None = None,
    ) -> Summary:
        """Trains from the newest checkpoint that is whole, or from the start.

        Args:
            num_train_steps: the step where it ends.
            input_fn_at: gives the input from a step on.
            eval_every_steps: steps between two evaluations; 0 for none.
            evaluate: evaluates the newest checkpoint.
            best_metric: what decides which checkpoint is kept as the best.
            agree: called with the checkpoint, if any, before the first step; raises if another
                process of the cluster would train something else.
        """
        output_dir = self._machine.output_dir
        # Of the machines of a cluster one writes; the others read.
        chief = self._machine.is_chief()
        if chief:
            remove_leftovers(output_dir)
        checkpoint = newest_readable(output_dir, self._log, repair=chief)
        if agree:
            agree(checkpoint)
        first = step_of(checkpoint) if checkpoint else 0
        summary = Summary(first, first, num_train_steps, checkpoint=checkpoint)
        best = None
        if eval_every_steps and evaluate and chief:
            best = BestCheckpoint(output_dir, best_metric, self._log)
        begun = time.monotonic()
        if first >= num_train_steps:
            self._log(f"Nothing to train: {checkpoint} has had {first:,} steps already")
        elif checkpoint:
            self._log(f"Going on from {checkpoint}")
        if best and first and (first >= num_train_steps or first % eval_every_steps == 0):
            self._evaluate(summary, best, evaluate)  # it may have been killed before it did
        stop = StopOnSignal()
        # The other processes of a cluster would wait for ever for one that stops by itself.
        is_one_of_many = self._machine.distribution_strategy == "multi_worker"
        hooks: list[tf.train.SessionRunHook] = [EndOnSignal() if is_one_of_many else stop]
        while summary.last_step < num_train_steps and not stop.received:
            step = summary.last_step
            target = num_train_steps
            if eval_every_steps:
                target = min(target, (step // eval_every_steps + 1) * eval_every_steps)
            try:
                self._estimators.train(input_fn_at(step), target, hooks)
            except tf.errors.InvalidArgumentError as error:
                not_finite_at = step_not_finite(error)
                if not_finite_at is None:
                    raise
                raise not_finite(not_finite_at, output_dir) from None
            summary.last_step = target
            if chief:
                summary.checkpoint = tf.train.latest_checkpoint(output_dir)
                summary.last_step = step_of(summary.checkpoint)
            else:
                _wait_for_checkpoint(output_dir, target)
            if best and not stop.received:
                self._evaluate(summary, best, evaluate)
        summary.seconds = time.monotonic() - begun
        summary.examples = (summary.last_step - first) * self._machine.train_batch_size
        summary.stopped = stop.received
        summary.best = best.best if best else None
        return summary

    def _evaluate(
        self, summary: Summary, best: BestCheckpoint, evaluate: Callable[[], dict[str, float]]
    ) -> None:
        """Evaluates the newest checkpoint, and keeps it if it is the best."""
        results = evaluate()
        summary.evaluations.append({**results, "step": summary.last_step})
        self._log(f"step {summary.last_step:,}: {self._describe(results)}")
        best.update(results, summary.checkpoint)


def step_of(checkpoint: str) -> int:
    """Returns the global step of a checkpoint."""
    return int(tf.train.load_variable(checkpoint, "global_step"))


def _wait_for_checkpoint(output_dir: str, step: int) -> None:
    """Waits until the machine that writes has written; from there all go on."""
    until = time.monotonic() + _MOST_SECONDS_TO_SAVE
    while time.monotonic() < until:
        checkpoint = tf.train.latest_checkpoint(output_dir)
        if checkpoint and step_of(checkpoint) == step:
            return
        time.sleep(0.2)
    raise ToolkitError(
        f"{output_dir}: no checkpoint of step {step:,} from the first machine; expected one in a "
        "folder that all machines share"
    )
