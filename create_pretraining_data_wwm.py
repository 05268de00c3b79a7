"""Makes pretraining TFRecords from Chinese text, masking whole words.

Reads google-research/bert's input format, one sentence a line and a blank line between documents,
and writes records that its run_pretraining.py reads. A manifest beside the records says what they
were made with; run_pretraining.py compares it with its own flags.

The same input, flags and seed give the same bytes, whatever the runner and the number of workers. A
local run that was interrupted, in whatever way, goes on where it was when it is started again with
the same command.

Example:
  python create_pretraining_data_wwm.py --input_file=corpus/*.txt --vocab_file=vocab.txt \\
      --output_file=records/wiki.tfrecord --num_output_shards=64 --segmenter=ltp
"""

import functools
import sys

from absl import flags

from bert_wwm.cli import app, same_run, worker_flags
from bert_wwm.cli.segmenter_flags import make_segmenter_from_flags
from bert_wwm.cli.tokenizer_flags import make_tokenizer_from_flags
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.core.shards import find_shards
from bert_wwm.corpus import segmented
from bert_wwm.data import beam
from bert_wwm.data.examples import ExampleMaker, ExampleSettings
from bert_wwm.data.instances import PAIRINGS
from bert_wwm.data.local import Written
from bert_wwm.data.maker import RecordMaker, deal_records
from bert_wwm.data.packing import find_max_instances
from bert_wwm.data.sources import SegmentedSource, TextSource
from bert_wwm.masking.labels import INVENTORIES, parse_labels
from bert_wwm.masking.strategies import STRATEGIES
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import frame
from bert_wwm.records.manifest import FORMAT
from bert_wwm.records.schema import pretraining_schema
from bert_wwm.text.bulk import BulkTokenizer
from bert_wwm.text.similar_words import SimilarWords

FLAGS = flags.FLAGS

flags.DEFINE_list(
    "input_file",
    None,
    "Text files, or what scripts/segment_corpus.py wrote: paths or globs, parted by commas; .gz "
    "is decompressed.",
)
for _name in ("tokenizer_flags", "segmenter_flags", "worker_flags"):
    flags.adopt_module_key_flags(sys.modules[f"bert_wwm.cli.{_name}"])
