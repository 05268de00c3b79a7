"""Whether a run is the one that was begun before: its settings decide, all of them."""

import json
from collections.abc import Mapping
from typing import Any

from bert_wwm.core.errors import ConfigError


def check_same_run(
    earlier: Mapping[str, Any], now: Mapping[str, Any], where: str, otherwise: str
) -> None:
    """Compares the settings of a run with those that it was begun with.

    A setting that only one of them has counts as None in the other.

    Args:
        earlier: the settings that were kept, as read from JSON.
        now: the settings of this run, ready for JSON.
        where: the file or folder that keeps them.
        otherwise: ends the message: what else may be done.

    Raises:
        ConfigError: a setting differs.
    """
    now = json.loads(json.dumps(now))  # as it is read again: tuples are lists, keys are strings
    for name in {**now, **earlier}:
        if earlier.get(name) != now.get(name):
            raise ConfigError(
                f"{where}: was made with {name} = {earlier.get(name)}, this run has "
                f"{now.get(name)}; expected the same, {otherwise}"
            )
