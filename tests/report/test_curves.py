"""Scalars out of event files, and the picture of them."""

import json
import struct
import sys
import zlib

import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.report.curves import plot_learning_curve, read_scalars
from bert_wwm.report.training import write_summary

HEADS = ("masked_lm", "pos", "ner", "dep", "sentence_order")


def write(folder, points, suffix=""):
    """An event file with (step, values by name)."""
    with tf.Graph().as_default():
        writer = tf.summary.FileWriter(str(folder), filename_suffix=suffix)
        for step, values in points:
            summary = [tf.Summary.Value(tag=tag, simple_value=v) for tag, v in values.items()]
            writer.add_summary(tf.Summary(value=summary), step)
        writer.close()


def some(heads, steps=(10, 20, 30)):
    found = {"learning_rate": [(step, 1e-3 / step) for step in steps]}
    for number, head in enumerate(heads):
        found[f"{head}_loss"] = [(step, 10 / (step + number)) for step in steps]
        found[f"{head}_accuracy"] = [(step, step / 100) for step in steps]
    return found


def test_every_scalar_is_read_by_step(tmp_path):
    write(tmp_path, [(20, {"loss": 2.0, "pos_loss": 0.5}), (10, {"loss": 4.0})])
    assert read_scalars(str(tmp_path)) == {"loss": [(10, 4.0), (20, 2.0)], "pos_loss": [(20, 0.5)]}


def test_of_steps_gone_over_again_the_later_count(tmp_path):
    write(tmp_path, [(10, {"loss": 4.0}), (20, {"loss": 3.0})], ".1")
    write(tmp_path, [(20, {"loss": 2.0}), (30, {"loss": 1.0})], ".2")
    assert read_scalars(str(tmp_path))["loss"] == [(10, 4.0), (20, 2.0), (30, 1.0)]


def test_the_folder_may_be_called_as_it_likes_or_be_missing(tmp_path):
    folder = tmp_path / "a[1]*?"
    assert read_scalars(str(folder)) == {}
    folder.mkdir()
    assert read_scalars(str(folder)) == {}
    write(folder, [(1, {"loss": 4.0})])
    (folder / "eval").mkdir()
    assert read_scalars(f"{folder}/") == {"loss": [(1, 4.0)]}


def test_scalars_as_tpus_write_them(tmp_path):
    v2 = tf.compat.v2.summary
    with tf.Graph().as_default(), tf.Session() as session:
        writer = v2.create_file_writer(str(tmp_path))
        with writer.as_default():
            v2.scalar("masked_lm_loss", 1.5, step=7)
            v2.text("note", "no number", step=7)
            v2.write("several", [1.0, 2.0], step=7)
            ops = tf.summary.all_v2_summary_ops()
        session.run(writer.init())
        session.run(ops)
        session.run(writer.close())
    assert read_scalars(str(tmp_path)) == {"masked_lm_loss": [(7, 1.5)]}


def test_a_file_whose_end_is_missing_counts_up_to_there(tmp_path):
    write(tmp_path, [(10, {"loss": 4.0}), (20, {"loss": 3.0})])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert read_scalars(str(tmp_path)) == {"loss": [(10, 4.0)]}


@pytest.mark.parametrize("heads, with_held_out", [(HEADS[:1], False), (HEADS, True)])
def test_the_picture_shows_each_head(tmp_path, monkeypatch, heads, with_held_out):
    figures = drawn(monkeypatch)
    path = tmp_path / "new" / "curve.png"
    held_out = some(heads, [15, 30]) if with_held_out else None
    plot_learning_curve(some(heads), str(path), "LERT", held_out)
    assert png_size(path.read_bytes()) == (1080, 780)

    (figure,) = figures
    losses, rate, accuracies = figure.axes
    assert [list(line.get_ydata()) for line in losses.lines] == [
        [value for _, value in some(heads)[f"{head}_loss"]] for head in heads
    ]
    assert [list(line.get_ydata()) for line in accuracies.lines] == [[10, 20, 30]] * len(heads)
    assert [list(line.get_ydata()) for line in rate.lines] == [[1e-4, 5e-5, 1e-3 / 30]]
    assert {line.get_linestyle() for line in losses.lines} == {"-"}
    assert {line.get_linestyle() for line in accuracies.lines} == {"--"}
    colours, kinds = ([text.get_text() for text in legend.texts] for legend in figure.legends)
    end = ", held out 0.33 (30.0 %)" if with_held_out else ""
    assert colours[0] == f"masked_lm 0.33 (30.0 %){end}" and len(colours) == len(heads)
    assert kinds[:2] == ["loss", "accuracy"]
    points = [list(map(tuple, dots.get_offsets())) for dots in accuracies.collections]
    assert points == ([[(15, 15), (30, 30)]] * len(heads) if with_held_out else [])
    assert len(kinds) == (4 if with_held_out else 2)


