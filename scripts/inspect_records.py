"""Prints examples from pretraining TFRecords: words parted by blanks, masks in colour.

Reads what create_pretraining_data_wwm.py or google-research/bert's program wrote. Records hold no
words; they are found anew by the segmenter of the manifest, or by --segmenter.

Example:
  python scripts/inspect_records.py --input_file=records/wiki.tfrecord --vocab_file=vocab.txt
"""

import itertools
import sys

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.text.segmenters import SEGMENTERS, make_segmenter
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS

flags.DEFINE_list("input_file", None, "TFRecord files: paths or globs, parted by commas.")
flags.DEFINE_string("vocab_file", None, "The vocabulary that the records were made with.")
flags.DEFINE_integer("num_examples", 5, "How many to print.", lower_bound=1)
flags.DEFINE_integer("skip", 0, "How many to pass over first.", lower_bound=0)
flags.DEFINE_enum(
    "segmenter",
    None,
    SEGMENTERS.names(),
    "What finds the words; by default that of the manifest, or single characters.",
)
flags.DEFINE_string("ltp_model", None, "For --segmenter=ltp: folder or name of the model.")
flags.DEFINE_enum(
    "colour", "auto", ["auto", "always", "never"], "auto: colours where the output is a terminal."
)
flags.mark_flags_as_required(["input_file", "vocab_file"])


def main(_) -> None:
    vocabulary = Vocabulary.from_file(FLAGS.vocab_file)

    from bert_wwm.records.checks import check_features
    from bert_wwm.records.io import decode_features, read_records
    from bert_wwm.records.manifest import Manifest, find_records, manifest_path
    from bert_wwm.records.schema import pretraining_schema
    from bert_wwm.report.examples import legend, render_example

    colour = FLAGS.colour == "always" or (FLAGS.colour == "auto" and sys.stdout.isatty())
    print(legend(colour))
    for path in find_records(FLAGS.input_file):
        where = manifest_path(path)
        manifest = Manifest.load(where) if files.exists(where) else None
        if manifest:
            manifest.check_vocabulary(where, vocabulary.sha256())
        segmenter = choose_segmenter(manifest)
        records = itertools.islice(read_records(path), FLAGS.skip, FLAGS.skip + FLAGS.num_examples)
        for number, record in enumerate(records, FLAGS.skip):
            features = decode_features(record, path)
            sizes = (len(features.get(f, ())) for f in ("input_ids", "masked_lm_ids"))
            schema = pretraining_schema(*sizes)
            check_features(features, schema, len(vocabulary), f"{path}: record {number}")
            used = sum(features["input_mask"])
            next_is = "random" if features["next_sentence_labels"][0] else "actual"
            print(
                f"\n{path} record {number}: {used} tokens, "
                f"{int(sum(features['masked_lm_weights']))} to predict, {next_is} next segment"
            )
            print(render_example(features, vocabulary, segmenter, colour))


def choose_segmenter(manifest):
    """The segmenter of the flags, else that which the records were made with."""
    flags_of_run = manifest.flags if manifest else {}
    name = FLAGS.segmenter or flags_of_run.get("segmenter", "characters")
    return make_segmenter(name, FLAGS.ltp_model or flags_of_run.get("ltp_model", "LTP/legacy"))


if __name__ == "__main__":
    app.run(main)
