"""Packs existing pretraining records: several instances into each sequence, rather than padding.

Reads the TFRecords of create_pretraining_data_wwm.py, of google-research/bert's program or of
HFL's, and writes what create_pretraining_data_wwm.py --pack would: run_pretraining.py trains on it
as on the records that it was made of, in less time. Masks and labels stay as they are.

The same records, flags and seed give the same bytes, whatever the number of workers. A run that was
interrupted resumes when it is started again with the same command.

Example:
  python scripts/pack_records.py --input_file=records/wiki.tfrecord-* \\
      --output_file=packed/wiki.tfrecord --num_output_shards=64
"""

import dataclasses

from absl import flags

from bert_wwm.cli import app, same_run, worker_flags
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.core.shards import find_shards

FLAGS = flags.FLAGS

flags.DEFINE_list("input_file", None, "TFRecord files: paths or globs, separated by commas.")
flags.adopt_module_key_flags(worker_flags)
flags.DEFINE_enum("compression", "", ["", "GZIP"], "Compression of the records.")
flags.DEFINE_integer("random_seed", 12345, "Seed of the order of the packed sequences.")
flags.mark_flags_as_required(["input_file", "output_file"])

# Facts of a manifest that stay what they are.
_KEPT = (
    "strategy pairing vocab_size vocab_sha256 do_lower_case tokenizer segmenter "
    "max_seq_length max_predictions_per_seq labels"
).split()


def main(_) -> None:
    inputs = find_shards(FLAGS.input_file)
    outputs = worker_flags.outputs_from_flags(inputs)

    from bert_wwm.data.packing import find_max_instances
    from bert_wwm.records import manifest
    from bert_wwm.records.repacking import Packer, RecordSource
    from bert_wwm.records.schema import LABELS
    from bert_wwm.report.provenance import Provenance

    schema, unknown = read_schema(inputs)
    lengths = {field.name: field.length for field in schema}
    length = lengths["input_ids"]
    most = find_max_instances(length)
    if most == 1:
        raise ConfigError(f"{inputs[0]}: its sequences of {length} tokens have room for one only")
    without_manifest = manifest.check(inputs, {})  # the others agree, and are whole
    provenance = Provenance.of(inputs)
    facts = dict.fromkeys(_KEPT)
    if not without_manifest:
        found = next(iter(provenance.manifests.values()))
        facts = {name: getattr(found, name) for name in _KEPT}
    facts["max_seq_length"] = length
    facts["max_predictions_per_seq"] = lengths["masked_lm_ids"]
    facts["labels"] = [field.name for field in schema if field.name in LABELS]
    source = RecordSource()
    compress = files.compress if FLAGS.compression else bytes
    work = Packer(schema, len(outputs), FLAGS.random_seed, compress)
    if FLAGS.dry_run:
        worker_flags.estimate(work, source, inputs, len(outputs))
        return
    run = {**worker_flags.describe_run(source, inputs), "records": {"format": manifest.FORMAT}}

    def describe(written) -> dict:
        if not written.counts.instances:
            raise DataError(f"{list_few(inputs)}: no record; expected files that hold some")
        counts = written.counts
        of_run = provenance.counts()
        if of_run and of_run.instances == counts.instances:  # all of its files, and once each
            counts = dataclasses.replace(of_run, rows=counts.rows)
        return {
            **facts,
            "max_instances_per_seq": most,
            "flags": same_run.key_flags(),
            "counts": counts.to_manifest(),
            "format": manifest.FORMAT,
        }

    written = worker_flags.write_shards(
        "packed", work, source, inputs, outputs, run, describe, unit="records"
    )
    if written is None:
        return
    counts = written.counts
    print(f"Wrote {worker_flags.describe_outputs(outputs)}")
    print(f"  instances  {counts.instances:,}")
    print(f"  rows       {counts.describe_rows(length)}")
    if unknown:
        print(f"  without {', '.join(unknown)}, which run_pretraining.py has no use for")


def read_schema(paths):
    """Returns the schema of the first record, and the names of its other fields."""
    from bert_wwm.records.checks import decode_features
    from bert_wwm.records.framing import read_records
    from bert_wwm.records.repacking import find_schema

    for path in paths:
        for record in read_records(path):
            features = decode_features(record, path)
            schema = find_schema(features, path)
            return schema, sorted({*features} - {field.name for field in schema})
    raise DataError(f"{list_few(paths)}: no record; expected files that hold some")


if __name__ == "__main__":
    app.run(main)