def test_a_tasks_score_has_a_panel(tmp_path, monkeypatch):
    figures = drawn(monkeypatch)
    dev = {"f1": [(10, 60.0), (20, 71.5), (30, 71.5)], "loss": [(10, 0.5), (20, 0.4), (30, 0.3)]}
    path = tmp_path / "curve.png"
    plot_learning_curve(some(["label"]), str(path), "a task", dev, "f1")
    assert png_size(path.read_bytes()) == (1080, 780)
    (figure,) = figures
    _, score, rate, _ = figure.axes
    assert score.get_title() == "f1 on dev, best 71.50 at step 20"
    curve, best = (list(zip(line.get_xdata(), line.get_ydata())) for line in score.lines)
    assert (curve, best) == (dev["f1"], [(20, 71.5)])
    assert score.get_xlim() == rate.get_xlim()
    _, kinds = figure.legends
    assert [text.get_text() for text in kinds.texts] == ["loss", "accuracy"]


@pytest.mark.parametrize("metric, panels", [("accuracy", 4), (None, 3)])
def test_what_a_training_leaves(tmp_path, monkeypatch, metric, panels):
    figures = drawn(monkeypatch)
    folder = tmp_path / "run"
    of_training = {"label_loss": 0.5, "label_accuracy": 0.75, "learning_rate": 1e-4, "skipped": 2.0}
    write(folder, [(1, of_training)])
    write(folder / "eval", [(1, {"accuracy": 80.0, "loss": 0.25})])
    summary = {"last_step": 1, "best": metric and {"metric": metric, "value": 80.0}}
    write_summary(f"{folder}/", summary, print)
    assert json.loads((folder / "training_summary.json").read_text()) == {
        **summary,
        "skipped_steps": 2,
    }
    assert (folder / "learning_curve.png").exists()
    assert figures[0].get_suptitle() == "run, step 1"
    assert len(figures[0].axes) == panels


@pytest.mark.parametrize("metric", ["loss", "masked_lm_accuracy", None])
def test_pretraining_has_no_panel_of_scores(tmp_path, monkeypatch, metric):
    figures = drawn(monkeypatch)
    held_out = {**some(HEADS[:1]), "loss": [(10, 4.0)]}
    plot_learning_curve(some(HEADS[:1]), str(tmp_path / "a.png"), "wwm", held_out, metric)
    assert len(figures[0].axes) == 3


def drawn(monkeypatch):
    """The figures that are made from here on."""
    from matplotlib import figure

    figures = []

    class Figure(figure.Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            figures.append(self)

    monkeypatch.setattr(figure, "Figure", Figure)
    return figures


def png_size(content):
    """Width and height, after a look at the image's data."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    start = content.index(b"IDAT")
    (length,) = struct.unpack(">I", content[start - 4 : start])
    zlib.decompressobj().decompress(content[start + 4 : start + 4 + length])
    return struct.unpack(">II", content[16:24])


def test_a_head_without_accuracy_and_a_single_point(tmp_path):
    found = {"masked_lm_loss": [(5, 1.0)], "learning_rate": [(5, 1e-4)], "loss": [(5, 1.0)]}
    path = tmp_path / "curve.png"
    plot_learning_curve(found, str(path), "a step", {"masked_lm_loss": [(5, 1.1)]})
    assert path.read_bytes().startswith(b"\x89PNG")


def test_nothing_to_draw_is_told(tmp_path):
    with pytest.raises(DataError, match=r"a\.png: nothing to draw; expected the curve of a loss"):
        plot_learning_curve({"loss": [(1, 1.0)]}, str(tmp_path / "a.png"), "nothing")


def test_matplotlib_is_asked_for_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"without matplotlib; expected .* -e '\.\[demo\]'"):
        plot_learning_curve(some(HEADS), str(tmp_path / "a.png"), "LERT")
    assert not list(tmp_path.iterdir())
