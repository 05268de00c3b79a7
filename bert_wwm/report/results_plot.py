"""Results of fine-tuning as a picture: own runs next to the published maxima and means."""

from collections.abc import Mapping, Sequence
from typing import Any

from bert_wwm.report.figure import make_figure, render_png
from bert_wwm.report.results import (
    SPLITS,
    Place,
    Published,
    Results,
    Score,
    TaskInfo,
    describe_tasks,
)
from bert_wwm.report.results_table import ModelRow, group_tasks, list_models, name_metric

_GREY, _COLOUR = "0.45", "C0"
_ROW_INCHES, _GROUP_INCHES, _LEGEND_INCHES = 0.21, 0.62, 0.4  # of the height
_PANEL_INCHES, _CHARACTER_INCHES, _SMALLEST_WIDTH = 2.7, 0.085, 6.5
_SMALLEST_RANGE = 1.0  # of an axis, in percent: less than that is noise

Panel = tuple[str, Place]  # a task, its split and metric


def draw_results(published: Published, own: Sequence[Results]) -> bytes:
    """Draws a row of panels for each table: a panel for each task, split and metric.

    In a panel each model has a line. Of a task that there are own results of, only the splits and
    metrics that they have are drawn.

    Returns:
        A PNG.

    Raises:
        ConfigError: matplotlib is not installed.
        DataError: own results have none of the metrics that are published of their task.
    """
    tasks = describe_tasks(published, own)
    groups = [
        _choose(list_models(published, own, list(group)), group)
        for group in group_tasks(tasks).values()
    ]
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
        for panel, (task, place) in zip(axes, panels):
            _draw_panel(panel, rows, task, place)
            title = f"{tasks[task].title} {place[0]}: {name_metric(place[1])}"
            panel.set_title(title, fontsize=10)
        axes[0].set_yticks(range(len(rows)), [row.label for row in rows])
        for row, label in zip(rows, axes[0].get_yticklabels()):
            if row.is_own:
                label.set(color=_COLOUR, fontweight="bold")
    _add_legend(figure, bool(own), bool(published.results))
    return render_png(figure)


def _choose(
    rows: Sequence[ModelRow], tasks: Mapping[str, TaskInfo]
) -> tuple[list[Panel], list[ModelRow]]:
    """Returns the panels of a group of tasks, and the models that have something to draw."""
    panels: list[Panel] = []
    for name, task in tasks.items():
        own = [row.by_task[name] for row in rows if row.is_own and name in row.by_task]
        shown = own or [row.by_task[name] for row in rows if name in row.by_task]
        known = {place for results in shown for place in results.scores}
        places = [(split, metric) for split in SPLITS for metric in task.metrics]
        panels += [(name, place) for place in places if place in known]
    return panels, [row for row in rows if any(_find_score(row, *panel) for panel in panels)]


def _find_score(row: ModelRow, task: str, place: Place) -> Score | None:
    return row.by_task[task].scores.get(place) if task in row.by_task else None


def _draw_panel(panel: Any, rows: Sequence[ModelRow], task: str, place: Place) -> None:
    """Draws the models from the top: a stroke for the mean, a dot for the maximum."""
    values: list[float] = []
    for height, row in enumerate(rows):
        score = _find_score(row, task, place) or Score()
        colour = _COLOUR if row.is_own else _GREY
        if row.is_own:
            runs = row.by_task[task].runs.get(place, []) if task in row.by_task else []
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
            panel.plot([score.mean], [height], "|", color=colour, markersize=9, markeredgewidth=2)
        if score.max is not None:
            panel.plot([score.max], [height], "o", color=colour, markersize=4.5)
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

    own: dict[str, Any] = {"color": _COLOUR, "linestyle": ""}
    published = {**own, "color": _GREY}
    dot, stroke = {"marker": "o", "markersize": 4.5}, {"marker": "|", "markersize": 9, "mew": 2}
    run = {"marker": "o", "markersize": 4.7, "alpha": 0.35, "mew": 0}
    handles = []
    if with_own:
        handles += [
            Line2D([], [], **own, **dot, label="own: maximum"),
            Line2D([], [], **own, **stroke, label="mean"),
            Line2D([], [], **own, **run, label="a run"),
        ]
    if with_published:
        handles += [
            Line2D([], [], **published, **dot, label="published: maximum"),
            Line2D([], [], **published, **stroke, label="mean"),
        ]
    figure.legend(
        handles=handles, loc="outside upper left", ncols=len(handles), frameon=False, fontsize=9
    )
