"""Flags of programs whose workers turn a corpus into shards."""

import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from bert_wwm.cli import same_run
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.core.input_files import describe_inputs
from bert_wwm.core.progress import Progress, duration
from bert_wwm.core.shards import Json, Shards, check_shard_names, shard_paths
from bert_wwm.core.workers import default_num_workers
from bert_wwm.data.counts import Counts, Tally
from bert_wwm.data.local import Work, Written, load_written, write_blocks
from bert_wwm.data.sources import Source, read_all

FLAGS = flags.FLAGS

flags.DEFINE_list(
    "output_file",
    None,
    "Files to write, parted by commas; or, with --num_output_shards, the name that all begin with.",
)
flags.DEFINE_integer(
    "num_output_shards",
    None,
    "Number of files to write, named NAME-00007-of-00064.",
    lower_bound=1,
    upper_bound=99999,
)
flags.DEFINE_integer(
    "num_workers", default_num_workers(), "Processes; all cores by default.", lower_bound=1
)
flags.DEFINE_bool(
    "overwrite",
    False,
    "Begin anew, and replace what is there. Without it a run that was interrupted goes on, one "
    "that is finished is left as it is, and other output is never touched.",
)
flags.DEFINE_bool(
    "dry_run", False, "Work on a sample only, and say what the run would take; writes nothing."
)

# Flags of these programs without influence on the output, or whose content is compared.
_HARMLESS = (
    "input_file output_file vocab_file similar_words_file ltp_model ltp_device ltp_batch_size "
    "num_workers overwrite dry_run runner beam_options"
).split()
_SAMPLED_RUNS, _SAMPLED_BLOCKS = 4, 3


def outputs_from_flags(inputs: Sequence[str]) -> list[str]:
    """The files of --output_file and --num_output_shards, all different, and none an input."""
    outputs = FLAGS.output_file
    if not outputs or not all(outputs):
        raise ConfigError(f"--output_file={','.join(outputs)}: expected names of files to write")
    if FLAGS.num_output_shards is not None:
        if len(outputs) > 1:
            raise ConfigError("--num_output_shards: expected a single name in --output_file")
        outputs = shard_paths(outputs[0], FLAGS.num_output_shards)
    check_shard_names(outputs)
    taken = dict.fromkeys(map(files.identity, inputs), "is an input; expected a file to write")
    for path in outputs:
        identity = files.identity(path)
        if identity in taken:
            raise ConfigError(f"--output_file: {path} {taken[identity]}")
        taken[identity] = "is named twice; expected different files"
        files.check_writable(path)
    return outputs


def describe_run(source: Source, inputs: Sequence[str]) -> Json:
    """Returns what decides the output of all these programs: their flags, and the input."""
    return {
        "flag": same_run.flags_of_run(_HARMLESS),
        "input": describe_inputs(inputs),
        "blocks": source.blocks(),
    }


def describe_outputs(outputs: Sequence[str]) -> str:
    """Names the files that were written, for a line of output."""
    return outputs[0] if len(outputs) == 1 else f"{outputs[0]} ... {outputs[-1]}"


def write_shards(
    what: str,
    work: Callable[[Any], Any],
    source: Source,
    inputs: Sequence[str],
    outputs: Sequence[str],
    run: Json,
    describe: Callable[[Written], Json],
    unit: str = "sentences",
    kind: type[Tally] = Counts,
    make_settle: Callable[[Shards, Written], Callable] | None = None,
    header: bytes = b"",
) -> Written | None:
    """Writes all that isn't written yet, on this machine; see ``Shards`` and ``write_blocks``.

    Args:
        what: the name of the work, for its progress.
        describe: returns the manifest; raises DataError where nothing is to be kept.
        unit: the manifest's name of what is counted in each file.
        make_settle: makes the ``settle`` of ``write_blocks``.
        header: what each file begins with.

    Returns:
        What is written then; None where all was finished before.
    """
    with Shards(outputs, run, FLAGS.overwrite) as shards:
        if shards.finished:
            print(f"{list_few(outputs)}: finished already")
            return None
        before = load_written(shards, len(outputs), kind)
        if before.blocks:
            print(f"Resumes after {before.bytes / 1e6:.1f} MB of text", flush=True)
        if header and shards.state is None:
            shards.append([header] * len(outputs), before.to_json())
        settle = {"settle": make_settle(shards, before)} if make_settle else {}
        blocks = read_all(source, inputs)
        total = sum(map(files.text_size, inputs))
        with Progress(what, total, done=before.bytes) as progress:
            written = write_blocks(
                work, blocks, shards, before, FLAGS.num_workers, progress, **settle
            )
        try:
            manifest = describe(written)
        except DataError:
            shards.discard()
            raise
        shards.finish(manifest, [{unit: number} for number in written.records])
    return written


def estimate(
    work: Work, source: Source, inputs: Sequence[str], num_shards: int, kind: type[Tally] = Counts
) -> None:
    """Prints what a run would take, by what a sample of its blocks takes in this process."""
    runs = list(enumerate(source.runs(inputs)))
    sampled = runs[:: -(-len(runs) // _SAMPLED_RUNS)]
    size = written = made = 0
    counts: Any = kind()
    seconds = 0.0
    for number, run in sampled:
        for _, block in zip(range(_SAMPLED_BLOCKS), source.read(number, run)):
            if not size:
                work(block)  # the first fills the tables of the tokenizer, once for a whole run
            begun = time.process_time()
            output = work(block)
            seconds += time.process_time() - begun
            size += block.size
            written += sum(map(len, output.payloads))
            made += sum(output.records)
            counts += output.counts
    if not (counts.documents or counts.instances):
        raise DataError(f"{list_few(inputs)}: no text; expected one sentence a line")
    total = sum(map(files.text_size, inputs))
    scale = total / size
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # kilobytes on Linux
    hours = duration(seconds * scale / FLAGS.num_workers)
    print(
        f"By a sample of {size / 1e6:.1f} MB of {total / 1e6:,.1f} MB of text:\n"
        f"  {counts.unit:<11} {made * scale:,.0f}\n"
        f"  output      {written * scale / 1e9:,.2f} GB in {num_shards:,} file(s)\n"
        f"  time        {hours} with {FLAGS.num_workers} worker(s), "
        f"{size / 1e6 / seconds:.2f} MB/s of text each\n"
        f"  memory      {memory:,.0f} MB a worker",
        flush=True,
    )
