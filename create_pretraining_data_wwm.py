"""Makes masked-LM and next-sentence TFRecords from Chinese text, masking whole words.

Reads google-research/bert's input format, one sentence a line and a blank line between documents,
and writes records that its run_pretraining.py reads. A manifest beside the records says what they
were made with; run_pretraining.py compares it with its own flags.

Example:
  python create_pretraining_data_wwm.py --input_file=corpus/*.txt --vocab_file=vocab.txt \\
      --output_file=records/wiki.tfrecord --segmenter=ltp --ltp_model=models/ltp
"""

import dataclasses
import functools
import sys

from absl import flags

from bert_wwm.cli import app
from bert_wwm.cli.segmenter_flags import make_segmenter_from_flags
from bert_wwm.cli.tokenizer_flags import make_tokenizer_from_flags
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.progress import Progress
from bert_wwm.data.counts import Counts
from bert_wwm.data.examples import ExampleMaker, ExampleSettings
from bert_wwm.data.local import BlockMaker
from bert_wwm.records.encoding import encode_example
from bert_wwm.records.schema import pretraining_schema
from bert_wwm.text import corpus

FLAGS = flags.FLAGS

flags.DEFINE_list(
    "input_file", None, "Text files: paths or globs, parted by commas; .gz is decompressed."
)
flags.DEFINE_list(
    "output_file",
    None,
    "TFRecord files to write, parted by commas. Records are in random order within about 4 MB of "
    "text; put the documents of a larger corpus in random order.",
)
for _name in ("tokenizer_flags", "segmenter_flags"):
    flags.adopt_module_key_flags(sys.modules[f"bert_wwm.cli.{_name}"])
flags.DEFINE_bool(
    "do_whole_word_mask",
    True,
    "Mask all pieces of a word or none. False masks single pieces, as the original BERT does; "
    "that is google-research/bert's default, and not the one here.",
)
flags.DEFINE_integer("max_seq_length", 128, "Tokens of a sequence.")
flags.DEFINE_integer("max_predictions_per_seq", 20, "Most pieces to predict in a sequence.")
flags.DEFINE_integer("random_seed", 12345, "Seed; the same seed gives the same records.")
flags.DEFINE_integer(
    "dupe_factor", 10, "Passes over the text, each with other masks.", lower_bound=1
)
flags.DEFINE_float("masked_lm_prob", 0.15, "Share of the tokens to predict.")
flags.DEFINE_float(
    "short_seq_prob", 0.1, "Share of the passes over a document that aim at shorter sequences."
)
flags.mark_flags_as_required(["input_file", "output_file", "vocab_file"])


def main(_) -> None:
    settings = ExampleSettings(
        strategy="whole_word" if FLAGS.do_whole_word_mask else "piece",
        max_seq_length=FLAGS.max_seq_length,
        max_predictions_per_seq=FLAGS.max_predictions_per_seq,
        masked_lm_prob=FLAGS.masked_lm_prob,
        short_seq_prob=FLAGS.short_seq_prob,
        seed=FLAGS.random_seed,
    )
    inputs = files.find(FLAGS.input_file)
    check_outputs(FLAGS.output_file, [*inputs, FLAGS.vocab_file])
    tokenizer = make_tokenizer_from_flags()
    segmenter = make_segmenter_from_flags()
    description = segmenter.describe()  # loads the model: if it can't be had, that shows here
    schema = pretraining_schema(settings.max_seq_length, settings.max_predictions_per_seq)
    maker = BlockMaker(
        tokenizer,
        segmenter,
        ExampleMaker(tokenizer.vocabulary, settings),
        FLAGS.dupe_factor,
        functools.partial(encode_example, schema=schema),
    )
    counts, written = write_records(inputs, maker, FLAGS.output_file)

    from bert_wwm.records.manifest import Manifest, base_name, manifest_path

    manifest = Manifest(
        strategy=settings.strategy,
        max_seq_length=settings.max_seq_length,
        max_predictions_per_seq=settings.max_predictions_per_seq,
        vocab_size=len(tokenizer.vocabulary),
        vocab_sha256=tokenizer.vocabulary.sha256(),
        do_lower_case=FLAGS.do_lower_case,
        tokenizer=FLAGS.tokenizer,
        segmenter=description,
        flags={flag.name: flag.value for flag in FLAGS.get_key_flags_for_module(sys.argv[0])},
        counts=counts.to_json(),
        files={},
    )
    places = {manifest_path(path) for path in FLAGS.output_file}
    for place in places:
        described = {base_name(p): w for p, w in written.items() if manifest_path(p) == place}
        dataclasses.replace(manifest, files=described).save(place)
    print(f"Wrote {', '.join(FLAGS.output_file)}")
    print(counts.summary())
    if counts.masked < 0.5 * counts.budget:
        print(
            "Few pieces are masked: many words are longer than --max_predictions_per_seq. Is this "
            f"text that --segmenter={FLAGS.segmenter} can cut?"
        )


def check_outputs(outputs, inputs) -> None:
    """Refuses outputs that would be written over each other, or over an input."""
    for number, path in enumerate(outputs):
        if any(files.same(path, other) for other in outputs[:number]):
            raise ConfigError(f"--output_file: {path} is named twice; expected different files")
        if any(files.same(path, other) for other in inputs):
            raise ConfigError(f"--output_file: {path} is an input; expected a file to write")
    if not all(outputs) or not outputs:
        raise ConfigError(f"--output_file={','.join(outputs)}: expected names of files to write")


def write_records(inputs, maker, outputs):
    """Writes the records of all blocks; returns what was counted, and the files' sizes."""
    from bert_wwm.records.io import ShardedWriter
    from bert_wwm.records.manifest import manifest_path

    counts = Counts()
    total = sum(files.text_size(path) for path in inputs)
    done = 0
    with Progress("records", total) as progress, ShardedWriter(outputs) as writer:
        for number, block in enumerate(corpus.blocks(corpus.read_documents(inputs))):
            size = sum(document.size for document in block)

            def show(fraction, instances, done=done, size=size):
                made = counts.instances + instances
                progress.update(done + fraction * size, f"{made:,} instances")

            records, block_counts = maker.records(number, block, show)
            for record in records:
                writer.write(record)
            counts.add(block_counts)
            done += size
        if not counts.documents:
            raise DataError(f"{', '.join(inputs)}: no text; expected one sentence a line")
        # From here on the old records are replaced, and their manifest holds no more.
        for path in outputs:
            files.remove(manifest_path(path))
    return counts, {
        path: {"records": records, "bytes": files.size(path)}
        for path, records in zip(writer.paths, writer.records)
    }


if __name__ == "__main__":
    app.run(main)
