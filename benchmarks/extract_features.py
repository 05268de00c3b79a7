"""Measures feature extraction on the CPU against the way of google-research/bert's program.

The fixed way pads every text to --max_seq_length and prints each number by itself, rounded. The
program's batches hold texts of like length, and NumPy prints. Both run the same model (of random
weights) by the same Estimators on the same texts:

  python benchmarks/extract_features.py                  RBT3's shape, three kinds of text
  python benchmarks/extract_features.py --kinds=headlines --num_texts=300
  python benchmarks/extract_features.py --bert_config_file=configs/bert_base.json --layers=-1

Each measurement is a process of its own, for the sake of its memory. CPU time, that of all threads,
hangs less on what else the machine does; seconds are those behind TensorFlow's start.

The data is the test data of the project: the folder --data_dir holds vocab.txt,
chnsenticorp/train.tsv, lcqmc/dev.tsv and thucnews/dev.txt.
"""

import json
import logging
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.seeding import rng_for
from bert_wwm.tasks.sentence_features import SentenceFeaturizer
from bert_wwm.tasks.text_lines import read_texts, split_into_blocks
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
# File, the column that holds texts, and lines to leave out at the beginning.
KINDS = {
    "reviews": ("chnsenticorp/train.tsv", 1, 1),
    "questions": ("lcqmc/dev.tsv", 0, 0),
    "headlines": ("thucnews/dev.txt", 0, 0),
}
FIXED, BY_LENGTH = "fixed", "by length"
WAYS = ((FIXED, None), (BY_LENGTH, None), (FIXED, "mean"), (BY_LENGTH, "mean"))

flags.DEFINE_list("kinds", list(KINDS), f"Texts, of {', '.join(KINDS)}.")
flags.register_validator(
    "kinds", lambda names: set(names) <= set(KINDS), f"expected some of {', '.join(KINDS)}"
)
flags.DEFINE_string(
    "data_dir",
    os.environ.get("BERT_WWM_TEST_DATA", os.path.join(ROOT, os.pardir, "shared", "data")),
    "The test data; by default the folder that the environment variable BERT_WWM_TEST_DATA names, "
    "or ../shared/data beside the project.",
)
flags.DEFINE_string(
    "bert_config_file", os.path.join(ROOT, "configs", "rbt3.json"), "The model's shape, as JSON."
)
flags.DEFINE_integer("num_texts", 300, "Texts of each kind, drawn at random.", lower_bound=1)
flags.DEFINE_list("layers", ["-1", "-2"], "Layers of which states are written.")
flags.DEFINE_integer("max_seq_length", 128, "Tokens of a text, at most.", lower_bound=5)
flags.DEFINE_integer("batch_size", 32, "Texts of a step.", lower_bound=1)

SEED = 12345


class Job(NamedTuple):
    """What a process measures."""

    way: str
    pooling: str
    texts: str
    vocab_file: str
    config_file: str
    checkpoint: str
    layers: tuple[int, ...]
    max_seq_length: int
    batch_size: int


class Cost(NamedTuple):
    """Seconds by the clock, and of all threads; bytes at most in memory, and written."""

    wall: float
    cpu: float
    memory: int
    written: int


