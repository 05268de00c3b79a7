"""Finds the words of a corpus once, and stores them: LTP is the slow part of making records.

Reads text as create_pretraining_data_wwm.py does, and writes files that this program reads with
--segmenter=presegmented: the same records, of any length, with any masking and any seed, without
LTP. With --annotate it stores the words' tags too, which --masking_strategy=lert needs. The format
is described in bert_wwm/corpus/segmented.py: JSON lines, compressed by gzip.

Example:
  python scripts/segment_corpus.py --input_file=corpus/*.txt --output_file=segmented/wiki.gz \\
      --num_output_shards=16 --segmenter=ltp --annotate=pos,ner
  python create_pretraining_data_wwm.py --input_file=segmented/wiki.gz-* \\
      --segmenter=presegmented --output_file=records/wiki.tfrecord --vocab_file=vocab.txt
"""

import functools

from absl import flags

from bert_wwm.cli import app, same_run, segmenter_flags, worker_flags
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.corpus import segmented
from bert_wwm.data.local import Written
from bert_wwm.data.segmenting import segment_block
from bert_wwm.data.sources import TextSource
from bert_wwm.masking.labels import INVENTORIES

FLAGS = flags.FLAGS

flags.DEFINE_list("input_file", None, "Text files: paths or globs, separated by commas.")
flags.adopt_module_key_flags(segmenter_flags)
flags.adopt_module_key_flags(worker_flags)
flags.DEFINE_list(
    "annotate",
    [],
    f"Tags to keep with the words, some of {','.join(INVENTORIES)}: parts of speech, named "
    "entities, dependency relations. LTP's perceptron models have no dep.",
)
flags.mark_flags_as_required(["input_file", "output_file"])


def main(_) -> None:
    inputs = files.find(FLAGS.input_file)
    outputs = worker_flags.outputs_from_flags(inputs)
    segmenter = segmenter_flags.make_segmenter_from_flags()
    tasks = tuple(task for task in INVENTORIES if task in FLAGS.annotate)
    lacking = sorted(set(FLAGS.annotate) - set(segmenter.tasks() if FLAGS.annotate else ()))
    if lacking:
        raise ConfigError(
            f"--annotate={','.join(FLAGS.annotate)}: --segmenter={FLAGS.segmenter} can't tag words "
            f"for {', '.join(lacking)}; it offers {', '.join(segmenter.tasks()) or 'no tags'}"
        )
    source = TextSource(segmenter, tasks)
    description = source.describe(inputs)
    work = functools.partial(segment_block, source, len(outputs))
    if FLAGS.dry_run:
        worker_flags.estimate(work, source, inputs, len(outputs))
        return
    run = {
        **worker_flags.describe_run(source, inputs),
        "segmenter": description,
        "segmented corpus": {"format": segmented.FORMAT},
    }

    def describe(written: Written) -> dict:
        if not written.counts.documents:
            raise DataError(f"{list_few(inputs)}: no text; expected one sentence a line")
        return {
            "format": segmented.FORMAT,
            "segmenter": description,
            "tags": list(tasks),
            "flags": same_run.key_flags(),
            "counts": written.counts.to_manifest(),
        }

    header = files.compress(segmented.format_header(description, tasks))
    written = worker_flags.write_shards(
        "words", work, source, inputs, outputs, run, describe, header=header
    )
    if written is None:
        return
    counts = written.counts
    print(f"Wrote {worker_flags.describe_outputs(outputs)}")
    print(
        f"  {counts.documents:,} documents, {counts.sentences:,} sentences, "
        f"{counts.sentences_fallen_back:,} of them not matched by the words found"
    )
    if counts.documents_split:
        print(
            f"  {counts.documents_split:,} documents continue one that was too long: is there a "
            "blank line between documents?"
        )


if __name__ == "__main__":
    app.run(main)
