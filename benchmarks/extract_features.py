"""Measures feature extraction on the CPU against the way of google-research/bert's program.

The fixed way pads every text to --max_seq_length and prints each number by itself, rounded. The
program's batches hold texts of similar length, and NumPy prints. Both run the same model (of random
weights) by the same Estimators on the same texts, each in a process of its own; seconds are those
after TensorFlow's start:

  python benchmarks/extract_features.py                  RBT3's shape, three kinds of text
  python benchmarks/extract_features.py --kinds=headlines --num_texts=300
  python benchmarks/extract_features.py --bert_config_file=configs/bert_base.json --layers=-1

The folder --data_dir holds vocab.txt, chnsenticorp/train.tsv, lcqmc/dev.tsv and thucnews/dev.txt.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Sequence

import numpy as np
from absl import flags
from measure import Table, call_alone, define_data_dir, peak_memory, time_work

from bert_wwm.cli import app
from bert_wwm.cli.steps import ROOT
from bert_wwm.core import files
from bert_wwm.core.seeding import rng_for
from bert_wwm.tasks.sentence_features import SentenceFeaturizer
from bert_wwm.tasks.text_lines import read_texts, split_into_blocks
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS

# The file, the column of its texts, and the number of header lines.
KINDS = {
    "reviews": ("chnsenticorp/train.tsv", 1, 1),
    "questions": ("lcqmc/dev.tsv", 0, 0),
    "headlines": ("thucnews/dev.txt", 0, 0),
}
SEED = 12345

define_data_dir()
flags.DEFINE_list("kinds", list(KINDS), f"Texts, of {', '.join(KINDS)}.")
flags.register_validator(
    "kinds", lambda names: set(names) <= set(KINDS), f"expected some of {', '.join(KINDS)}"
)
flags.DEFINE_string(
    "bert_config_file", os.path.join(ROOT, "configs", "rbt3.json"), "The model's shape, as JSON."
)
flags.DEFINE_integer("num_texts", 300, "Texts of each kind, drawn at random.", lower_bound=1)
flags.DEFINE_list("layers", ["-1", "-2"], "Layers of which states are written.")
flags.DEFINE_integer("max_seq_length", 128, "Maximum tokens of a text.", lower_bound=5)
flags.DEFINE_integer("batch_size", 32, "Texts of a step.", lower_bound=1)


def main(_) -> None:
    print(
        f"{os.path.basename(FLAGS.bert_config_file)}, {os.cpu_count()} cores; {FLAGS.num_texts:,} "
        f"texts, layers {', '.join(FLAGS.layers)}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = os.path.join(folder, "bert_model.ckpt")
        call_alone(save_model, checkpoint)
        for kind in FLAGS.kinds:
            texts = os.path.join(folder, f"{kind}.txt")
            files.write_text(texts, "".join(f"{text}\n" for text in draw_texts(kind)))
            print_table(kind, texts, checkpoint)


def print_table(kind: str, texts: str, checkpoint: str) -> None:
    table = Table(
        "<24",
        ("seconds", ">9.1f"),
        ("CPU s", ">9.1f"),
        ("texts/s", ">9.1f"),
        ("times as fast", ">15.2f"),
        ("in CPU time", ">13.2f"),
        ("MB memory", ">11,.0f"),
        ("MB file", ">9.1f"),
    )
    for pooling in (None, "mean"):
        ways = {"fixed": True, "by length": False}
        found = [call_alone(measure, texts, checkpoint, pooling, way) for way in ways.values()]
        fixed = found[0][0]
        for way, (cost, written) in zip(ways, found):
            ratios = fixed.wall / cost.wall, fixed.cpu / cost.cpu
            figures = (cost.wall, cost.cpu, FLAGS.num_texts / cost.wall, *ratios, cost.memory)
            table.print_row(f"{kind}: {pooling or 'JSON'}, {way}", *figures, written / 1e6)
    print()


def draw_texts(kind: str) -> list[str]:
    name, column, first = KINDS[kind]
    lines = list(files.read_lines(os.path.join(FLAGS.data_dir, name)))[first:]
    chosen = rng_for(SEED, 0).permutation(len(lines))[: FLAGS.num_texts]
    return [lines[number].split("\t")[column] for number in chosen]


def save_model(checkpoint: str) -> None:
    """Saves a model of random weights."""
    from bert_wwm.compat import tf
    from bert_wwm.model.bert import BertConfig, BertModel

    with tf.Graph().as_default(), tf.Session() as session:
        config = BertConfig.from_json_file(FLAGS.bert_config_file)
        BertModel(config, False, tf.zeros([1, 1], tf.int32), scope="bert")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, checkpoint)


def measure(texts: str, checkpoint: str, pooling: str | None, is_fixed: bool):
    """Extracts the features of a file; returns the cost and the size of the output in bytes."""
    from bert_wwm.finetuning.extracted import write_array, write_lines
    from bert_wwm.finetuning.hidden_states import Extraction, extract_states
    from bert_wwm.model.bert import BertConfig
    from bert_wwm.train.estimator import Machine

    config = BertConfig.from_json_file(FLAGS.bert_config_file)
    tokenizer = Tokenizer(Vocabulary.from_file(os.path.join(FLAGS.data_dir, "vocab.txt")))
    pieces = tokenizer.vocabulary.pieces
    length, layers = FLAGS.max_seq_length, tuple(map(int, FLAGS.layers))
    featurizer = SentenceFeaturizer(tokenizer, length, ())
    extraction = Extraction(checkpoint, layers, pooling)
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(folder, FLAGS.batch_size, FLAGS.batch_size, 1, 1, SEED)
        shapes = (length,) if is_fixed else None
        path = os.path.join(folder, "features")

        def extract() -> None:
            count = sum(1 for _ in read_texts(texts))
            blocks = split_into_blocks(read_texts(texts), FLAGS.batch_size)
            states = extract_states(
                config,
                extraction,
                machine,
                length,
                (featurizer(block, 0) for block in blocks),
                lambda report: None,
                shapes=shapes,
            )
            if pooling:
                write_array(path, states, count, len(layers), config.hidden_size)
            elif is_fixed:
                write_one_by_one(path, states, pieces, layers)
            else:
                write_lines(path, states, count, pieces, layers)

        _, cost = time_work(extract)
        return cost._replace(memory=peak_memory()), files.size(path)


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
            stream.write(json.dumps({"linex_index": number, "features": tokens}) + "\n")


if __name__ == "__main__":
    app.run(main)
