"""What can go wrong and be told to the user in one sentence."""


class ToolkitError(Exception):
    """Base of all errors that a program reports without a traceback."""


class DataError(ToolkitError):
    """Input that cannot be used: ``path:line: what is wrong; what was expected``."""


class ConfigError(ToolkitError):
    """Flags or configuration files that contradict themselves or the data."""


class CheckpointError(ToolkitError):
    """A checkpoint that is missing, broken, or does not fit the model."""
