"""The picture of results."""

import itertools
import sys

import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.report.results import Published, Results, Score, Source, TaskInfo
from bert_wwm.report.results_plot import draw_results

EM, F1, TEST_EM = ("dev", "em"), ("dev", "f1"), ("test", "em")
PUBLISHED = Published(
    {
        "drcd": TaskInfo("DRCD", "DRCD", ("em", "f1")),
        "xnli": TaskInfo("XNLI", "Inference", ("accuracy",)),
    },
    {"a": Source("Paper A", "https://a.org")},
    [
        Results("drcd", "BERT", {EM: Score(83.1, 82.7), F1: Score(89.9), TEST_EM: Score(82.2)}),
        Results("drcd", "RBTL3", {TEST_EM: Score(77.2)}),
        Results("xnli", "BERT", {("dev", "accuracy"): Score(None, 77.4)}),
    ],
)
OWN = Results(
    "drcd",
    "bert",
    {EM: Score(83.0, 82.0, 1.0), F1: Score(89.5, 89.5)},
    path="outputs/x/results.json",
    num_runs=3,
    runs={EM: [81.0, 82.0, 83.0]},
)


@pytest.fixture
def figures(monkeypatch):
    """The figures that are made from here on."""
    from matplotlib import figure

    made = []

    class Figure(figure.Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(figure, "Figure", Figure)
    return made


def _labels(panel):
    return [label.get_text() for label in panel.get_yticklabels()]


def _titles(figure):
    return [panel.get_title() for panel in figure.axes]


def test_published_results_alone(figures):
    assert draw_results(PUBLISHED, []).startswith(b"\x89PNG\r\n\x1a\n")
    (figure,) = figures
    assert _titles(figure) == [
        "DRCD dev: EM",
        "DRCD dev: F1",
        "DRCD test: EM",
        "XNLI dev: Accuracy",
    ]
    em, f1, test_em, _ = figure.axes
    assert _labels(em) == ["BERT", "RBTL3"] and not any(_labels(f1))
    assert [list(line.get_xdata()) for line in em.lines] == [[82.7, 83.1], [82.7], [83.1]]
    assert [list(line.get_ydata()) for line in test_em.lines] == [[0], [1]]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["published: maximum", "mean"]


def test_own_results_are_drawn_beside_the_published(figures):
    draw_results(PUBLISHED, [OWN])
    (figure,) = figures
    # Of a task with own results, only what they have; models without that are left out.
    assert _titles(figure) == ["DRCD dev: EM", "DRCD dev: F1", "XNLI dev: Accuracy"]
    em, f1, _ = figure.axes
    assert _labels(em) == ["BERT", "bert (own)"]
    runs, of_f1 = em.collections[-1], f1.collections[-1]
    assert list(map(tuple, runs.get_offsets())) == [(81, 1), (82, 1), (83, 1)]
    assert not len(of_f1.get_offsets())
    theirs, own = (label.get_color() for label in em.get_yticklabels())
    assert theirs != own
    assert {line.get_color() for line in em.lines if 1 in line.get_ydata()} == {own}
    low, high = em.get_xlim()
    assert low < 81 and high > 83.1
    assert [text.get_text() for text in figure.legends[0].texts] == [
        "own: maximum",
        "mean",
        "a run",
        "published: maximum",
        "mean",
    ]


def test_labels_lie_within_the_picture_and_apart(figures):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    name = "a_model_with_a_rather_long_name_as_folders_have_them"
    own = [OWN._replace(model=name), OWN]
    draw_results(PUBLISHED, own)
    (figure,) = figures
    renderer = FigureCanvasAgg(figure).get_renderer()
    labels = figure.axes[0].get_yticklabels()
    boxes = [label.get_window_extent(renderer) for label in labels]
    assert labels[-1].get_text() == f"{name} (own)"
    assert all(box.x0 >= 0 for box in boxes)
    assert all(box.y0 >= below.y1 for box, below in itertools.pairwise(boxes))
    titles = [panel.title.get_window_extent(renderer) for panel in figure.axes]
    for title in titles[:2]:
        assert title.y0 > boxes[0].y1
    assert titles[0].x1 < titles[1].x0


def test_a_single_value_has_an_axis_around_it(figures):
    draw_results(PUBLISHED._replace(results=PUBLISHED.results[2:]), [])
    low, high = figures[0].axes[0].get_xlim()
    assert (low, high) == pytest.approx((76.9, 77.9))


def test_matplotlib_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"without matplotlib; expected .* -e '\.\[demo\]'"):
        draw_results(PUBLISHED, [OWN])
