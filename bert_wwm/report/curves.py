"""Learning curves from what TensorBoard was given."""

import contextlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.records.framing import read_records

Curve = list[tuple[int, float]]  # (step, value)
Curves = Mapping[str, Curve]  # by name

_EVENTS = "events.out.tfevents."
_LOSS, _ACCURACY = "_loss", "_accuracy"


def read_scalars(folder: str) -> dict[str, Curve]:
    """Returns the scalars of a run by name, by increasing step.

    Where a run went over the same steps again, the later values count. A file whose end is missing,
    as a process leaves it that is killed, counts up to there.

    Args:
        folder: where the event files are, local or in a bucket. Training writes them to its
            ``output_dir``, evaluation to ``eval`` in there.

    Returns:
        Nothing where there is no such folder, or no event file in it.
    """
    curves: dict[str, dict[int, float]] = {}
    names = tf.gfile.ListDirectory(folder) if tf.gfile.IsDirectory(folder) else []
    for name in sorted(name for name in names if name.startswith(_EVENTS)):
        for event in _events(os.path.join(folder, name)):
            for value in event.summary.value:
                number = _number(value)
                if number is not None:
                    curves.setdefault(value.tag, {})[event.step] = number
    return {name: sorted(points.items()) for name, points in curves.items()}


def _events(path: str) -> Iterator["tf.Event"]:
    with contextlib.suppress(DataError):  # the end is missing
        for record in read_records(path):
            yield tf.Event.FromString(record)


def _number(value: "tf.Summary.Value") -> float | None:
    """Returns what a scalar is, in the form of TensorFlow 1 or, as TPUs write it, of 2."""
    if value.HasField("simple_value"):
        return value.simple_value
    if value.tensor.dtype == tf.float32.as_datatype_enum and not value.tensor.tensor_shape.dim:
        return float(tf.make_ndarray(value.tensor))
    return None


def plot_learning_curve(
    curves: Curves,
    path: str,
    title: str,
    held_out: Curves | None = None,
    best_metric: str | None = None,
) -> None:
    """Draws a training into a PNG: each head's loss and accuracy, below them the learning rate.

    Of fine-tuning, the task's score on ``dev`` has a panel between them.

    Args:
        curves: what ``read_scalars`` finds: ``<head>_loss`` (nats) of each head, its
            ``<head>_accuracy`` (fraction of 1) where there is one, and ``learning_rate``.
        path: the file to write, local or in a bucket.
        title: what was trained.
        held_out: losses and accuracies on held-out text by the same names, if there are any; of
            fine-tuning the task's scores (percent).
        best_metric: by which the best weights were chosen.

    Raises:
        ConfigError: matplotlib is not installed.
        DataError: there is no head's loss.
    """
    heads = [name[: -len(_LOSS)] for name in curves if name.endswith(_LOSS)]
    if not heads:
        raise DataError(f"{path}: nothing to draw; expected the curve of a loss, as masked_lm_loss")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            f"{path}: can't be drawn without matplotlib; expected it to be installed, as by "
            "pip install -e '.[demo]'"
        ) from None

    held_out = held_out or {}
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    scores = held_out.get(best_metric or "", [])
    if scores and not _is_of_head(best_metric):
        losses, score, rate = figure.subplots(3, sharex=True, height_ratios=[6, 3, 1])
        _draw_score(score, best_metric, scores)
    else:
        losses, rate = figure.subplots(2, sharex=True, height_ratios=[6, 1])
    accuracies = losses.twinx()
    for number, head in enumerate(heads):
        colour = f"C{number}"
        _draw(losses, curves, held_out, head + _LOSS, colour)
        _draw(accuracies, curves, held_out, head + _ACCURACY, colour)
    losses.set(ylabel="loss (nats)", ylim=(0, None))
    losses.grid(alpha=0.3)
    accuracies.set(ylabel="accuracy (%)", ylim=(0, 100))
    rate.plot(*_coordinates(curves["learning_rate"]), color="0.3", linewidth=1)
    rate.set(xlabel="step", ylabel="learning\nrate", ylim=(0, None))
    rate.grid(alpha=0.3)
    rate.xaxis.set_major_formatter("{x:,.0f}")
    rate.yaxis.set_major_formatter("{x:.3g}")
    figure.suptitle(title)
    labels = [_label(head, curves, held_out) for head in heads]
    _add_legends(figure, labels, any(head + _LOSS in held_out for head in heads))
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    with files.atomic_path(path) as temporary, tf.gfile.GFile(temporary, "wb") as stream:
        stream.write(image.getvalue())


