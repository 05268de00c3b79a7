"""The cluster that the environment variable TF_CONFIG describes, as TensorFlow reads it."""

import os
from collections.abc import Callable
from typing import NamedTuple

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import parse_line

_VARIABLE = "TF_CONFIG"
_EXPECTED = (
    'expected JSON such as {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", '
    '"index": 0}}'
)


class Cluster(NamedTuple):
    """The processes of a cluster, and which of them this one is."""

    addresses: dict[str, list[str]]  # those of each job, such as ``worker``
    job: str  # of this process, such as ``worker``
    number: int  # in its job, from 0

    @property
    def is_chief(self) -> bool:
        """True for the process that writes the checkpoints."""
        return (self.job, self.number) == ("chief" if "chief" in self.addresses else "worker", 0)

    @property
    def name(self) -> str:
        """The name of this process, such as ``worker 1``."""
        return f"{self.job} {self.number}"

    def find_trainers(self) -> dict[str, str]:
        """Returns the addresses of the processes that train, by their names, the chief's first."""
        return {
            f"{job} {index}": address
            for job in ("chief", "worker")
            for index, address in enumerate(self.addresses.get(job, ()))
        }


def read_cluster() -> Cluster | None:
    """Reads TF_CONFIG. Returns None if it is not set or describes no cluster."""
    text = os.environ.get(_VARIABLE, "").strip()
    if not text:
        return None
    try:
        values = parse_line(text, _VARIABLE)
        cluster = values.get("cluster") or {}
        addresses = {str(job): [str(address) for address in cluster[job]] for job in cluster}
        if not addresses:
            return None
        task = values["task"]
        found = Cluster(addresses, str(task["type"]), int(task["index"]))
    except (DataError, AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{_VARIABLE} can't be read ({what}); {_EXPECTED}") from None
    if found.job in addresses and not 0 <= found.number < len(addresses[found.job]):
        raise ConfigError(
            f"{_VARIABLE}: task {found.job} {found.number} is not one of the "
            f"{len(addresses[found.job])} in its cluster; {_EXPECTED}"
        )
    return found


def check_cluster(distribution_strategy: str | None, log: Callable[[str], None]) -> None:
    """Compares TF_CONFIG with --distribution_strategy; logs a line if a cluster is not used."""
    cluster = read_cluster()
    if distribution_strategy == "multi_worker":
        if cluster is None:
            raise ConfigError(
                f"--distribution_strategy=multi_worker needs the environment variable {_VARIABLE}; "
                f"{_EXPECTED}"
            )
    elif cluster is not None:
        processes = sum(map(len, cluster.addresses.values()))
        log(
            f"{_VARIABLE} describes a cluster of {processes} process(es), which is not used: this "
            "process trains alone. In pretraining --distribution_strategy=multi_worker uses it"
        )
