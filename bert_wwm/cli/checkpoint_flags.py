"""Checks of flags that name checkpoints, before anything starts."""

from absl import flags

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError

FLAGS = flags.FLAGS


def refuse_patterns(*names: str) -> None:
    """Refuses paths at which TensorFlow could write checkpoints, but not read them again.

    Args:
        names: the flags.

    Raises:
        ConfigError: one of their values is such a path.
    """
    for name in names:
        path = FLAGS[name].value
        if path and files.is_pattern(path):
            raise ConfigError(f"--{name}={path}: {files.PATTERN_REFUSED}")
