"""What packed records save: room, time to make them, time on a TPU v3-8 and on this CPU.

Records of real text, with and without --pack: how full their sequences are, and the CPU time of
making them. Then the steps of both phases of BERT-wwm by the TPU's compiler, no TPU needed, at as
many rows as the recipes' batches come to. At last, steps of RBT3's shape on this CPU, over the
same instances: as google-research/bert computes them, with padding skipped, and packed.

  python benchmarks/packing.py                   all, about forty minutes on two cores
  python benchmarks/packing.py --parts=records   a table in two minutes
"""

import functools
import itertools
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from absl import flags
from measure import (
    VOCABULARY,
    Table,
    call_alone,
    define_data_dir,
    define_num_processes,
    estimate_tpu,
    time_work,
)

from bert_wwm.cli import app
from bert_wwm.corpus.sentences import split_sentences
from bert_wwm.data.counts import Counts
from bert_wwm.data.examples import ExampleMaker, ExampleSettings
from bert_wwm.data.instances import PAIRINGS
from bert_wwm.data.maker import RecordMaker
from bert_wwm.data.packing import count_rows, find_max_instances, pack
from bert_wwm.data.sources import TextSource, read_all
from bert_wwm.data.tokenized import tokenize_block
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.schema import pretraining_schema
from bert_wwm.segmentation.segmenters import make_segmenter
from bert_wwm.text.bulk import BulkTokenizer
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS

PARTS = ("records", "tpu", "cpu")  # the second needs the figures of the first
PREDICTIONS = {128: 20, 512: 80}
PAIRING_NAMES = ("nsp", "contiguous")
CORPORA = ("web text", "CMRC 2018", "People's Daily")
NEWS_SENTENCES = 20  # of a document: the corpus has no ends of any
CORES = 8  # of the slice

define_data_dir()
define_num_processes()
flags.DEFINE_multi_enum("parts", PARTS, PARTS, "What to measure.")
flags.DEFINE_integer(
    "blocks", 2, "Blocks (512 KB) of each corpus to make records of.", lower_bound=1
)
flags.DEFINE_integer("batch_size", 16, "Instances of a step on the CPU.", lower_bound=1)
flags.DEFINE_integer("steps", 6, "Steps on the CPU.", lower_bound=1)


class Records(NamedTuple):
    """Records of a corpus: sizes and speeds."""

    fill: float  # of the sequences' tokens, fraction of 1
    packed_fill: float
    instances_per_row: float
    speed: float  # instances made by a second of CPU time
    packed_speed: float


def main(_) -> None:
    with tempfile.TemporaryDirectory() as folder:
        texts = {name: write_text(name, folder) for name in CORPORA}
        if {"records", "tpu"} & set(FLAGS.parts):
            kinds = itertools.product(CORPORA, PREDICTIONS, PAIRING_NAMES)
            found = {kind: measure_records(texts[kind[0]], *kind[1:]) for kind in kinds}
            print_records(found)
        if "tpu" in FLAGS.parts:
            print_tpu(found)
        if "cpu" in FLAGS.parts:
            print_cpu(texts[CORPORA[0]])


def write_text(corpus: str, folder: str) -> str:
    """Returns the path of a corpus, a sentence a line and a blank line between documents."""
    if corpus == "web text":
        return os.path.join(FLAGS.data_dir, "corpus", "clue_small_sample.txt")
    documents = read_cmrc() if corpus == "CMRC 2018" else read_news()
    path = os.path.join(folder, f"{corpus}.txt")
    with open(path, "w", encoding="utf-8") as stream:
        stream.writelines("\n".join(sentences) + "\n\n" for sentences in documents)
    return path


def read_cmrc() -> Iterator[list[str]]:
    path = os.path.join(FLAGS.data_dir, "cmrc2018", "cmrc2018_train.json")
    with open(path, encoding="utf-8") as stream:
        articles = json.load(stream)["data"]
    for article in articles:
        for paragraph in article["paragraphs"]:
            yield list(split_sentences(paragraph["context"]))


