"""Results of fine-tuning as a picture: own runs beside the published maxima and means."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from bert_wwm.core.errors import ConfigError
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
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            "results can't be drawn without matplotlib; expected it to be installed, as by "
            "pip install -e '.[demo]'"
        ) from None
    tasks = describe_tasks(published, own)
    groups = [_Group(published, own, of_group) for of_group in group_tasks(tasks).values()]
    widest = max(len(group.panels) for group in groups)
    longest = max(len(label) for group in groups for label in group.labels)
    numbers = [len(group.rows) for group in groups]
    width = _CHARACTER_INCHES * longest + _PANEL_INCHES * widest
    height = _LEGEND_INCHES + _GROUP_INCHES * len(groups) + _ROW_INCHES * sum(numbers)
    figure = Figure(figsize=(max(width, _SMALLEST_WIDTH), height), layout="constrained")
    figure.get_layout_engine().set(hspace=0.03, wspace=0.02)
    grid = figure.subplots(len(groups), widest, squeeze=False, height_ratios=numbers)
    for axes, group in zip(grid, groups):
        for unused in axes[len(group.panels) :]:
            unused.remove()
        for panel, (task, place) in zip(axes, group.panels):
            _draw_panel(panel, group, task, place)
            title = f"{tasks[task].title} {place[0]}: {name_metric(place[1])}"
            panel.set_title(title, fontsize=10)
        _set_labels(axes[0], group)
    _add_legend(figure, bool(own), bool(published.results))
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


class _Group:
    """What there is to draw of a group of tasks.

    Attributes:
        panels: a task and a place each.
        rows: the models that have something to draw.
        labels: what these are called.
    """

    def __init__(
        self, published: Published, own: Sequence[Results], tasks: Mapping[str, TaskInfo]
    ) -> None:
        rows = list_models(published, own, list(tasks))
        self.panels: list[tuple[str, Place]] = []
        for name, task in tasks.items():
            known = {
                place for of_model in _results_to_show(rows, name) for place in of_model.scores
            }
            places = [(split, metric) for split in SPLITS for metric in task.metrics]
            self.panels += [(name, place) for place in places if place in known]
        self.rows = [
            row
            for row in rows
            if any(
                name in row.by_task and place in row.by_task[name].scores
                for name, place in self.panels
            )
        ]
        self.labels = [row.label for row in self.rows]


def _results_to_show(rows: Sequence[ModelRow], task: str) -> list[Results]:
    """Returns own results of a task, or all if there are none."""
    own = [row.by_task[task] for row in rows if row.is_own and task in row.by_task]
    return own or [row.by_task[task] for row in rows if task in row.by_task]


def _set_labels(panel: Any, group: _Group) -> None:
    panel.set_yticks(range(len(group.rows)), group.labels)
    for row, label in zip(group.rows, panel.get_yticklabels()):
        if row.is_own:
            label.set(color=_COLOUR, fontweight="bold")


def _draw_panel(panel: Any, group: _Group, task: str, place: Place) -> None:
    """Draws the scores of the models, from the top."""
    values: list[float] = []
    for height, row in enumerate(group.rows):
        results = row.by_task.get(task, Results(task, row.label, {}))
        score, runs = results.scores.get(place, Score()), results.runs.get(place, [])
        _draw_score(panel, height, score, _COLOUR if row.is_own else _GREY)
        if row.is_own:
            panel.axhspan(height - 0.5, height + 0.5, color=_COLOUR, alpha=0.08, linewidth=0)
            panel.scatter(
                runs, [height] * len(runs), s=22, color=_COLOUR, alpha=0.35, linewidth=0, zorder=2
            )
        values += [value for value in (score.max, score.mean, *runs) if value is not None]
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), (_SMALLEST_RANGE - (high - low)) / 2)
    panel.set(xlim=(low - margin, high + margin), ylim=(len(group.rows) - 0.5, -0.5))
    panel.set_yticks(range(len(group.rows)), [])
    panel.tick_params(axis="both", labelsize=8, length=0)
    panel.locator_params(axis="x", nbins=5)
    panel.grid(axis="x", alpha=0.3)
    panel.grid(axis="y", alpha=0.15)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)


def _draw_score(panel: Any, height: int, score: Score, colour: str) -> None:
    """Draws the mean as a stroke, the maximum as a dot, and a line between them."""
    if score.max is not None and score.mean is not None:
        panel.plot([score.mean, score.max], [height, height], color=colour, linewidth=1.2)
    if score.mean is not None:
        panel.plot([score.mean], [height], "|", color=colour, markersize=9, markeredgewidth=2)
    if score.max is not None:
        panel.plot([score.max], [height], "o", color=colour, markersize=4.5)


def _add_legend(figure: Any, with_own: bool, with_published: bool) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for colour, whose, present in (
        (_COLOUR, "own", with_own),
        (_GREY, "published", with_published),
    ):
        style = {"color": colour, "linestyle": ""}
        if present:
            handles += [
                Line2D([], [], **style, marker="o", markersize=4.5, label=f"{whose}: maximum"),
                Line2D([], [], **style, marker="|", markersize=9, mew=2, label="mean"),
            ]
        if present and whose == "own":
            run = Line2D([], [], **style, marker="o", markersize=4.7, alpha=0.35, mew=0)
            run.set_label("a run")
            handles.append(run)
    figure.legend(
        handles=handles, loc="outside upper left", ncols=len(handles), frameon=False, fontsize=9
    )