def _draw(axes: Any, curves: Curves, held_out: Curves, name: str, colour: str) -> None:
    """Draws a loss as a whole line, an accuracy dashed, and as points what was held out."""
    of_loss = name.endswith(_LOSS)
    unit = 1 if of_loss else 100
    if name in curves:
        # A line of one point would not be seen.
        marker = "_" if len(curves[name]) == 1 else ""
        style = "-" if of_loss else "--"
        steps, values = _coordinates(curves[name], unit)
        axes.plot(steps, values, style, color=colour, marker=marker)
    if name in held_out:
        steps, values = _coordinates(held_out[name], unit)
        face = colour if of_loss else "white"
        axes.scatter(steps, values, s=25, edgecolors=colour, facecolors=face, zorder=3)


def _is_of_head(metric: str) -> bool:
    """True of the loss as a whole, too, and false of the score of a task, ``accuracy`` or other."""
    return metric.endswith(("loss", _ACCURACY))


def _draw_score(axes: Any, metric: str, scores: Curve) -> None:
    """Draws a task's score, the best, of equal ones the first, as a whole point."""
    axes.plot(*_coordinates(scores), "-o", color="0.3", markerfacecolor="white", markersize=5)
    step, best = max(scores, key=lambda point: point[1])
    axes.plot([step], [best], "o", color="0.3", markersize=7)
    axes.set_title(f"{metric} on dev, best {best:.2f} at step {step:,}", fontsize=10)
    axes.set(ylabel=f"{metric} (%)")
    axes.margins(y=0.15)
    axes.grid(alpha=0.3)


def _coordinates(curve: Curve, unit: float = 1) -> tuple[list[int], list[float]]:
    return [step for step, _ in curve], [unit * value for _, value in curve]


def _label(head: str, curves: Curves, held_out: Curves) -> str:
    """Returns where a head ended, as ``masked_lm 5.31 (18.4 %), held out 5.45 (16.9 %)``."""
    parts = []
    for known in (curves, held_out):
        if head + _LOSS in known:
            part = f"{known[head + _LOSS][-1][1]:.2f}"
            if head + _ACCURACY in known:
                part += f" ({100 * known[head + _ACCURACY][-1][1]:.1f} %)"
            parts.append(part)
    return f"{head} {', held out '.join(parts)}"


def _add_legends(figure: Any, labels: Sequence[str], with_held_out: bool) -> None:
    """Says below the curves what colours stand for, and what lines and points."""
    from matplotlib.lines import Line2D

    grey = {"color": "0.3"}
    point = {**grey, "linestyle": "", "marker": "o", "markersize": 5}
    colours = [
        Line2D([], [], color=f"C{number}", linewidth=4, label=label)
        for number, label in enumerate(labels)
    ]
    kinds = [
        Line2D([], [], **grey, label="loss"),
        Line2D([], [], **grey, linestyle="--", label="accuracy"),
    ]
    if with_held_out:
        kinds += [
            Line2D([], [], **point, label="loss, held out"),
            Line2D([], [], **point, markerfacecolor="white", label="accuracy, held out"),
        ]
    figure.legend(handles=colours, loc="outside lower left", frameon=False)
    figure.legend(handles=kinds, loc="outside lower right", ncols=2, frameon=False)
