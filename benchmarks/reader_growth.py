"""Measures how the time of every reader grows with the size of its input.

Each reader reads inputs of n, 2n and 4n parts, with n such that the first takes --seconds of CPU
time at least (the kernel's time, as to make files, is left out). Where the time is proportional to
size ** exponent, 1 is linear. Caches and a busy machine give up to 1.3; 2 would be quadratic.

  python benchmarks/reader_growth.py
  python benchmarks/reader_growth.py --readers=safetensors,zip
"""

import gzip
import json
import math
import os
import resource
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.json_files import read_json
from bert_wwm.core.shards import Shards, manifest_path
from bert_wwm.corpus import segmented
from bert_wwm.corpus.documents import read_documents
from bert_wwm.corpus.raw_blocks import Layout, find_format
from bert_wwm.data import preparing
from bert_wwm.data.sources import SegmentedSource, read_all
from bert_wwm.metrics.reading_files import read_predictions, read_references
from bert_wwm.records.framing import count_records, frame, read_records
from bert_wwm.records.manifest import Manifest
from bert_wwm.segmentation import tagged_text
from bert_wwm.tasks.table import TASKS
from bert_wwm.text.similar_words import SimilarWords
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import SPECIAL_TOKENS, Vocabulary

FLAGS = flags.FLAGS

flags.DEFINE_list("readers", [], "What to measure: beginnings of names; by default all.")
flags.DEFINE_float("seconds", 0.2, "CPU time of the smallest input, at least.")
flags.DEFINE_integer("first", 1000, "Parts of the smallest input to begin with.", lower_bound=1)

_MOST_PARTS = 1 << 22
_SENTENCE = "今天天气很不错，我们在学习使用语言模型。"
_PIECES = [*SPECIAL_TOKENS, *dict.fromkeys(_SENTENCE)]


class Reader(NamedTuple):
    """A reader, and inputs of any size for it.

    Attributes:
        write: writes an input of so many parts to a path.
        read: reads it.
        suffix: of the path.
    """

    write: Callable[[str, int], None]
    read: Callable[[str], object]
    suffix: str = ""


READERS: dict[str, Reader] = {}


def add(name: str, read: Callable[[str], object], suffix: str = "") -> Callable:
    """Returns a decorator for what writes the input of a reader."""

    def put(write: Callable[[str, int], None]) -> Callable[[str, int], None]:
        READERS[name] = Reader(write, read, suffix)
        return write

    return put


def add_text(
    name: str, read: Callable[[str], object], line: Callable[[int], str], suffix: str = "", **ends
) -> None:
    """Adds a reader of text: a beginning, so many lines, and an end."""

    def write(path: str, count: int) -> None:
        data = ends.get("begin", "") + "".join(map(line, range(count))) + ends.get("end", "")
        opener = gzip.open if path.endswith(".gz") else open
        with opener(path, "wb") as stream:
            stream.write(data.encode("utf-8"))

    READERS[name] = Reader(write, read, suffix)


def add_json(name: str, read: Callable[[str], object], value: Callable[[int], Any]) -> None:
    """Adds a reader of JSON."""

    def write(path: str, count: int) -> None:
        with open(path, "w", encoding="utf-8") as stream:
            json.dump(value(count), stream, ensure_ascii=False)

    READERS[name] = Reader(write, read, ".json")


def exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass


def task(name: str) -> Callable[[str], object]:
    return lambda path: TASKS[name].read(path, lambda line: None)


# Text.


def read_corpus(path: str) -> None:
    exhaust(read_documents([path]))


add_text("corpus: documents", read_corpus, lambda n: f"{n}{_SENTENCE}\n\n")
add_text("corpus: a long document", read_corpus, lambda n: f"{n}{_SENTENCE}\n")
add_text("corpus: returns", read_corpus, lambda n: f"{n}{_SENTENCE}\r")
add_text("corpus: gzip", read_corpus, lambda n: f"{n}{_SENTENCE}\n\n", ".gz")


def prepare(path: str) -> None:
    layout = Layout({path: find_format(path)})
    work = preparing.PrepareWork(layout, 5, 0.3)
    exhaust(map(work, read_all(preparing.RawSource(layout), [path])))


