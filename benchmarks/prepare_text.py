"""Measures scripts/prepare_text.py: megabytes a second of CPU time, by format, and memory.

The text is a corpus of documents, repeated with other figures until it has the size wanted, so that
all documents differ; plain text also twice, so that half of them are duplicates. CPU time is that
of all processes, from start to end; a plain read is that of the same file, line by line, decoded.

  python benchmarks/prepare_text.py --input_file=corpus/*.txt
  python benchmarks/prepare_text.py --input_file=corpus/*.txt --megabytes=1000 --formats=text
"""

import csv
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.errors import ToolkitError
from bert_wwm.core.shards import manifest_path
from bert_wwm.corpus.cleaning import clean, share_of_text
from bert_wwm.corpus.documents import read_documents
from bert_wwm.corpus.sentences import split_sentences

FLAGS = flags.FLAGS

flags.DEFINE_list("input_file", None, "Documents: paths or globs, parted by commas.")
flags.DEFINE_string("work_dir", "/tmp/bert_wwm_benchmark", "Where the texts go.")
flags.DEFINE_integer("megabytes", 100, "Size of each text.", lower_bound=1)
flags.DEFINE_list("formats", ["text", "jsonl", "csv", "wikiextractor"], "What to measure.")
flags.DEFINE_integer("num_workers", 2, "Processes.", lower_bound=1)
flags.mark_flags_as_required(["input_file"])

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PROGRAM = os.path.join(ROOT, "scripts", "prepare_text.py")
_FIGURES = re.compile("[0-9]+")


def main(_) -> None:
    files.make_folder(FLAGS.work_dir)
    inputs = files.find(FLAGS.input_file)
    corpus = ["\n".join(document.sentences) for document in read_documents(inputs)]
    measure_steps(corpus)
    titles = ("documents", "duplicates", "CPU s", "MB/s CPU", "wall s", "read s", "peak MB")
    print("\n" + f"{'format':<14} {'MB':>6}" + "".join(f"{title:>12}" for title in titles))
    for kind in FLAGS.formats:
        path = os.path.join(FLAGS.work_dir, f"raw.{kind}")
        write_text(path, kind, numbered(corpus))
        measure(kind, [path])
        if kind == "text":
            files.remove(f"{path}2")
            os.link(path, f"{path}2")
            measure("text, twice", [path, f"{path}2"])


def measure_steps(corpus) -> None:
    """Prints the speed of each step on the corpus itself, in this process."""
    size = sum(len(text.encode("utf-8")) for text in corpus) / 1e6
    lines = [line for text in corpus for line in clean(text).lines]
    steps = {
        "clean": lambda: [clean(text) for text in corpus],
        "share of text": lambda: [share_of_text(text) for text in corpus],
        "sentences": lambda: [split_sentences(line) for line in lines],
    }
    for name, step in steps.items():
        begun = time.process_time()
        step()
        print(f"{name:<14} {size / (time.process_time() - begun):6.1f} MB/s")


def numbered(corpus) -> Iterator[str]:
    """Yields documents without end; each has a number of its own, and figures of its own."""
    for number in itertools.count():
        text = corpus[number % len(corpus)]
        changed = _FIGURES.sub(lambda figures, n=number: str(int(figures[0][:9]) + n), text)
        yield f"第{number}篇。{changed}"


def write_text(path: str, kind: str, documents: Iterator[str]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as stream:
        if kind == "csv":
            csv.writer(stream).writerow(["id", "text"])
        for number, text in enumerate(documents):
            if kind == "csv":
                csv.writer(stream).writerow([number, text])
            elif kind == "jsonl":
                stream.write(json.dumps({"id": number, "text": text}, ensure_ascii=False) + "\n")
            elif kind == "wikiextractor":
                stream.write(f'<doc id="{number}" url="" title="题">\n题\n\n{text}\n</doc>\n')
            else:
                stream.write(text + "\n\n")
            if number % 100 == 0 and stream.tell() > FLAGS.megabytes * 1_000_000:
                return


def measure(name: str, paths) -> None:
    output = os.path.join(FLAGS.work_dir, "prepared")
    size = sum(map(files.size, paths)) / 1e6
    begun = time.process_time()
    for path in paths:
        for _ in files.read_lines(path):
            pass
    plain = time.process_time() - begun
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        [
            sys.executable,
            PROGRAM,
            f"--input_file={','.join(paths)}",
            f"--input_format={name.split(',')[0]}",
            f"--output_file={output}",
            f"--num_workers={FLAGS.num_workers}",
            "--overwrite",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": ROOT},
    )
    peaks = [0]
    threading.Thread(target=watch, args=(process, peaks), daemon=True).start()
    if process.wait():
        raise ToolkitError(f"{PROGRAM} ended with status {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - began
    counts = json.loads(files.read_bytes(manifest_path(output)))["counts"]
    figures = (
        *(f"{counts['documents_read']:,}", f"{counts['documents_duplicate']:,}", f"{cpu:.1f}"),
        *(f"{size / cpu:.1f}", f"{wall:.1f}", f"{plain:.2f}", f"{peaks[0] / 1000:.0f}"),
    )
    print(f"{name:<14} {size:6.0f}" + "".join(f"{figure:>12}" for figure in figures), flush=True)


def watch(process: subprocess.Popen, peaks) -> None:
    """Keeps the most kilobytes that the parent had in memory."""
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                fields = dict(line.split(":", 1) for line in status)
            peaks[0] = max(peaks[0], int(fields["VmHWM"].split()[0]))
        except (OSError, KeyError):  # it has just ended
            return
        time.sleep(0.2)


if __name__ == "__main__":
    app.run(main)
