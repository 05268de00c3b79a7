"""Training, evaluation in between, and resumption after an interruption."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core.errors import ToolkitError
from bert_wwm.train.checkpoints import BestCheckpoint, newest_readable, remove_leftovers
from bert_wwm.train.estimator import Estimators, InputFn
from bert_wwm.train.hooks import (
    EndOnSignal,
    StopOnSignal,
    find_nan_step,
    format_heads,
    make_nan_error,
)

_MOST_SECONDS_TO_SAVE = 600

Results = dict[str, float]
Log = Callable[[str], None]


@dataclasses.dataclass
class Summary:
    """The outcome of a training; ``training_summary.json``."""

    first_step: int  # where this process began
    last_step: int  # where it ended
    num_train_steps: int  # the step that the training is to end at
    seconds: float = 0.0  # of this process, evaluation included
    examples: int = 0  # that it trained on
    checkpoint: str | None = None  # the last one
    stopped: bool = False  # whether a signal ended it before its time
    evaluations: list[Results] = dataclasses.field(default_factory=list)  # with their ``step``
    best: dict[str, Any] | None = None  # ``best/best.json``, of earlier processes too


def describe_heads(results: Results) -> str:
    """Returns a line of the losses and accuracies of an evaluation."""
    return "  ".join([f"held out  loss {results['loss']:.4f}", *format_heads(results)])


def train_with_evaluations(
    estimators: Estimators,
    log: Log,
    num_train_steps: int,
    input_fn_at: Callable[[int], InputFn],
    eval_every_steps: int = 0,
    evaluate: Callable[[], Results] | None = None,
    best_metric: str = "loss",
    describe: Callable[[Results], str] = describe_heads,
    agree: Callable[[str | None], None] | None = None,
) -> Summary:
    """Trains from the newest checkpoint that is whole, or from the start.

    ``input_fn_at`` gives the input from a step on. ``evaluate`` evaluates the newest checkpoint,
    and ``describe`` makes a line of the results. ``agree`` is called with the checkpoint, if any,
    before the first step, and raises if another process of the cluster would train something else.
    """
    machine = estimators.machine
    is_chief = machine.is_chief()  # of the machines of a cluster one writes; the others read
    if is_chief:
        remove_leftovers(machine.output_dir)
    checkpoint = newest_readable(machine.output_dir, log, repair=is_chief)
    if agree:
        agree(checkpoint)
    first = read_step(checkpoint) if checkpoint else 0
    summary = Summary(first, first, num_train_steps, checkpoint=checkpoint)
    best = None
    if eval_every_steps and evaluate and is_chief:
        best = BestCheckpoint(machine.output_dir, best_metric, log)

    def evaluate_newest() -> None:
        if best and evaluate:
            results = evaluate()
            summary.evaluations.append({**results, "step": summary.last_step})
            log(f"step {summary.last_step:,}: {describe(results)}")
            best.update(results, str(summary.checkpoint))

    begin = time.monotonic()
    if first >= num_train_steps:
        log(f"Nothing to train: {checkpoint} has had {first:,} steps already")
    elif checkpoint:
        log(f"Going on from {checkpoint}")
    if best and first and (first >= num_train_steps or first % eval_every_steps == 0):
        evaluate_newest()  # it may have been killed before it did
    _train_rounds(estimators, summary, input_fn_at, eval_every_steps, evaluate_newest)
    summary.best = best.best if best else None
    summary.seconds = time.monotonic() - begin
    summary.examples = (summary.last_step - first) * machine.train_batch_size
    return summary


def _train_rounds(
    estimators: Estimators,
    summary: Summary,
    input_fn_at: Callable[[int], InputFn],
    eval_every_steps: int,
    evaluate_newest: Callable[[], None],
) -> None:
    """Trains from one evaluation to the next, until the last step or a signal."""
    machine, output_dir = estimators.machine, estimators.machine.output_dir
    stop = StopOnSignal()
    # The other processes of a cluster would wait for ever for one that stops by itself.
    is_one_of_many = machine.distribution_strategy == "multi_worker"
    hooks: list[tf.train.SessionRunHook] = [EndOnSignal() if is_one_of_many else stop]
    while summary.last_step < summary.num_train_steps and not stop.received:
        step = summary.last_step
        target = summary.num_train_steps
        if eval_every_steps:
            target = min(target, (step // eval_every_steps + 1) * eval_every_steps)
        try:
            estimators.train(input_fn_at(step), target, hooks)
        except tf.errors.InvalidArgumentError as error:
            nan_step = find_nan_step(error)
            if nan_step is None:
                raise
            raise make_nan_error(nan_step, output_dir) from None
        summary.last_step = target
        if machine.is_chief():
            summary.checkpoint = tf.train.latest_checkpoint(output_dir)
            summary.last_step = read_step(summary.checkpoint)
        else:
            _wait_for_checkpoint(output_dir, target)
        if not stop.received:
            evaluate_newest()
    summary.stopped = stop.received


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
