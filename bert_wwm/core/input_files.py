"""Input files that have to stay as they are while a run reads them, and until it is resumed."""

import datetime
from typing import Dict, Mapping, Sequence

from bert_wwm.core import files
from bert_wwm.core.errors import DataError


def describe_inputs(paths: Sequence[str]) -> Dict[str, str]:
    """What tells whether input files, and their order, are still the same."""
    return {
        files.absolute(path): f"file {number}, {files.size(path)} bytes of "
        f"{_date(files.modified(path))}"
        for number, path in enumerate(paths, 1)
    }


def check_unchanged(paths: Sequence[str], described: Mapping[str, str]) -> None:
    """Raises DataError where an input file is no longer as ``describe_inputs`` found it."""
    for path, now in describe_inputs(paths).items():
        if now != described[path]:
            raise DataError(
                f"{path}: changed while it was read, from {described[path]} to {now}; expected "
                "input that stays as it is. --overwrite begins anew"
            )


def _date(nanoseconds: int) -> str:
    date = datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.timezone.utc)
    return date.strftime("%Y-%m-%d %H:%M:%S.%f")
