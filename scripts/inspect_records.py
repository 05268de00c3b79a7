"""Shows what pretraining TFRecords hold: whether whole words are masked, and what, how and where.

Reads records of create_pretraining_data_wwm.py or of google-research/bert's program, and prints an
answer, statistics, and examples with their words separated by spaces; with --html it also writes
them as a page, in one file.

Records hold no words: the segmenter of the manifest, or --segmenter, finds them again. The numbers
from the manifest are about all records. All others are from a sample: the first records of each
file, about as many of each. Records are in random order within blocks of the corpus, but the blocks
are in the corpus's order: for a corpus of several parts, sample several shards, or --skip.

Of packed records (--pack), each instance is an example of its own; the flags count records.

Example:
  python scripts/inspect_records.py --input_file=records/wiki.tfrecord --vocab_file=vocab.txt \\
      --html=wiki.html
"""

import functools
import itertools
import sys

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.core.output import trusting
from bert_wwm.core.shards import find_shards
from bert_wwm.segmentation.segmenters import SEGMENTERS, make_segmenter
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS

flags.DEFINE_list("input_file", None, "TFRecord files: paths or globs, separated by commas.")
flags.DEFINE_string("vocab_file", None, "The vocabulary that the records were made with.")
flags.DEFINE_integer(
    "num_examples", 5, "How many records to show; of packed ones, every instance.", lower_bound=0
)
flags.DEFINE_integer(
    "num_sampled", 2000, "How many records to take the statistics from.", lower_bound=1
)
flags.DEFINE_integer("skip", 0, "How many records of each file to skip first.", lower_bound=0)
flags.DEFINE_string("html", None, "A page to write, for any browser.")
flags.DEFINE_enum(
    "segmenter",
    None,
    SEGMENTERS.names(),
    "Finds the words; by default the manifest's, or single characters.",
)
flags.DEFINE_string("ltp_model", None, "For --segmenter=ltp: folder or name of the model.")
flags.DEFINE_enum(
    "colour", "auto", ["auto", "always", "never"], "auto: colours where the output is a terminal."
)
flags.mark_flags_as_required(["input_file", "vocab_file"])


def main(_) -> None:
    vocabulary = Vocabulary.from_file(FLAGS.vocab_file)

    from bert_wwm.report import charts, statistics, terminal
    from bert_wwm.report.page import make_page
    from bert_wwm.report.provenance import Provenance
    from bert_wwm.report.verdict import judge

    paths = find_shards(FLAGS.input_file)
    if FLAGS.html is not None:
        files.check_writable(FLAGS.html)
        if any(files.same(FLAGS.html, path) for path in (*paths, FLAGS.vocab_file)):
            raise ConfigError(f"--html: {FLAGS.html} is an input; expected a file to write")
    provenance = Provenance.of(paths)
    for where, manifest in provenance.manifests.items():
        manifest.check_vocabulary(where, vocabulary.sha256())
    records = sample(provenance, vocabulary)

    numbers = statistics.gather(records)
    verdict = judge(numbers.wholeness, provenance.values("strategy"), provenance.segmenters)
    drawn = charts.draw_charts(provenance, numbers)
    shown = list(itertools.chain.from_iterable(records[: FLAGS.num_examples]))
    pairing = provenance.value("pairing")

    colour = FLAGS.colour == "always" or (FLAGS.colour == "auto" and sys.stdout.isatty())
    out = trusting(sys.stdout) if colour else sys.stdout
    print(terminal.render_verdict(verdict, colour), file=out)
    print(f"\n{terminal.render_facts(provenance.facts())}\n\n{terminal.render_charts(drawn)}")
    if shown:
        print(f"\n{terminal.render_legend(shown, colour)}", file=out)
    for example in shown:
        print(f"\n{terminal.render_example(example, pairing, colour)}", file=out)
    if FLAGS.html is not None:
        page = make_page(verdict, provenance.facts(), drawn, shown, pairing)
        files.write_text(FLAGS.html, page)
        print(f"\nWrote {FLAGS.html}")


def sample(provenance, vocabulary):
    """Returns the examples of each sampled record, of all files in turn."""
    from bert_wwm.report.examples import parse_examples
    from bert_wwm.report.provenance import choose_segmenter

    segmenters = functools.cache(make_segmenter)  # a model is loaded once
    share = -(-FLAGS.num_sampled // len(provenance.paths))
    by_file = []
    for path in provenance.paths:
        records, where = read_first(path, share, len(vocabulary))
        manifest = provenance.manifest_of(path)
        name, model = choose_segmenter(manifest)
        name, model = FLAGS.segmenter or name, FLAGS.ltp_model or model
        if name not in provenance.segmenters:
            provenance.segmenters.append(name)
        strategy = manifest.strategy if manifest else None
        by_file.append(
            parse_examples(records, where, vocabulary, segmenters(name, model), strategy)
        )
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*by_file))
    sampled = [record for record in in_turn if record is not None][: FLAGS.num_sampled]
    if not sampled:
        raise DataError(f"{list_few(provenance.paths)}: no record after --skip={FLAGS.skip}")
    return sampled


def read_first(path, count, vocab_size):
    """Returns the fields of the first records of a file, checked, and the place of each."""
    from bert_wwm.records.checks import check_features, decode_features, find_limits
    from bert_wwm.records.framing import read_records
    from bert_wwm.records.schema import pretraining_schema
    from bert_wwm.report.examples import LABELS, PAIR_LABEL

    records, places = [], []
    serialised = itertools.islice(read_records(path), FLAGS.skip, FLAGS.skip + count)
    for number, record in enumerate(serialised, FLAGS.skip):
        features = decode_features(record, path)
        sizes = [len(features.get(name, ())) for name in ("input_ids", "masked_lm_ids")]
        if not all(sizes):
            raise DataError(
                f"{path}: record {number} has no input_ids or masked_lm_ids; expected records for "
                "pretraining"
            )
        labels = [name for name in LABELS if name in features]
        most = len(features.get("instance_starts") or [0])
        schema = pretraining_schema(*sizes, PAIR_LABEL in features, labels, most)
        limits = find_limits(schema, vocab_size)
        check_features(features, schema, limits, f"{path}: record {number}")
        records.append(features)
        places.append(f"{path} record {number}")
    return records, places


if __name__ == "__main__":
    app.run(main)
