"""Reads damaged files, one after another, in a process that may not survive it.

Arguments: the kind of files, the seed, the numbers of the first and after the last one, and a
folder with a pickle of what is damaged. Prints ``ready``, then a line of JSON for each: its number,
verdict and note. mutations.py starts it.
"""

import json
import pathlib
import pickle
import resource
import shutil
import sys
import traceback
from typing import Any

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "programs")]

from bert_wwm.core.errors import ToolkitError  # noqa: E402
from torture.bench import ELSE, SAME, SENTENCE, VALID, Outcome, rng_for  # noqa: E402
from torture.targets import TARGETS, Target  # noqa: E402

_MORE_MEMORY = 4 << 30  # bytes: a wrong size must not take the machine's


def main() -> None:
    kind, seed, first, end, folder = sys.argv[1:]
    targets: list[Target] = pickle.loads(pathlib.Path(folder, TARGETS).read_bytes())
    scratch = pathlib.Path(folder, "scratch")
    expected = [read(target, scratch) for target in targets]
    limit_memory()
    print("ready", flush=True)
    for number in range(int(first), int(end)):
        name = f"mutations/{kind}/{number}"
        place = number % len(targets)
        outcome = attack(targets[place], expected[place], rng_for(int(seed), name), scratch)
        print(json.dumps([number, *outcome]), flush=True)


def attack(target: Target, expected: Any, rng: Any, scratch: pathlib.Path) -> Outcome:
    """Damages a file, and reads it as a program would."""
    data = target.damage((target.folder / target.name).read_bytes(), rng)
    where = f"{target.folder.name}/{target.name} by {target.damage.__name__}"
    try:
        found = read(target, scratch, data)
    except BaseException as error:
        if is_told(error):
            return Outcome(SENTENCE)
        last = "".join(traceback.format_exception(error)[-4:])
        return Outcome(ELSE, f"{where}: {last}")
    if found == expected:
        return Outcome(SAME)
    if target.is_checked:
        return Outcome(ELSE, f"{where}: something else was read")
    return Outcome(VALID)


def is_told(error: BaseException) -> bool:
    """True for what a program reports in one sentence: see bert_wwm/cli/app.py."""
    from bert_wwm.compat import tf

    return isinstance(error, (ToolkitError, OSError, tf.errors.OpError)) and bool(str(error))


def read(target: Target, scratch: pathlib.Path, data: Any = None) -> Any:
    """Reads a copy of the folder, in which the file holds ``data`` if there is any."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(target.folder, scratch)
    if data is not None:
        (scratch / target.name).write_bytes(data)
    return repr(target.read(scratch))  # NaN is the same as NaN


def limit_memory() -> None:
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + _MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
