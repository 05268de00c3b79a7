"""What a training leaves for people to look at."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.json_files import write_json
from bert_wwm.report.curves import plot_learning_curve, read_scalars


def write_summary(folder: str, summary: Mapping[str, Any], log: Callable[[str], None]) -> None:
    """Writes ``training_summary.json`` and, by the events in the folder, ``learning_curve.png``.

    ``log`` takes a line if the curve can't be drawn.
    """
    curves = read_scalars(folder)
    skipped = sum(int(number) for _, number in curves.get("skipped", ()))
    values = {**summary, "skipped_steps": skipped}
    write_json(os.path.join(folder, "training_summary.json"), values)
    if not any(name.endswith("_loss") for name in curves):
        return
    best = summary["best"] or {}
    title = f"{os.path.basename(folder.rstrip('/'))}, step {summary['last_step']:,}"
    try:
        plot_learning_curve(
            curves,
            os.path.join(folder, "learning_curve.png"),
            title,
            read_scalars(os.path.join(folder, "eval")),
            best.get("metric"),
        )
    except ConfigError as error:  # matplotlib is an extra
        log(f"No learning_curve.png: {error}")