def wiki(n: int) -> str:
    return f'<doc id="{n}" url="u" title="t{n}">\nt{n}\n{_SENTENCE}\n</doc>\n'


for end, suffix in (("", ""), (" compressed", ".gz")):
    add_text(f"raw text{end}", prepare, lambda n: f"{n}{_SENTENCE}\n\n", f".txt{suffix}")
add_text("raw text: a long document", prepare, lambda n: f"{n}{_SENTENCE}\n", ".txt")
add_text("raw text: a long line", prepare, lambda n: _SENTENCE, ".txt")
add_text("raw text: blank lines", prepare, lambda n: "\n \t", ".txt", begin="a", end="a\n")
add_text("raw text: open tags", prepare, lambda n: "<a <!-- ", ".txt", end="\n")
add_text("raw JSON lines", prepare, lambda n: f'{{"text": "{n}{_SENTENCE}"}}\n', ".jsonl")
add_text(
    "raw JSON lines: a long one",
    prepare,
    lambda n: _SENTENCE,
    ".jsonl",
    begin='{"text": "',
    end='"}\n',
)
add_text("raw table", prepare, lambda n: f'{n},"{_SENTENCE}\n"\n', ".csv", begin="id,text\n")
add_text(
    "raw table: a long cell",
    prepare,
    lambda n: f"{_SENTENCE}\n",
    ".csv",
    begin='id,text\n1,"',
    end='"\n',
)
add_text("raw WikiExtractor", prepare, wiki, ".wiki")
add_text(
    "raw WikiExtractor: a long article",
    prepare,
    lambda n: f"{_SENTENCE}\n",
    ".wiki",
    begin='<doc id="1" url="u" title="t">\n',
    end="</doc>\n",
)


def read_segmented(path: str) -> None:
    source = SegmentedSource()
    exhaust(map(source.segment, source.read(0, [path])))


def write_segmented(path: str, count: int, num_blocks: int) -> None:
    with open(path, "wb") as stream:
        stream.write(segmented.format_header({"name": "characters"}, []))
        for number in range(num_blocks):
            size = count // num_blocks
            spans = [(place, place + 1) for place in range(len(_SENTENCE))]
            block = segmented.SegmentedBlock(
                [_SENTENCE] * size, [spans] * size, {}, [0, size], [("a", 1)]
            )
            stream.write(segmented.format_block((0, number), block))


