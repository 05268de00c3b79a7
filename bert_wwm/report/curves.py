"""Learning curves from TensorBoard's event files."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.records.framing import read_records
from bert_wwm.report.figure import make_figure, render_png

Curve = list[tuple[int, float]]  # (step, value)
Curves = Mapping[str, Curve]  # by name

_EVENTS = "events.out.tfevents."
_LOSS, _ACCURACY = "_loss", "_accuracy"


def read_scalars(folder: str) -> dict[str, Curve]:
    """Returns the scalars of a run by name, by increasing step; none if the folder is missing.

    If a run repeated steps, the later values count. A file whose end is missing, as after a kill,
    counts up to there. Training writes to its ``output_dir``, evaluation to ``eval`` in there.
    """
    curves: dict[str, dict[int, float]] = {}
    names = tf.gfile.ListDirectory(folder) if tf.gfile.IsDirectory(folder) else []
    for name in sorted(name for name in names if name.startswith(_EVENTS)):
        for event in _read_events(os.path.join(folder, name)):
            for value in event.summary.value:
                number = _parse_scalar(value)
                if number is not None:
                    curves.setdefault(value.tag, {})[event.step] = number
    return {name: sorted(points.items()) for name, points in curves.items()}


def _read_events(path: str) -> Iterator["tf.Event"]:
    with contextlib.suppress(DataError):  # the end is missing
        for record in read_records(path):
            yield tf.Event.FromString(record)


def _parse_scalar(value: "tf.Summary.Value") -> float | None:
    """Returns a scalar in the form of TensorFlow 1 or, as TPUs write it, of 2; else None."""
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

    The curves are ``<head>_loss`` (nats) of each head, its ``<head>_accuracy`` (fraction of 1) if
    there is one, and ``learning_rate``. Those on held-out text have the same names; of fine-tuning
    they are the task's scores (percent), and ``best_metric``, which chose the best weights, has a
    panel.

    Raises:
        ConfigError: matplotlib is not installed.
        DataError: there is no head's loss.
    """
    heads = [name[: -len(_LOSS)] for name in curves if name.endswith(_LOSS)]
    if not heads:
        raise DataError(f"{path}: nothing to draw; expected the curve of a loss, as masked_lm_loss")
    held_out = held_out or {}
    figure = make_figure(path, 9, 6.5)
    scores = held_out.get(best_metric or "", [])
    if best_metric and scores and not best_metric.endswith(("loss", _ACCURACY)):
        losses, score, rate = figure.subplots(3, sharex=True, height_ratios=[6, 3, 1])
        _draw_score(score, best_metric, scores)
    else:
        losses, rate = figure.subplots(2, sharex=True, height_ratios=[6, 1])
    accuracies = losses.twinx()
    for number, head in enumerate(heads):
        for axes, name, style, unit in (
            (losses, head + _LOSS, "-", 1),
            (accuracies, head + _ACCURACY, "--", 100),
        ):
            line, points = (
                [(step, unit * value) for step, value in found.get(name, ())]
                for found in (curves, held_out)
            )
            if line:  # of one point it would not be seen
                marker = "_" if len(line) == 1 else ""
                axes.plot(*zip(*line), style, color=f"C{number}", marker=marker)
            if points:
                face = f"C{number}" if unit == 1 else "white"
                axes.scatter(*zip(*points), s=25, ec=f"C{number}", fc=face, zorder=3)
    losses.set(ylabel="loss (nats)", ylim=(0, None))
    losses.grid(alpha=0.3)
    accuracies.set(ylabel="accuracy (%)", ylim=(0, 100))
    rate.plot(*zip(*curves["learning_rate"]), color="0.3", linewidth=1)
    rate.set(xlabel="step", ylabel="learning\nrate", ylim=(0, None))
    rate.grid(alpha=0.3)
    rate.xaxis.set_major_formatter("{x:,.0f}")
    rate.yaxis.set_major_formatter("{x:.3g}")
    figure.suptitle(title)
    _add_legends(figure, heads, curves, held_out)
    files.write_bytes(path, render_png(figure))


def _draw_score(axes: Any, metric: str, scores: Curve) -> None:
    """Draws a task's score; the best, of equal ones the first, as a filled point."""
    axes.plot(*zip(*scores), "-o", color="0.3", markerfacecolor="white", markersize=5)
    step, best = max(scores, key=lambda point: point[1])
    axes.plot([step], [best], "o", color="0.3", markersize=7)
    axes.set_title(f"{metric} on dev, best {best:.2f} at step {step:,}", fontsize=10)
    axes.set(ylabel=f"{metric} (%)")
    axes.margins(y=0.15)
    axes.grid(alpha=0.3)


def _add_legends(figure: Any, heads: list[str], curves: Curves, held_out: Curves) -> None:
    """Explains colours, with where each head ended, and lines and points."""
    from matplotlib.lines import Line2D

    colours = []
    for number, head in enumerate(heads):
        ends = []
        for known in (curves, held_out):
            if head + _LOSS in known:
                ends.append(f"{known[head + _LOSS][-1][1]:.2f}")
                if head + _ACCURACY in known:
                    ends[-1] += f" ({100 * known[head + _ACCURACY][-1][1]:.1f} %)"
        label = f"{head} {', held out '.join(ends)}"
        colours.append(Line2D([], [], color=f"C{number}", linewidth=4, label=label))
    styles: dict[str, dict[str, Any]] = {"loss": {}, "accuracy": {"linestyle": "--"}}
    if any(head + _LOSS in held_out for head in heads):
        point = {"linestyle": "", "marker": "o", "markersize": 5}
        styles["loss, held out"] = point
        styles["accuracy, held out"] = {**point, "markerfacecolor": "white"}
    kinds = [Line2D([], [], color="0.3", label=name, **style) for name, style in styles.items()]
    figure.legend(handles=colours, loc="outside lower left", frameon=False)
    figure.legend(handles=kinds, loc="outside lower right", ncols=2, frameon=False)
