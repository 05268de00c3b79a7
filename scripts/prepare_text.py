"""Makes a corpus of raw text: cleans it, cuts it into sentences, and removes duplicates.

Reads plain text, JSON lines, tables (CSV, or separated by tabs) and WikiExtractor's output, each
also compressed by gzip, and writes what create_pretraining_data_wwm.py and segment_corpus.py read:
one sentence a line, a blank line between documents. bert_wwm/corpus/cleaning.py lists what is
removed from a text: HTML, invisible characters, empty brackets. Documents that are not natural
text, or the same as an earlier one, are left out and counted.

The parent process keeps a hash of eight bytes for each document; all else is streamed. Any number
of workers writes the same files. The same command resumes a run that was interrupted; it first
reads again what it has written, to know those documents.

Example:
  python scripts/prepare_text.py --input_file=wiki/*/wiki_*,crawl/*.jsonl.gz \\
      --output_file=corpus/text --num_output_shards=16
  python scripts/segment_corpus.py --input_file=corpus/text-* \\
      --output_file=segmented/text.gz --num_output_shards=16 --segmenter=ltp
"""

import collections
import functools

from absl import flags

from bert_wwm.cli import app, same_run, worker_flags
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.core.shards import Shards
from bert_wwm.corpus.blocks import Block
from bert_wwm.corpus.raw_blocks import BLANK_LINE, DOCUMENTS, FORMATS, Layout, find_format
from bert_wwm.data import preparing
from bert_wwm.data.local import BlockOutput, Written
from bert_wwm.data.preparing import Keeper, PreparedCounts, RawSource, prepare_block

FLAGS = flags.FLAGS

flags.DEFINE_list("input_file", None, "Raw text: paths or globs, separated by commas.")
flags.adopt_module_key_flags(worker_flags)
flags.DEFINE_enum(
    "input_format",
    "auto",
    ["auto", *FORMATS],
    "Format of the files; auto looks at each file's name and beginning. WikiExtractor's output may "
    "be of either kind, with <doc> or with --json.",
)
flags.DEFINE_string(
    "text_field",
    "text",
    "JSON lines, tables: the field or column that holds the text; a.b is field b within field a.",
)
flags.DEFINE_string(
    "delimiter",
    "",
    "Tables: the separator of cells, one character or 'tab'; by default a comma, and a tab in "
    "files named *.tsv.",
)
flags.DEFINE_enum(
    "documents",
    BLANK_LINE,
    DOCUMENTS,
    "Plain text: a document ends at a blank line, at the end of each line, or of each file.",
)
flags.DEFINE_integer(
    "min_chars", 1, "Leave out documents with fewer characters, without spaces.", lower_bound=1
)
flags.DEFINE_float(
    "min_text_share",
    0.3,
    "Leave documents out of whose characters a smaller part are letters, Chinese ones above all; 0 "
    "keeps all. Of natural text it is about 0.9, of text full of figures 0.5.",
    lower_bound=0,
    upper_bound=1,
)
flags.mark_flags_as_required(["input_file", "output_file"])


def main(_) -> None:
    inputs = files.find(FLAGS.input_file)
    outputs = worker_flags.outputs_from_flags(inputs)
    layout = make_layout_from_flags(inputs)
    source = RawSource(layout)
    work = functools.partial(prepare_block, layout, FLAGS.min_chars, FLAGS.min_text_share)
    found = collections.Counter(layout.formats[path] for path in inputs)
    kinds = ", ".join(f"{count:,} {name}" for name, count in sorted(found.items()))
    print(f"Reads {len(inputs):,} file(s): {kinds}", flush=True)
    if FLAGS.dry_run:

        def prepare(block: Block) -> BlockOutput:
            # With a keeper of its own for each block, as the first one is worked on twice.
            return Keeper(len(outputs))(work(block))

        worker_flags.estimate(prepare, source, inputs, len(outputs), PreparedCounts)
        return
    run = {
        **worker_flags.describe_run(source, inputs),
        "input format": {files.absolute(path): layout.formats[path] for path in inputs},
        "prepared text": {"format": preparing.FORMAT},
    }

    def describe(written: Written) -> dict:
        if not written.counts.documents_kept:
            raise DataError(describe_nothing_left(inputs, written.counts))
        return {
            "format": preparing.FORMAT,
            "flags": same_run.key_flags(),
            "counts": vars(written.counts),
        }

    def make_keeper(shards: Shards, before: Written) -> Keeper:
        written = [shards.written(number) for number in range(len(outputs))]
        return Keeper(len(outputs), before.counts.documents_kept, written)

    kind = PreparedCounts
    written = worker_flags.write_shards(
        "text", work, source, inputs, outputs, run, describe, kind=kind, make_settle=make_keeper
    )
    if written is None:
        return
    print(f"Wrote {worker_flags.describe_outputs(outputs)}")
    print(written.counts.summary())
    if written.counts.documents_split:
        print(
            f"  {written.counts.documents_split:,} documents continue one that was too long: is "
            "there a blank line between documents?"
        )


def make_layout_from_flags(inputs: list[str]) -> Layout:
    delimiter = {"tab": "\t", "\\t": "\t"}.get(FLAGS.delimiter, FLAGS.delimiter)
    if len(delimiter) > 1 or delimiter in ("\n", "\r", '"'):
        raise ConfigError(f"--delimiter={FLAGS.delimiter}: expected one character, or tab")
    formats = {
        path: find_format(path) if FLAGS.input_format == "auto" else FLAGS.input_format
        for path in inputs
    }
    return Layout(formats, FLAGS.text_field, FLAGS.documents, delimiter)


def describe_nothing_left(inputs: list[str], counts: PreparedCounts) -> str:
    if not counts.documents_read:
        holds = "holds" if len(inputs) == 1 else "hold"
        return f"{list_few(inputs)}: {holds} no document; expected text"
    return (
        f"{list_few(inputs)}: no text is left; of {counts.documents_read:,} documents "
        f"{counts.documents_empty:,} are empty, {counts.documents_short:,} too short and "
        f"{counts.documents_unnatural:,} no natural text; expected documents to keep"
    )


if __name__ == "__main__":
    app.run(main)