def read_news() -> Iterator[list[str]]:
    with zipfile.ZipFile(
        os.path.join(FLAGS.data_dir, "peopledaily_ner", "peopledaily.zip")
    ) as file:
        blocks = file.read("train.txt").decode("utf-8").split("\n\n")
    sentences = ["".join(line.split()[0] for line in block.splitlines()) for block in blocks]
    for first in range(0, len(sentences), NEWS_SENTENCES):
        yield [sentence for sentence in sentences[first : first + NEWS_SENTENCES] if sentence]


@functools.cache
def vocabulary() -> Vocabulary:
    return Vocabulary.from_file(os.path.join(FLAGS.data_dir, "vocab.txt"))


def settings_of(length: int, pairing: str) -> ExampleSettings:
    return ExampleSettings("wwm", pairing, length, PREDICTIONS[length], 0.15, 0.1, seed=1)


def source_of_words() -> TextSource:
    return TextSource(make_segmenter("rjieba"))


def measure_records(path: str, length: int, pairing: str) -> Records:
    """Makes records of a text, with --pack and without in turns."""
    source = source_of_words()
    blocks = list(itertools.islice(read_all(source, [path]), FLAGS.blocks))
    makers = []
    for packs in (False, True):
        most = find_max_instances(length) if packs else 1
        has_label = PAIRINGS[pairing].has_loss
        schema = pretraining_schema(length, PREDICTIONS[length], has_label, (), most)
        encode = functools.partial(encode_examples, schema=schema)
        examples = ExampleMaker(vocabulary(), settings_of(length, pairing))
        tokenizer = BulkTokenizer(Tokenizer(vocabulary()))
        makers.append(RecordMaker(source, tokenizer, examples, 2, encode, packs))
    for maker in makers:
        maker.records(blocks[0])  # the first fills tables
    totals, seconds = [Counts(), Counts()], [0.0, 0.0]
    for block in blocks:
        for number, maker in enumerate(makers):
            (_, counts), cost = time_work(functools.partial(maker.records, block))
            totals[number] += counts
            seconds[number] += cost.cpu
    packed = totals[1]
    return Records(
        packed.tokens / packed.instances / length,
        packed.tokens / packed.rows / length,
        packed.instances / packed.rows,
        *(counts.instances / second for counts, second in zip(totals, seconds)),
    )


def print_records(found: dict[tuple[str, int, str], Records]) -> None:
    table = Table(
        "<16",
        ("tokens", ">7"),
        ("pairs", ">12"),
        ("full", ">9.1%"),
        ("packed", ">9.1%"),
        ("a row", ">7.2f"),
        ("instances/CPU s", ">17,.0f"),
        ("with --pack", ">13,.0f"),
    )
    for (corpus, length, pairing), records in found.items():
        table.print_row(corpus, str(length), pairing, *records)


def print_tpu(found: dict[tuple[str, int, str], Records]) -> None:
    """Prints what both phases take, as they are and packed, by corpus."""
    jobs = {}
    for length, pairing in itertools.product(PREDICTIONS, PAIRING_NAMES):
        recipe = f"--flagfile=configs/recipes/bert-wwm-{length}.flags"
        arguments = [recipe, f"--pairing={pairing}", "--use_bfloat16", "--topology=v3-8"]
        per_row = found[CORPORA[0], length, pairing].instances_per_row
        jobs[length, pairing, False] = arguments
        jobs[length, pairing, True] = [*arguments, f"--instances_per_row={per_row:.4f}"]
    names = {
        f"{length}, {pairing}, packed: {p}": (length, pairing, p) for length, pairing, p in jobs
    }
    estimates = estimate_tpu({name: jobs[kind] for name, kind in names.items()})
    by_kind = {names[name]: estimate for name, estimate in estimates.items()}
    print("\nBERT-wwm on a v3-8, by the TPU's compiler; hours of 100,000 steps of each phase\n")
    table = Table(
        "<16",
        ("tokens", ">7"),
        ("pairs", ">12"),
        ("Mcycles a row", ">15.3f"),
        ("packed", ">9.3f"),
        ("an instance", ">13.3f"),
        ("hours", ">8.1f"),
        ("packed", ">8.1f"),
        ("times as fast", ">15.2f"),
    )
    hours = {}
    for (corpus, length, pairing), records in found.items():
        plain, packed = (by_kind[length, pairing, is_packed] for is_packed in (False, True))
        per_row, packed_per_row = (
            estimate["estimated_megacycles"] / estimate["batch_per_core"]
            for estimate in (plain, packed)
        )
        batch = plain["batch_per_core"] * CORES
        rows = count_rows(batch, records.instances_per_row, CORES) / CORES
        packed_hours = packed["hours"] * rows / packed["batch_per_core"]
        hours[corpus, length, pairing] = plain["hours"], packed_hours
        table.print_row(
            corpus,
            str(length),
            pairing,
            per_row,
            packed_per_row,
            packed_per_row / records.instances_per_row,
            plain["hours"],
            packed_hours,
            plain["hours"] / packed_hours,
        )
    print(f"\nPacked steps of {CORPORA[0]} are compiled; those of others follow by their rows.\n")
    for corpus, pairing in itertools.product(CORPORA, PAIRING_NAMES):
        plain, packed = (
            sum(hours[corpus, length, pairing][number] for length in PREDICTIONS)
            for number in (0, 1)
        )
        print(f"both phases, {corpus}, {pairing}: {plain:.1f} hours, packed {packed:.1f}")


