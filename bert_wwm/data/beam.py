"""Blocks to shards by Apache Beam, on as many machines as a corpus takes: the bytes of a local run.

The payloads of each shard are put into the order of the blocks and written when all blocks are
done: nothing is written, and nothing of an earlier run removed, before the whole corpus went
through. Beam is imported when a pipeline is made.
"""

import contextlib
import functools
import io
import json
import logging
import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bert_wwm.core import errors, files, input_files
from bert_wwm.core.errors import ConfigError, ToolkitError
from bert_wwm.core.json_files import read_object
from bert_wwm.core.shards import Json, base_name, listed_files, manifest_path, write_manifests
from bert_wwm.core.staging import temporary_folder
from bert_wwm.corpus.blocks import Block
from bert_wwm.data.counts import Counts
from bert_wwm.data.local import BlockOutput, Work, Written
from bert_wwm.data.sources import Source

# Beam's names. For "direct" see _direct_runner: Beam's DirectRunner would fetch a program from the
# network.
RUNNERS = {
    "direct": "FnApiRunner",
    "dataflow": "DataflowRunner",
    "flink": "FlinkRunner",
    "spark": "SparkRunner",
}

# A worker on this machine. It would print the tracebacks of errors, which come back in any case.
_WORKER = (
    "import logging, os, sys; logging.disable(); "
    "from apache_beam.runners.worker import sdk_worker_main; "
    "sys.stderr = open(os.devnull, 'w'); sdk_worker_main.main([])"
)

# How errors stand in a traceback, which may be all that comes back from a worker: ours, and those
# of the operating system. Beam adds the step.
_RAISED = re.compile(
    rf"(?:{re.escape(errors.__name__)}\.\w+: |\w+Error: (?=\[Errno ))"
    r"(.+?)(?: \[while running .*)?$",
    re.MULTILINE,
)

Order = tuple[int, int]  # of a block: its run of files, and its number there
Made = tuple[Order, int, BlockOutput]  # of a block: where it stands, its bytes, and its results
Payload = tuple[int, tuple[Order, bytes]]  # a shard, and what it gets of which block


class Output:
    """The shards of a run, and manifests beside them; see ``core.shards.Shards``."""

    def __init__(self, paths: Sequence[str], run: Json, overwrite: bool = False):
        self.paths = list(paths)
        self._run = {**run, "output": {"files": [base_name(path) for path in paths]}}
        manifests = list(dict.fromkeys(map(manifest_path, paths)))
        listed = [path for manifest in manifests for path in listed_files(manifest)]
        old = [path for path in [*manifests, *listed, *paths] if files.exists(path)]
        if old and not overwrite:
            raise ConfigError(f"{old[0]}: is there already; --overwrite replaces it")
        # Files of an earlier run, its manifest first, that this one won't replace.
        self.surplus = [path for path in dict.fromkeys(old) if path not in self.paths]
        # The file in which workers leave what was counted.
        folder, name = manifests[0].rpartition(base_name(manifests[0]))[:2]
        self.totals = f"{folder}.{name}.unfinished"

    def finish(self, manifest: Json, of_files: Sequence[Json]) -> None:
        """Writes the manifests, of all files and of each; raises DataError for a changed input."""
        input_files.check_unchanged()
        entries = {
            path: {**entry, "bytes": files.size(path)} for path, entry in zip(self.paths, of_files)
        }
        write_manifests({**manifest, "files": entries, "run": self._run})


def make_pipeline(runner: str, num_workers: int, options: str) -> Any:
    """Returns an empty pipeline. Raises ConfigError for a missing package or a wrong option."""
    beam = _import_beam(runner)
    from apache_beam.options import pipeline_options

    # Beam reports errors by exceptions, and prints their tracebacks besides. Of a run elsewhere it
    # tells how it goes.
    level = logging.CRITICAL if runner == "direct" else logging.INFO
    logging.getLogger(beam.__name__).setLevel(level)
    usage = io.StringIO()  # of all of Beam's options, before it says which value it can't read
    try:
        parsed = pipeline_options.PipelineOptions(shlex.split(options))
        with contextlib.redirect_stderr(usage):
            parsed.get_all_options()  # else they are read one by one
        # Workers import what they need; the program itself isn't sent to them.
        parsed.view_as(pipeline_options.SetupOptions).save_main_session = False
        made = _direct_runner(num_workers, parsed) if runner == "direct" else RUNNERS[runner]
        return beam.Pipeline(made, parsed)
    except (SystemExit, ValueError) as error:
        reason = usage.getvalue().split("error: ")[-1] or str(error)
        raise ConfigError(f"--beam_options={options!r}: {' '.join(reason.split())}") from None