def main(_) -> None:
    layers = tuple(int(layer) for layer in FLAGS.layers)
    vocab_file = os.path.join(FLAGS.data_dir, "vocab.txt")
    print(
        f"{os.path.basename(FLAGS.bert_config_file)}, {os.cpu_count()} cores; {FLAGS.num_texts:,} "
        f"texts, layers {', '.join(map(str, layers))}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = os.path.join(folder, "bert_model.ckpt")
        alone(save_model, FLAGS.bert_config_file, checkpoint)
        for kind in FLAGS.kinds:
            texts = os.path.join(folder, f"{kind}.txt")
            files.write_text(texts, "".join(f"{text}\n" for text in sample(kind)))
            print(f"{kind}: {describe(texts, vocab_file)}")
            print(
                f"{'':<24}{'seconds':>9}{'CPU s':>9}{'texts/s':>9}{'times as fast':>15}"
                f"{'in CPU time':>13}{'MB memory':>11}{'MB file':>9}"
            )
            fixed = None
            for way, pooling in WAYS:
                job = Job(
                    *(way, pooling, texts, vocab_file, FLAGS.bert_config_file, checkpoint, layers),
                    *(FLAGS.max_seq_length, FLAGS.batch_size),
                )
                cost = alone(measure, job)
                fixed = cost if way == FIXED else fixed
                print_row(f"{pooling or 'JSON lines'}, {way}", cost, fixed)
            print()


def sample(kind: str) -> list[str]:
    """Returns texts of a kind."""
    name, column, first = KINDS[kind]
    lines = list(files.read_lines(os.path.join(FLAGS.data_dir, name)))[first:]
    chosen = rng_for(SEED, 0).permutation(len(lines))[: FLAGS.num_texts]
    return [lines[number].split("\t")[column] for number in chosen]


def describe(texts: str, vocab_file: str) -> str:
    featurizer = SentenceFeaturizer(
        Tokenizer(Vocabulary.from_file(vocab_file)), FLAGS.max_seq_length, ()
    )
    begun = time.process_time()
    lengths = featurizer(list(read_texts(texts)), 0).lengths
    seconds = time.process_time() - begun
    return (
        f"{lengths.mean():.1f} tokens on the mean, of {FLAGS.max_seq_length} at most; made of text "
        f"at {lengths.sum() / seconds:,.0f} a second"
    )


def alone(work: Any, *arguments: Any) -> Any:
    """Returns the result of some work in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1, quieten) as pool:
        return pool.apply(work, arguments)


def quieten() -> None:
    """Keeps TensorFlow from warning of what it does itself."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def save_model(config_file: str, checkpoint: str) -> None:
    """Saves a model of random weights."""
    from bert_wwm.compat import tf
    from bert_wwm.model.bert import BertConfig, BertModel

    with tf.Graph().as_default(), tf.Session() as session:
        config = BertConfig.from_json_file(config_file)
        BertModel(config, False, tf.zeros([1, 1], tf.int32), scope="bert")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, checkpoint)


def measure(job: Job) -> Cost:
    """Extracts the features of a file, and returns what that takes."""
    from bert_wwm.finetuning.extracted import write_array, write_lines
    from bert_wwm.finetuning.hidden_states import Extraction, Extractor
    from bert_wwm.model.bert import BertConfig
    from bert_wwm.train.estimator import Machine

    config = BertConfig.from_json_file(job.config_file)
    tokenizer = Tokenizer(Vocabulary.from_file(job.vocab_file))
    featurizer = SentenceFeaturizer(tokenizer, job.max_seq_length, ())
    extraction = Extraction(job.checkpoint, job.layers, job.pooling)
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(folder, job.batch_size, job.batch_size, 1, 1, SEED)
        shapes = (job.max_seq_length,) if job.way == FIXED else None
        extractor = Extractor(config, extraction, machine, job.max_seq_length, ignore, shapes)
        path = os.path.join(folder, "features")
        wall, cpu = time.perf_counter(), time.process_time()
        count = sum(1 for _ in read_texts(job.texts))
        blocks = split_into_blocks(read_texts(job.texts), job.batch_size)
        texts = extractor.states(featurizer(block, 0) for block in blocks)
        if job.pooling:
            write_array(path, texts, count, len(job.layers), config.hidden_size)
        elif job.way == FIXED:
            write_one_by_one(path, texts, tokenizer.vocabulary.pieces, job.layers)
        else:
            write_lines(path, texts, count, tokenizer.vocabulary.pieces, job.layers)
        return Cost(
            time.perf_counter() - wall,
            time.process_time() - cpu,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,  # kilobytes on Linux
            files.size(path),
        )


def ignore(text: str) -> None:
    """The report of what was restored."""


def write_one_by_one(
    path: str,
    texts: Iterable[tuple[np.ndarray, np.ndarray]],
    pieces: Sequence[str],
    layers: Sequence[int],
) -> None:
    """Writes JSON lines, every number rounded and printed by itself."""
    with open(path, "w", encoding="ascii") as stream:
        for number, (ids, states) in enumerate(texts):
            tokens = []
            for token, of_token in zip(ids, states):
                values = [
                    {"index": layer, "values": [round(float(x), 6) for x in of_layer]}
                    for layer, of_layer in zip(layers, of_token)
                ]
                tokens.append({"token": pieces[token], "layers": values})
            line: dict[str, Any] = {"linex_index": number, "features": tokens}
            stream.write(json.dumps(line) + "\n")


def print_row(name: str, cost: Cost, fixed: Cost) -> None:
    print(
        f"{name:<24}{cost.wall:>9.1f}{cost.cpu:>9.1f}{FLAGS.num_texts / cost.wall:>9.1f}"
        f"{fixed.wall / cost.wall:>15.2f}{fixed.cpu / cost.cpu:>13.2f}{cost.memory / 1e6:>11,.0f}"
        f"{cost.written / 1e6:>9,.1f}",
        flush=True,
    )


if __name__ == "__main__":
    app.run(main)
