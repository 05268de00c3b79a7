"""Learning curves from what TensorBoard was given."""

import glob
import os
from typing import Dict, List, Tuple

from bert_wwm.compat import tf
from bert_wwm.core import files

Curve = List[Tuple[int, float]]  # (step, value)


def read_scalars(output_dir: str) -> Dict[str, Curve]:
    """Returns the scalars of a run by name, by increasing step."""
    curves: Dict[str, Dict[int, float]] = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(output_dir), "events.out.tfevents.*"))):
        for event in tf.train.summary_iterator(path):
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    curves.setdefault(value.tag, {})[event.step] = value.simple_value
    return {name: sorted(points.items()) for name, points in curves.items()}


def plot_learning_curve(
    curves: Dict[str, Curve], held_out_loss: float, path: str, title: str
) -> None:
    """Draws masked LM loss and accuracy over the steps into a PNG.

    Args:
        curves: of ``masked_lm_loss`` (nats) and ``masked_lm_accuracy`` (fraction of 1).
        held_out_loss: loss on held-out text after the last step, in nats.
        path: the file to write.
        title: what was trained.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, left = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    steps, losses = zip(*curves["masked_lm_loss"])
    (loss_line,) = left.plot(steps, losses, color="tab:blue", label="masked LM loss, training")
    held_out = left.scatter(
        [steps[-1]],
        [held_out_loss],
        color="tab:orange",
        zorder=3,
        label=f"masked LM loss, held out: {held_out_loss:.2f}",
    )
    left.set(xlabel="step", ylabel="loss (nats per piece)", title=title)
    left.grid(alpha=0.3)
    right = left.twinx()
    steps, accuracies = zip(*curves["masked_lm_accuracy"])
    (accuracy_line,) = right.plot(
        steps,
        [100 * accuracy for accuracy in accuracies],
        color="tab:green",
        linestyle="--",
        label="masked LM accuracy, training",
    )
    right.set(ylabel="accuracy (%)", ylim=(0, None))
    left.legend(handles=[loss_line, held_out, accuracy_line], loc="center right")
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    pyplot.close(figure)
