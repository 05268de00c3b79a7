"""Figures of matplotlib, which is an extra."""

import io
from typing import Any

from bert_wwm.core.errors import ConfigError


def make_figure(what: str, width: float, height: float) -> Any:
    """Returns an empty figure; sizes in inches. Raises ConfigError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            f"{what} can't be drawn without matplotlib; expected it to be installed, as by "
            "pip install -e '.[demo]'"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def render_png(figure: Any) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()
