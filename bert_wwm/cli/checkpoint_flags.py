"""Checks of flags that name checkpoints, before anything starts."""

from absl import flags

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError

FLAGS = flags.FLAGS


def refuse_patterns(*names: str) -> None:
    """Raises ConfigError if a flag's path is one that TensorFlow could write, but not read."""
    for name in names:
        path = FLAGS[name].value
        if path and files.is_pattern(path):
            raise ConfigError(f"--{name}={path}: {files.PATTERN_REFUSED}")
