"""Whether a run is the one that was begun before: its settings decide, all of them."""

import json
from collections.abc import Mapping
from typing import Any

from bert_wwm.core.errors import ConfigError


def check_same_run(
    earlier: Mapping[str, Any], now: Mapping[str, Any], where: str, otherwise: str
) -> None:
    """Raises ConfigError where a run's settings are not those that it was begun with.

    A setting that only one of them has counts as None in the other. The message names the place
    that keeps the earlier settings, and ends with what else may be done.
    """
    now = json.loads(json.dumps(now))  # as it is read again: tuples are lists, keys are strings
    for name in {**now, **earlier}:
        if earlier.get(name) != now.get(name):
            raise ConfigError(
                f"{where}: was made with {name} = {earlier.get(name)}, this run has "
                f"{now.get(name)}; expected the same, {otherwise}"
            )