def _import_beam(runner: str) -> Any:
    logging.disable(logging.WARNING)  # that Google's packages are missing, which few need
    extra = "dataflow" if runner == "dataflow" else "beam"
    try:
        import apache_beam

        if runner == "dataflow":
            import apache_beam.runners.dataflow.internal.apiclient
    except ImportError as error:
        raise ConfigError(
            f"--runner={runner} needs packages that aren't installed ({error.name}): "
            f"pip install -e '.[{extra}]' in the checkout"
        ) from None
    finally:
        logging.disable(logging.NOTSET)
    return apache_beam


def _direct_runner(num_workers: int, options: Any) -> Any:
    from apache_beam.options.pipeline_options import DirectOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    if num_workers == 1:
        return FnApiRunner()
    options.view_as(DirectOptions).direct_num_workers = num_workers
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(_WORKER)}"
    return FnApiRunner(SubprocessSDKEnvironment.from_command_string(command))


def write_blocks(
    work: Work, source: Source, paths: Sequence[str], output: Output, pipeline: Any
) -> Written:
    """Writes what becomes of the blocks of a corpus to the shards, as ``local.write_blocks`` does.

    Errors of workers become ToolkitError.
    """
    import apache_beam as beam

    made = (
        pipeline
        | "Runs" >> beam.Create(list(enumerate(source.runs(paths))))
        | "Spread runs" >> beam.Reshuffle()
        | "Read" >> beam.FlatMap(functools.partial(_read, source))
        | "Spread blocks" >> beam.Reshuffle()
        | "Work" >> beam.Map(functools.partial(_work_on, work))
    )
    begun = (
        made
        | "Count" >> beam.Map(_count)
        | "Add up" >> beam.CombineGlobally(functools.partial(_sum, len(output.paths)))
        | "Begin" >> beam.Map(functools.partial(_begin, output.totals, output.surplus))
    )
    _ = (
        made
        | "Deal out" >> beam.FlatMap(_payloads)
        | "Group" >> beam.GroupByKey()
        | "Write"
        >> beam.Map(functools.partial(_write, output.paths), beam.pvalue.AsSingleton(begun))
    )
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:  # its class depends on the runner
        raised = _RAISED.search("".join(traceback.format_exception_only(type(error), error)))
        if raised is None:
            raise
        raise ToolkitError(raised.group(1)) from None
    values = read_object(output.totals)
    written = Written(**{**values, "counts": Counts.from_json(values["counts"])})
    files.remove(output.totals)
    if any(written.records):
        for path, records in zip(output.paths, written.records):
            if not records:
                files.write_text(path, "")
    return written


def _read(source: Source, run: tuple[int, list[str]]) -> Iterator[tuple[Order, Block]]:
    number, paths = run
    for position, block in enumerate(source.read(number, paths)):
        yield (number, position), block


def _work_on(work: Work, ordered: tuple[Order, Block]) -> Made:
    order, block = ordered
    return order, block.size, work(block)


def _count(made: Made) -> Written:
    _, size, output = made
    return Written(1, size, output.records, output.counts)


def _sum(num_shards: int, parts: Iterable[Written]) -> Written:
    return functools.reduce(Written.add, parts, Written(0, 0, [0] * num_shards, Counts()))


def _begin(totals_path: str, surplus: Sequence[str], totals: Written) -> None:
    """Leaves the totals for the process that waits, and removes what won't be replaced.

    Runners may do this again at any time, so nothing that is yet to be written may go.
    """
    files.write_text(totals_path, json.dumps(totals.to_json()))
    if any(totals.records):
        for path in surplus:
            files.remove(path)


def _payloads(made: Made) -> Iterator[Payload]:
    order, _, output = made
    for shard, payload in enumerate(output.payloads):
        if payload:
            yield shard, (order, payload)


def _write(
    paths: Sequence[str], shard: tuple[int, Iterable[tuple[Order, bytes]]], begun: None
) -> None:
    """Writes the payloads of a shard, which need not fit into memory, in their order.

    ``begun`` makes Beam wait for ``_begin``.
    """
    number, payloads = shard
    path = paths[number]
    folder = None if files.is_remote(path) else os.path.dirname(os.path.realpath(path))
    with temporary_folder(folder, base_name(path)) as place:
        sorted_path = os.path.join(place, "sorted")
        heap_path = os.path.join(place, "unsorted")
        with open(heap_path, "w+b") as heap, open(sorted_path, "wb") as stream:
            index = []
            for order, payload in payloads:
                index.append((order, heap.tell(), len(payload)))
                heap.write(payload)
            for _, start, size in sorted(index):
                heap.seek(start)
                stream.write(heap.read(size))
        files.move(sorted_path, path)
