"""Results of fine-tuning as a picture: own runs next to the published maxima and means."""

from collections.abc import Mapping, Sequence
from typing import Any

from bert_wwm.report.figure import make_figure, render_png
from bert_wwm.report.results import NO_RESULTS, SPLITS, Place, Published, Results, Score, TaskInfo
from bert_wwm.report.results_table import ModelRow, group_results, name_metric

_GREY, _COLOUR = "0.45", "C0"
_DOT: dict[str, Any] = {"marker": "o", "markersize": 4.5}  # a maximum
_STROKE: dict[str, Any] = {"marker": "|", "markersize": 9, "markeredgewidth": 2}  # a mean
_ROW_INCHES, _GROUP_INCHES, _LEGEND_INCHES = 0.21, 0.62, 0.4  # of the height
_PANEL_INCHES, _CHARACTER_INCHES, _SMALLEST_WIDTH = 2.7, 0.085, 6.5
_SMALLEST_RANGE = 1.0  # of an axis, in percent: less than that is noise

Panel = tuple[str, str, Place]  # its title, a task, its split and metric


def draw_results(published: Published, own: Sequence[Results]) -> bytes:
    """Draws a row of panels for each table: a panel for each task, split and metric.

    In a panel each model has a line. Of a task that there are own results of, only the splits and
    metrics that they have are drawn. Returns a PNG.
    """
    groups = [_choose(tasks, rows) for _, tasks, rows in group_results(published, own)]
    widest = max(len(panels) for panels, _ in groups)
    longest = max(len(row.label) for _, rows in groups for row in rows)
    numbers = [len(rows) for _, rows in groups]
    width = _CHARACTER_INCHES * longest + _PANEL_INCHES * widest
    height = _LEGEND_INCHES + _GROUP_INCHES * len(groups) + _ROW_INCHES * sum(numbers)
    figure = make_figure("results", max(width, _SMALLEST_WIDTH), height)
    figure.get_layout_engine().set(hspace=0.03, wspace=0.02)
    grid = figure.subplots(len(groups), widest, squeeze=False, height_ratios=numbers)
    for axes, (panels, rows) in zip(grid, groups):
        for unused in axes[len(panels) :]:
            unused.remove()
        for panel, (title, task, place) in zip(axes, panels):
            _draw_panel(panel, rows, task, place)
            panel.set_title(title, fontsize=10)
        axes[0].set_yticks(range(len(rows)), [row.label for row in rows])
        for row, label in zip(rows, axes[0].get_yticklabels()):
            if row.is_own:
                label.set(color=_COLOUR, fontweight="bold")
    _add_legend(figure, bool(own), bool(published.results))
    return render_png(figure)


def _choose(
    tasks: Mapping[str, TaskInfo], rows: Sequence[ModelRow]
) -> tuple[list[Panel], list[ModelRow]]:
    """Returns the panels of a group of tasks, and the models that have something to draw."""
    panels: list[Panel] = []
    for name, task in tasks.items():
        own = [row.by_task[name] for row in rows if row.is_own and name in row.by_task]
        shown = own or [row.by_task[name] for row in rows if name in row.by_task]
        known = {place for results in shown for place in results.scores}
        panels += [
            (f"{task.title} {split}: {name_metric(metric)}", name, (split, metric))
            for split in SPLITS
            for metric in task.metrics
            if (split, metric) in known
        ]
    drawn = [row for row in rows if any(row.find(*panel[1:]) != Score() for panel in panels)]
    return panels, drawn


def _draw_panel(panel: Any, rows: Sequence[ModelRow], task: str, place: Place) -> None:
    """Draws the models from the top: a stroke for the mean, a dot for the maximum."""
    values: list[float] = []
    for height, row in enumerate(rows):
        score = row.find(task, place)
        colour = _COLOUR if row.is_own else _GREY
        if row.is_own:
            runs = row.by_task.get(task, NO_RESULTS).runs.get(place, [])
            values += runs
            panel.axhspan(height - 0.5, height + 0.5, color=colour, alpha=0.08, linewidth=0)
            panel.scatter(
                runs, [height] * len(runs), s=22, color=colour, alpha=0.35, linewidth=0, zorder=2
            )
        known = [value for value in (score.mean, score.max) if value is not None]
        values += known
        if len(known) == 2:
            panel.plot(known, [height, height], color=colour, linewidth=1.2)
        if score.mean is not None:
            panel.plot([score.mean], [height], color=colour, **_STROKE)
        if score.max is not None:
            panel.plot([score.max], [height], color=colour, **_DOT)
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), (_SMALLEST_RANGE - (high - low)) / 2)
    panel.set(xlim=(low - margin, high + margin), ylim=(len(rows) - 0.5, -0.5))
    panel.set_yticks(range(len(rows)), [])
    panel.tick_params(axis="both", labelsize=8, length=0)
    panel.locator_params(axis="x", nbins=5)
    panel.grid(axis="x", alpha=0.3)
    panel.grid(axis="y", alpha=0.15)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)


def _add_legend(figure: Any, with_own: bool, with_published: bool) -> None:
    from matplotlib.lines import Line2D

    run = {**_DOT, "alpha": 0.35, "markeredgewidth": 0}
    entries = []
    if with_own:
        entries += [
            ("own: maximum", _COLOUR, _DOT),
            ("mean", _COLOUR, _STROKE),
            ("a run", _COLOUR, run),
        ]
    if with_published:
        entries += [("published: maximum", _GREY, _DOT), ("mean", _GREY, _STROKE)]
    handles = [
        Line2D([], [], color=colour, linestyle="", label=label, **style)
        for label, colour, style in entries
    ]
    figure.legend(
        handles=handles, loc="outside upper left", ncols=len(handles), frameon=False, fontsize=9
    )