def print_cpu(path: str) -> None:
    """Prints instances a second of the three ways, at each length."""
    print(f"\nRBT3's shape on this CPU, {FLAGS.batch_size} instances a step\n")
    table = Table(
        "<8",
        ("", "<18"),
        ("instances/s", ">13.2f"),
        ("CPU s an instance", ">19.3f"),
        ("times as fast", ">15.2f"),
    )
    for length in PREDICTIONS:
        first = None
        for name, (packs, skips) in {
            "all computed": (False, False),
            "padding skipped": (False, True),
            "packed, skipped": (True, True),
        }.items():
            wall, cpu = call_alone(measure_steps, path, length, packs, skips)
            first = first or cpu
            table.print_row(str(length), name, 1 / wall, cpu, first / cpu)


def measure_steps(path: str, length: int, packs: bool, skips: bool) -> tuple[float, float]:
    """Returns the seconds that a step takes for each instance, by the clock and of CPU time."""
    from bert_wwm.compat import tf
    from bert_wwm.model.bert import BertConfig
    from bert_wwm.train.model_fn import make_model_fn
    from bert_wwm.train.pretraining_objective import PretrainingObjective
    from bert_wwm.train.settings import TrainingSettings

    source, settings = source_of_words(), settings_of(length, "nsp")
    block = next(iter(read_all(source, [path])))
    tokenizer = BulkTokenizer(Tokenizer(vocabulary()))
    tokens = tokenize_block(source.segment(block), tokenizer, settings.max_pieces, Counts())
    features = ExampleMaker(vocabulary(), settings).features(tokens, block.place, 0, Counts())
    rows, per_row = FLAGS.batch_size, 1.0
    if packs:
        packed = pack(features)
        per_row = len(features["input_ids"]) / len(packed["input_ids"])
        features, rows = packed, count_rows(FLAGS.batch_size, per_row, 1)
    order = np.random.default_rng(1).permutation(len(features["input_ids"]))
    kinds = {"masked_lm_weights": np.float32}
    features = {n: v[order].astype(kinds.get(n, np.int32)) for n, v in features.items()}

    tf.disable_eager_execution()
    shape = {"vocab_size": VOCABULARY, "num_hidden_layers": 3}
    config = BertConfig.from_dict(shape).with_gelu("erf")
    dataset = tf.data.Dataset.from_tensor_slices(features).repeat().batch(rows, True)
    batch = tf.data.make_one_shot_iterator(dataset).get_next()
    training = TrainingSettings(1e-4, 100_000, 0, FLAGS.batch_size, skip_padding=skips)
    objective = PretrainingObjective(("masked_lm", "next_sentence"))
    with tempfile.TemporaryDirectory() as folder:
        spec = make_model_fn(config, objective, training, log=None)(
            batch, None, tf.estimator.ModeKeys.TRAIN, {"model_dir": folder}
        )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(spec.train_op)
        begun, used = time.perf_counter(), time.process_time()
        for _ in range(FLAGS.steps):
            session.run(spec.train_op)
        instances = FLAGS.steps * rows * per_row
        wall, cpu = time.perf_counter() - begun, time.process_time() - used
    return wall / instances, cpu / instances


if __name__ == "__main__":
    app.run(main)
