"""What the benchmarks share: programs run as processes of their own, CPU time, tables.

CPU time is that of all threads and processes: it hardly depends on the other work of the machine.
Kinds that are compared take turns, so that a busy machine slows all of them alike.
"""

import concurrent.futures
import json
import logging
import multiprocessing
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from bert_wwm.cli.steps import ROOT
from bert_wwm.core.errors import ToolkitError
from bert_wwm.records.schema import Schema

FLAGS = flags.FLAGS

VOCABULARY = 21128  # pieces of the released models


class Cost(NamedTuple):
    """What some work took."""

    wall: float  # seconds by the clock
    cpu: float  # seconds of all threads and processes
    memory: float = 0.0  # the maximum in one process, MB


def define_data_dir() -> None:
    """Defines --data_dir, the folder of the full data sets of the tests."""
    flags.DEFINE_string(
        "data_dir",
        os.environ.get("BERT_WWM_TEST_DATA", os.path.join(ROOT, os.pardir, "shared", "data")),
        "The test data; by default the folder that the environment variable BERT_WWM_TEST_DATA "
        "names, or ../shared/data beside the project.",
    )


def time_work(work: Callable[[], Any]) -> tuple[Any, Cost]:
    """Returns the result of some work in this process, and its cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Cost(time.perf_counter() - wall, time.process_time() - cpu)


def peak_memory() -> float:
    """Returns the maximum of memory that this process has used, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def take_medians(runs: Sequence[Any]) -> Any:
    """Returns the median of each field of NamedTuples."""
    return type(runs[0])(*np.median(runs, axis=0))


def run_program(
    program: str, *arguments: str, python: str = sys.executable, **environment: str
) -> tuple[str, Cost]:
    """Runs a program of the checkout; returns its standard output, and its cost."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [python, os.path.join(ROOT, program), *arguments],
            stdout=output,
            stderr=errors,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": ROOT, **environment},
        )
        _, status, usage = os.wait4(process.pid, 0)  # with the processes that it waited for
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begun
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise ToolkitError(
                f"{program} ended with status {process.returncode}: {errors.read().strip()}"
            )
        cost = Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
        return output.read(), cost


def define_num_processes() -> None:
    """Defines --num_processes, for ``estimate_tpu``."""
    flags.DEFINE_integer("num_processes", 2, "Estimates at a time.", lower_bound=1)


def estimate_tpu(jobs: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Returns what estimate_tpu.py --json prints with the arguments of each job, by its name."""

    def estimate(name: str) -> dict[str, Any]:
        try:
            output, _ = run_program("estimate_tpu.py", *jobs[name], "--json")
        except ToolkitError as error:
            raise ToolkitError(f"{name}: {error}") from None
        print(f"{name}: done", file=sys.stderr, flush=True)
        return json.loads(output)

    with concurrent.futures.ThreadPoolExecutor(FLAGS.num_processes) as pool:
        return dict(zip(jobs, pool.map(estimate, jobs)))


def call_alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Returns the result of a function in a process of its own, which has the same flags."""
    with multiprocessing.get_context("spawn").Pool(1, _prepare) as pool:
        return pool.apply(work, arguments)


def _prepare() -> None:
    FLAGS(sys.argv)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of its own code


def make_features(rng: np.random.Generator, size: int, schema: Schema) -> dict[str, np.ndarray]:
    """Returns random features of pretraining, of shape [size, ...].

    Nine tenths of the sequences are full; 15 % of the pieces are to be predicted.
    """
    lengths = {field.name: field.length for field in schema}
    length, predictions = lengths["input_ids"], lengths["masked_lm_ids"]
    full = rng.random((size, 1)) < 0.9
    used = np.where(full, length, rng.integers(length // 4, length, (size, 1)))
    mask = (np.arange(length) < used).astype(np.int64)
    ids = rng.integers(106, VOCABULARY, (size, length)) * mask
    wanted = np.arange(predictions) < np.round(0.15 * used)
    positions = np.sort(rng.integers(1, used, (size, predictions)), axis=1) * wanted
    return {
        "input_ids": ids,
        "input_mask": mask,
        "segment_ids": (np.arange(length) >= used // 2) * mask,
        "masked_lm_positions": positions,
        "masked_lm_ids": np.take_along_axis(ids, positions, axis=1) * wanted,
        "masked_lm_weights": wanted.astype(np.float32),
        "next_sentence_labels": rng.integers(0, 2, (size, 1)),
    }


class Table:
    """A table that is printed row by row.

    Example:
        table = Table("<10", ("seconds", ">9.1f")); table.print_row("ours", 1.23)
    """

    def __init__(self, first: str, *columns: tuple[str, str]):
        self._formats = [first, *(form for _, form in columns)]
        self.print_row("", *(title for title, _ in columns))

    def print_row(self, *cells: Any) -> None:
        """Prints cells by the formats of their columns; text and None by their width only."""
        texts = []
        for cell, form in zip(cells, self._formats):
            if cell is None or isinstance(cell, str):
                cell, form = cell or "", re.match(r"[<>]\d+", form)[0]
            texts.append(f"{cell:{form}}")
        print("".join(texts), flush=True)
