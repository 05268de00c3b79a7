"""The flags that decide what a program writes; ``core.same_run`` compares them."""

import sys
from collections.abc import Collection

from absl import flags


def key_flags() -> dict[str, object]:
    """Returns all flags of the program that runs, and their values."""
    return {flag.name: flag.value for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0])}


def flags_of_run(harmless: Collection[str]) -> dict[str, object]:
    """Returns the flags that decide the outcome of a run: all that are not named as harmless."""
    return {name: value for name, value in key_flags().items() if name not in harmless}