@add("segmented: blocks", read_segmented)
def _(path: str, count: int) -> None:
    write_segmented(path, count, -(-count // 100))


@add("segmented: a large block", read_segmented)
def _(path: str, count: int) -> None:
    write_segmented(path, count, 1)


# Files of models.


def read_vocabulary(path: str) -> Vocabulary:
    return Vocabulary.from_file(path, required=())


def read_similar(path: str) -> SimilarWords:
    return SimilarWords.from_file(path, Tokenizer(Vocabulary(_PIECES)))


def word(n: int) -> str:
    """A word of its own for each number."""
    digits = np.base_repr(n, len(_PIECES) - len(SPECIAL_TOKENS))
    return "".join(_PIECES[len(SPECIAL_TOKENS) + int(digit, 36)] for digit in digits)


add_text("vocabulary", read_vocabulary, lambda n: f"piece{n}\n")
add_text("similar words", read_similar, lambda n: f"{word(n)}\t{word(n + 1)} {word(n + 2)}\n")
add_text(
    "similar words: a long line",
    read_similar,
    lambda n: f"{word(n)} ",
    begin="今天\t",
    end="\n",
)
add_text(
    "tagged text of LTP",
    lambda path: tagged_text.read_corpus([path]),
    lambda n: f"我们/r 在/p 学习/v {n}/m\n",
)
add_text(
    "tagged text of LTP: a long line",
    lambda path: tagged_text.read_corpus([path]),
    lambda n: f"我们/r 在/p 学习/v {n}/m ",
)


def read_safetensors(path: str) -> object:
    from bert_wwm.convert import safetensors_file

    return safetensors_file.read(path)


@add("safetensors", read_safetensors, ".safetensors")
def _(path: str, count: int) -> None:
    from bert_wwm.convert import safetensors_file

    safetensors_file.write(path, {f"a{n}": np.zeros(1, np.float32) for n in range(count)})


def read_tokenizer(path: str) -> object:
    from bert_wwm.convert import tokenizer_files

    return tokenizer_files.read(path)


def write_tokenizer(path: str, count: int) -> None:
    from bert_wwm.convert import tokenizer_files
    from bert_wwm.convert.pretrained import AddedToken

    os.makedirs(path, exist_ok=True)
    options = {name: name == "special" for name in ("single_word", "lstrip", "rstrip")}
    options.update(normalized=False, special=True)
    added = {f"<{n}>": AddedToken(options, False) for n in range(count)}
    tokenizer_files.write(path, [*_PIECES, *added], True, 512, added)


add("tokenizer of Hugging Face", read_tokenizer)(write_tokenizer)


def unpack(path: str) -> None:
    from bert_wwm.convert import archive

    with archive.unpacked(path) as folder:
        exhaust(os.walk(folder))


@add("zip: files", unpack, ".zip")
def _(path: str, count: int) -> None:
    with zipfile.ZipFile(path, "w") as stream:
        for number in range(count):
            stream.writestr(f"a/b{number % 100}/{number}.txt", "a")


# JSON.


def paragraph(n: int, questions: int = 1, length: int = 1) -> dict[str, Any]:
    answers = [{"text": "天气", "answer_start": 2}]
    qas = [{"id": f"{n} {q}", "question": "今天", "answers": answers} for q in range(questions)]
    return {"context": _SENTENCE * length, "qas": qas}


def squad(paragraphs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"data": [{"title": "a", "paragraphs": list(paragraphs)}]}


def cmrc(n: int) -> dict[str, Any]:
    qas = [{"query_id": str(n), "query_text": "今天", "answers": ["天气"]}]
    return {"context_id": str(n), "context_text": _SENTENCE, "qas": qas}


def cjrc(n: int) -> dict[str, Any]:
    casename = {"caseid": str(n), "domain": "civil", "casename": "a"}
    qas = [{"question": "今天", "id": str(n), "is_impossible": "true", "answers": []}]
    return {**casename, "paragraphs": [{"context": _SENTENCE, "casename": "a", "qas": qas}]}


add_json("JSON: objects", read_json, lambda count: [{"a": n} for n in range(count)])
add_json("JSON: names", read_json, lambda count: {f"a{n}": n for n in range(count)})
add_text("JSON: lines", read_json, lambda n: f"{'[' if not n else ','}{n}\n", ".json", end="]")
for name in ("squad2", "cmrc2018", "drcd"):
    add_json(f"{name}: contexts", task(name), lambda count: squad(map(paragraph, range(count))))
add_json("squad2: questions", task("squad2"), lambda count: squad([paragraph(0, count)]))
add_json("squad2: a long context", task("squad2"), lambda count: squad([paragraph(0, 1, count)]))
add_json("cmrc2018, its own form", task("cmrc2018"), lambda count: list(map(cmrc, range(count))))
add_json("cjrc", task("cjrc"), lambda count: {"data": list(map(cjrc, range(count)))})
add_json(
    "references",
    lambda path: read_references(path, True),
    lambda count: squad(map(paragraph, range(count))),
)
add_json(
    "predictions",
    lambda path: read_predictions(path, True),
    lambda count: {str(n): _SENTENCE for n in range(count)},
)


# Tables and tagged sentences.

add_text(
    "chnsenticorp",
    task("chnsenticorp"),
    lambda n: f"{n % 2}\t{_SENTENCE}\n",
    ".tsv",
    begin="label\ttext_a\n",
)
add_text(
    "chnsenticorp, CSV",
    task("chnsenticorp"),
    lambda n: f'{n % 2},"{_SENTENCE}"\n',
    ".csv",
    begin="label,text_a\n",
)
add_text(
    "chnsenticorp: a long text",
    task("chnsenticorp"),
    lambda n: _SENTENCE,
    ".tsv",
    begin="label\ttext_a\n1\t",
    end="\n",
)
add_text("xnli", task("xnli"), lambda n: f"{_SENTENCE}\t{_SENTENCE}\tneutral\n", ".tsv", begin="")
add_text(
    "ocnli",
    task("ocnli"),
    lambda n: f'{{"sentence1": "{n}", "sentence2": "{_SENTENCE}", "label": "neutral"}}\n',
    ".json",
)
add_text(
    "tnews", task("tnews"), lambda n: f'{{"label": "100", "sentence": "{_SENTENCE}"}}\n', ".json"
)
add_text("thucnews", task("thucnews"), lambda n: f"{_SENTENCE}\tlabel{n % 9}\n", ".txt")
add_text("ner: sentences", task("ner"), lambda n: f"{n} B-LOC\n国 I-LOC\n。 O\n\n", ".txt")
add_text("ner: a long sentence", task("ner"), lambda n: f"{n} B-LOC\n国 I-LOC\n。 O\n", ".txt")
add_text("ner: tags", task("ner"), lambda n: f"中 B-{n}\n国 I-{n}\n\n", ".txt")
add_text("msra_ner", task("msra_ner"), lambda n: f"我们/o 在/o 中国/ns {n}/o\n", ".txt")
add_text("msra_ner: a long line", task("msra_ner"), lambda n: f"我们/o 在/o 中国/ns {n}/o ", ".txt")
add_text(
    "cluener",
    task("cluener"),
    lambda n: f'{{"text": "{_SENTENCE}", "label": {{"a": {{"天气": [[2, 3]]}}}}}}\n',
    ".json",
)


# Records and what describes them.


def write_records(path: str, count: int) -> None:
    with open(path, "wb") as stream:
        exhaust(stream.write(frame(b"a" * (n % 100))) for n in range(count))


for name, read in (("records", read_records), ("records, counted", count_records)):
    add(name, lambda path, read=read: exhaust(read(path)) if read is read_records else read(path))(
        write_records
    )


@add("manifest", lambda path: Manifest.load(manifest_path(path)))
def _(path: str, count: int) -> None:
    fields = dict.fromkeys(("strategy", "pairing", "vocab_sha256", "tokenizer"), "a")
    fields.update(dict.fromkeys(("max_seq_length", "max_predictions_per_seq", "vocab_size"), 1))
    fields.update(segmenter={}, flags={}, run={}, labels=[], do_lower_case=True)
    fields["files"] = {f"a-{n}": {"records": 1, "bytes": 1} for n in range(count)}
    fields["counts"] = {"unknown": {str(n): n for n in range(count)}}
    files.write_text(manifest_path(path), json.dumps({**fields, "format": 2}))


def journaled(path: str) -> Shards:
    return Shards([path], {"input": {}})


def resume(path: str) -> None:
    with journaled(path):
        pass


@add("journal", resume)
def _(path: str, count: int) -> None:
    with journaled(path) as shards:
        shards.append([b"a"], {"unknown": {str(n): n for n in range(count)}})


def main(_) -> None:
    chosen = {
        name: reader
        for name, reader in READERS.items()
        if not FLAGS.readers or name.startswith(tuple(FLAGS.readers))
    }
    print(f"{'reader':<36} {'parts':>10} {'CPU s: n':>10} {'2n':>8} {'4n':>8} {'exponent':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, reader) in enumerate(chosen.items()):
            count, times = measure(reader, os.path.join(folder, str(number)))
            exponent = math.log(times[2] / times[0]) / math.log(4)
            shown = " ".join(f"{seconds:>8.2f}" for seconds in times)
            print(f"{name:<36} {count:>10,}   {shown} {exponent:>9.2f}", flush=True)


def measure(reader: Reader, stem: str) -> "tuple[int, list[float]]":
    """Returns a number n of parts, and the CPU seconds of reading n, 2n and 4n of them."""
    found = seconds_by_count(reader, stem)
    times = [next(found)]
    while times[0][1] < FLAGS.seconds and times[0][0] < _MOST_PARTS:
        times = [next(found)]
    times += [next(found), next(found)]
    return times[0][0], [seconds for _, seconds in times]


def seconds_by_count(reader: Reader, stem: str) -> "Iterator[tuple[int, float]]":
    count = FLAGS.first
    while True:
        path = f"{stem}.{count}{reader.suffix}"
        reader.write(path, count)
        begun = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        reader.read(path)
        ended = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        yield count, max(ended - begun, 1e-4)
        count *= 2


if __name__ == "__main__":
    app.run(main)