flags.DEFINE_enum(
    "runner",
    "local",
    ["local", *beam.RUNNERS],
    "What the work is done by. local: this machine. dataflow, flink, spark: Apache Beam on many, "
    "with all files where they can reach them (gs://...). direct: Beam on this machine, to try it; "
    "it keeps all in memory.",
)
flags.DEFINE_string(
    "beam_options",
    "",
    "Beam's own options, as on a command line: --beam_options='--project=... --region=... "
    "--temp_location=gs://... --setup_file=./setup.py'.",
)
flags.DEFINE_enum("compression", "", ["", "GZIP"], "Compression of the records.")
flags.DEFINE_enum(
    "masking_strategy",
    None,
    STRATEGIES.names(),
    "What is masked, and what stands there then; by default wwm. "
    + "; ".join(f"{name}: {STRATEGIES[name].summary}" for name in STRATEGIES.names()),
)
flags.DEFINE_bool(
    "do_whole_word_mask",
    True,
    "Mask all pieces of a word or none. False, google-research/bert's default, is "
    "--masking_strategy=piece, as the original BERT; it needs no segmenter, so --segmenter=none is "
    "the default then.",
)
flags.DEFINE_enum(
    "pairing",
    None,
    PAIRINGS.names(),
    "How sequences are made of documents; by default what goes with the masking strategy ("
    + ", ".join(f"{name}: {STRATEGIES[name].pairing}" for name in STRATEGIES.names())
    + "). "
    + "; ".join(f"{name}: {PAIRINGS[name].summary}" for name in PAIRINGS.names()),
)
flags.DEFINE_string(
    "similar_words_file",
    None,
    "For --masking_strategy=macbert: lines of a word, a tab, and words similar to it parted by "
    "blanks; scripts/make_similar_words.py makes it from word vectors.",
)
flags.DEFINE_list(
    "lert_labels",
    list(INVENTORIES),
    "For --masking_strategy=lert: the labels that are wanted. LTP's perceptron models have no dep.",
)
flags.DEFINE_enum(
    "pert_target",
    STRATEGIES["pert"].targets[0],
    STRATEGIES["pert"].targets,
    "For --masking_strategy=pert: predict where the original piece stands now (pointers), or "
    "where the piece that stands there now came from (origins).",
)
flags.DEFINE_enum(
    "pert_scope",
    STRATEGIES["pert"].scopes[0],
    STRATEGIES["pert"].scopes,
    "For --masking_strategy=pert: pieces change places within a segment, within a selected unit of "
    "1 to 4 words, or within the whole sequence, across [SEP].",
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
flags.DEFINE_bool(
    "pack",
    None,  # as in runs that were begun before this flag was
    "Put several instances into a sequence, rather than padding. run_pretraining.py trains on them "
    "as on single ones: the same batches and results, in less time. Other programs can't read "
    "such records.",
)
flags.mark_flags_as_required(["input_file", "output_file", "vocab_file"])


def main(_) -> None:
    settings = settings_from_flags()
    if not STRATEGIES[settings.strategy].needs_words:
        FLAGS.set_default("segmenter", "none")
    inputs = find_shards(FLAGS.input_file)
    extra = [path for path in (FLAGS.vocab_file, FLAGS.similar_words_file) if path]
    outputs = worker_flags.outputs_from_flags([*inputs, *extra])
    tokenizer = make_tokenizer_from_flags()
    similar_words = similar_words_from_flags(settings, tokenizer)
    source = source_from_flags(inputs, settings)
    description = source.describe(inputs)  # loads the model: if it can't be had, that shows here
    maker = RecordMaker(
        source,
        BulkTokenizer(tokenizer),
        ExampleMaker(tokenizer.vocabulary, settings, similar_words),
        FLAGS.dupe_factor,
        functools.partial(encode_examples, schema=schema_of(settings)),
        FLAGS.pack,
    )
    compress = files.compress if FLAGS.compression else bytes
    work = functools.partial(deal_records, maker, len(outputs), frame, compress)
    if FLAGS.dry_run:
        worker_flags.estimate(work, source, inputs, len(outputs))
        return
    run = {
        **worker_flags.describe_run(source, inputs),
        "vocabulary": {"sha256": tokenizer.vocabulary.sha256()},
        "segmenter": description,
        "similar words": {"sha256": similar_words and similar_words.sha256},
        "records": {"format": FORMAT},
    }
    manifest = {
        "strategy": settings.strategy,
        "pairing": settings.pairing,
        "labels": labels_recorded(settings),
        "max_seq_length": settings.max_seq_length,
        "max_predictions_per_seq": settings.max_predictions_per_seq,
        "vocab_size": len(tokenizer.vocabulary),
        "vocab_sha256": tokenizer.vocabulary.sha256(),
        "do_lower_case": tokenizer.do_lower_case,
        "tokenizer": FLAGS.tokenizer,
        "segmenter": description,
        "flags": same_run.key_flags(),
        "max_instances_per_seq": max_instances_of(settings),
        "format": FORMAT,
    }

    def describe(written: Written) -> dict:
        check_written(written, inputs)
        return {**manifest, "counts": written.counts.to_manifest()}

    if FLAGS.runner == "local":
        written = worker_flags.write_shards(
            "records", work, source, inputs, outputs, run, describe, unit="records"
        )
        if written is None:
            return
    else:
        output = beam.Output(outputs, run, FLAGS.overwrite)
        pipeline = beam.make_pipeline(FLAGS.runner, FLAGS.num_workers, FLAGS.beam_options)
        written = beam.write_blocks(work, source, inputs, output, pipeline)
        output.finish(describe(written), [{"records": records} for records in written.records])
    report(settings, written.counts, outputs)


def settings_from_flags() -> ExampleSettings:
    strategy = FLAGS.masking_strategy or ("wwm" if FLAGS.do_whole_word_mask else "piece")
    if strategy != "piece" and not FLAGS.do_whole_word_mask:
        raise ConfigError(
            f"--masking_strategy={strategy} contradicts --do_whole_word_mask=False; expected one "
            "of the two"
        )
    if FLAGS.pack and max_instances_of(FLAGS) == 1:
        raise ConfigError(
            f"--pack: --max_seq_length={FLAGS.max_seq_length} is too short for several instances"
        )
    row = STRATEGIES[strategy]
    for name, applies in (
        ("similar_words_file", row.needs_similar_words),
        ("lert_labels", row.has_linguistic_labels),
        ("pert_target", bool(row.targets)),
        ("pert_scope", bool(row.scopes)),
    ):
        if FLAGS[name].present and not applies:
            raise ConfigError(f"--{name}: --masking_strategy={strategy} has no use for it")
    return ExampleSettings(
        strategy=strategy,
        pairing=FLAGS.pairing or row.pairing,
        max_seq_length=FLAGS.max_seq_length,
        max_predictions_per_seq=FLAGS.max_predictions_per_seq,
        masked_lm_prob=FLAGS.masked_lm_prob,
        short_seq_prob=FLAGS.short_seq_prob,
        seed=FLAGS.random_seed,
        lert_labels=parse_labels(FLAGS.lert_labels) if row.has_linguistic_labels else (),
        pert_target=FLAGS.pert_target if row.targets else "",
        pert_scope=FLAGS.pert_scope if row.scopes else "",
    )


def similar_words_from_flags(settings, tokenizer):
    if not STRATEGIES[settings.strategy].needs_similar_words:
        return None
    if not FLAGS.similar_words_file:
        raise ConfigError(
            f"--masking_strategy={settings.strategy} needs --similar_words_file; "
            "scripts/make_similar_words.py makes it from word vectors"
        )
    similar_words = SimilarWords.from_file(FLAGS.similar_words_file, tokenizer)
    if not similar_words.counts()["candidates"]:
        raise DataError(
            f"{FLAGS.similar_words_file}: no word is similar to one of as many pieces by "
            f"{FLAGS.vocab_file}; expected words of that vocabulary's language"
        )
    return similar_words


def source_from_flags(inputs, settings):
    if FLAGS.segmenter == "presegmented" and segmented.is_segmented(inputs[0]):
        return SegmentedSource(settings.lert_labels)
    segmenter = make_segmenter_from_flags()
    lacking = [label for label in settings.lert_labels if label not in segmenter.tasks()]
    if lacking:
        offered = ",".join(task for task in settings.lert_labels if task not in lacking)
        advice = f"; --lert_labels={offered} does without" if offered else ""
        raise ConfigError(
            f"--segmenter={FLAGS.segmenter} can't tag words for {', '.join(lacking)}{advice}"
        )
    return TextSource(segmenter, settings.lert_labels)


def labels_recorded(settings):
    linguistic = [INVENTORIES[task].feature for task in settings.lert_labels]
    return linguistic + (["target_positions"] if settings.pert_target else [])


def schema_of(settings):
    return pretraining_schema(
        settings.max_seq_length,
        settings.max_predictions_per_seq,
        PAIRINGS[settings.pairing].has_loss,
        labels_recorded(settings),
        max_instances_of(settings),
    )


def max_instances_of(settings):
    return find_max_instances(settings.max_seq_length) if FLAGS.pack else 1


def check_written(written, inputs):
    if not written.counts.documents:
        raise DataError(f"{list_few(inputs)}: no text; expected one sentence a line")
    if not written.counts.instances:
        reason = "no unit fits into what is to be selected of it"
        if written.counts.documents_alone:
            reason = (
                "next sentence prediction needs at least two: put a blank line between documents"
            )
        raise DataError(
            f"{list_few(inputs)}: no instance could be made of {written.counts.documents:,} "
            f"document(s); {reason}"
        )


def report(settings, counts, outputs) -> None:
    label_1 = {"nsp": "with a random next segment", "sop": "swapped"}.get(settings.pairing, "")
    print(f"Wrote {worker_flags.describe_outputs(outputs)}")
    print(counts.summary(label_1, settings.max_seq_length))
    left_out = [task for task in INVENTORIES if task not in settings.lert_labels]
    if settings.lert_labels and left_out:
        print(
            f"Without labels for {', '.join(left_out)}: HFL's program needs all of "
            f"{', '.join(INVENTORIES)}."
        )
    if counts.kinds["fallback"] > 0.1 * counts.predicted:
        print(
            "More than a tenth of what is selected became random words for want of similar ones: "
            "--similar_words_file knows few words of this text."
        )
    empty = counts.instances_without_prediction
    if counts.predicted < 0.5 * counts.budget or empty > counts.instances:
        print(
            "Few pieces are selected: many words are longer than --max_predictions_per_seq, or "
            f"have no similar words. Is this text that --segmenter={FLAGS.segmenter} can cut?"
        )


if __name__ == "__main__":
    app.run(main)
