"""What can go wrong and be told to the user in one sentence."""

import contextlib
import re
from collections.abc import Iterator, Sequence

_MOST_LISTED = 5
# TensorFlow's sessions put where in the code an operation was made before the reason.
_PLACE_IN_CODE = re.compile(
    r"Graph execution error:.*\nNode:[^\n]*\n"
    r"(\d+ root error[^\n]*\n\s*\(0\) )?(From /job:[^\n]*\n)?",
    re.DOTALL,
)


class ToolkitError(Exception):
    """Base of all errors that a program reports without a traceback."""


class DataError(ToolkitError):
    """Input that cannot be used: ``path:line: what is wrong; what was expected``."""


class ConfigError(ToolkitError):
    """Flags or configuration files that contradict themselves or the data."""


class CheckpointError(ToolkitError):
    """A checkpoint that is missing, broken, or does not fit the model."""


def list_few(names: Sequence[str]) -> str:
    """Returns names for a message: all of a few, or the first ones and how many more there are.

    Example:
        list_few(list("abcdefg")) -> "a, b, c, d, e and 2 more"
    """
    shown = ", ".join(names[:_MOST_LISTED])
    more = len(names) - _MOST_LISTED
    return f"{shown} and {more:,} more" if more > 0 else shown


def first_reason(message: str) -> str:
    """Returns the line of a TensorFlow error's message that says what went wrong."""
    return _PLACE_IN_CODE.sub("", message).partition("\n")[0]


@contextlib.contextmanager
def naming(shown: str, path: str) -> Iterator[None]:
    """Lets errors of the block name ``shown``, not the temporary ``path`` that it works with."""
    try:
        yield
    except ToolkitError as error:
        if path not in str(error):
            raise
        raise type(error)(str(error).replace(path, shown)) from None
