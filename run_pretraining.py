"""Pretrains the models of the BERT family from TFRecords, on CPU, GPU or TPU.

Reads the records of create_pretraining_data_wwm.py (or google-research/bert's program), which
determine the objective: masked tokens, pairs of segments, LERT's labels, PERT's positions.
Leaves checkpoints, TensorBoard's events, training_summary.json, learning_curve.png and
eval_results.txt in --output_dir.

Killed at any moment and started again with the same command, it resumes from the last checkpoint;
on one machine's CPU it ends with the very weights of a run that was never stopped. SIGTERM saves
first: on a TPU at the end of the running loop; not with --distribution_strategy=multi_worker. There
all processes end when one of them does; start them again together.
configs/recipes holds the flags of each model of the family.

Example:
  python run_pretraining.py --input_file=records/wiki.tfrecord --output_dir=models/wiki \\
      --bert_config_file=configs/bert_base.json --do_train --do_eval \\
      --train_batch_size=32 --num_train_steps=100000 --num_warmup_steps=10000 --learning_rate=1e-4
"""

import contextlib
import dataclasses
import os
import sys

from absl import flags

from bert_wwm.cli import app, checkpoint_flags, model_flags, pretraining_flags, same_run
from bert_wwm.core import files, input_files
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.lock import locked
from bert_wwm.core.output import log
from bert_wwm.core.shards import find_shards

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(model_flags)
flags.adopt_module_key_flags(pretraining_flags)
flags.mark_flags_as_required(["bert_config_file", "input_file", "output_dir"])


def main(_) -> None:
    check_flags()
    model_flags.prepare_xla()
    # TensorFlow takes seconds to import; a wrong flag should not.
    from bert_wwm.compat import tf
    from bert_wwm.train.cluster import check_cluster, read_cluster
    from bert_wwm.train.half_precision import check_half_precision
    from bert_wwm.train.peers import Peers

    if FLAGS.use_tpu:  # there the Estimator says how the training goes
        tf.logging.set_verbosity(tf.logging.INFO)
    check_cluster(FLAGS.distribution_strategy, log)
    if FLAGS.use_bfloat16 or FLAGS.use_float16:
        check_half_precision(FLAGS.use_tpu, FLAGS.use_float16, log)
    is_of_cluster = FLAGS.distribution_strategy == "multi_worker" and FLAGS.do_train
    cluster = read_cluster() if is_of_cluster else None
    if cluster:
        with Peers(cluster, log, app.end_at_once) as peers:
            train_and_evaluate(lambda checkpoint: peers.compare(describe_start(checkpoint)))
    else:
        train_and_evaluate()


def train_and_evaluate(agree=None) -> None:
    """Trains and evaluates as the flags say; for ``agree`` see ``train_with_evaluations``."""
    from bert_wwm.model.bert import BertConfig
    from bert_wwm.records.checks import check_records
    from bert_wwm.records.input_fn import READ_ERRORS
    from bert_wwm.train.estimator import Estimators, Machine
    from bert_wwm.train.model_fn import make_model_fn
    from bert_wwm.train.start import check_start

    check_start(FLAGS.output_dir, FLAGS.init_checkpoint, for_task=False)
    config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu(FLAGS.gelu)
    config.check_length(FLAGS.max_seq_length, FLAGS.bert_config_file)
    train_records = Records(FLAGS.input_file, config)
    eval_records = train_records
    if FLAGS.eval_input_file:
        eval_records = Records(FLAGS.eval_input_file, config)
        eval_records.check_same_kind(train_records)
    objective = make_objective(train_records)
    machine = Machine(
        **model_flags.values_of(Machine), instances_per_row=train_records.instances_per_row
    )
    is_chief = machine.is_chief()
    settings = pretraining_flags.settings_from_flags()
    model_fn = make_model_fn(config, objective, settings, log if is_chief else None)
    estimators = Estimators(model_fn, machine)
    if FLAGS.do_train:
        estimators.check_batch_size()
    with locked(FLAGS.output_dir) if FLAGS.do_train and is_chief else contextlib.nullcontext():
        files.make_folder(FLAGS.output_dir)
        try:
            if FLAGS.do_train:
                train(estimators, train_records, eval_records, agree)
            if FLAGS.do_eval and is_chief:
                evaluate_at_the_end(estimators, eval_records)
        except READ_ERRORS:
            for records in (train_records, eval_records):  # says which file, and where
                check_records(records.paths, records.schema, records.limits)
            raise


def check_flags() -> None:
    """Raises ConfigError for flags that contradict each other, before anything is read."""
    if not FLAGS.do_train and not FLAGS.do_eval:
        raise ConfigError("nothing to do; expected --do_train, --do_eval or both")
    checkpoint_flags.refuse_patterns("output_dir", "init_checkpoint")
    model_flags.check_tpu()
    model_flags.check_half_precision(FLAGS.use_tpu)
    evaluates = FLAGS.do_eval or FLAGS.eval_every_steps
    if FLAGS.use_tpu and evaluates and FLAGS.eval_batch_size % FLAGS.num_tpu_cores:
        raise ConfigError(
            f"--eval_batch_size={FLAGS.eval_batch_size} can't be divided evenly by "
            f"--num_tpu_cores={FLAGS.num_tpu_cores}; expected a multiple"
        )
    if FLAGS.use_tpu and FLAGS["skip_padding"].present and FLAGS.skip_padding:
        raise ConfigError("--skip_padding: has no form for TPUs; expected packed records there")
    if FLAGS.use_tpu and FLAGS.distribution_strategy:
        raise ConfigError("--use_tpu and --distribution_strategy: expected one of the two")
    if FLAGS.eval_every_steps and not FLAGS.eval_input_file:
        raise ConfigError("--eval_every_steps needs --eval_input_file")
    if not FLAGS.output_dir:
        raise ConfigError("--output_dir=: expected a folder")
    for name in ("init_layers", "allow_random_init"):
        if FLAGS[name].present and not FLAGS.init_checkpoint:
            raise ConfigError(f"--{name} needs --init_checkpoint")
    for name in ("init_layers", "lert_end_steps"):
        pretraining_flags.integers_of(name)


class Records:
    """Records to train or to evaluate on, compared with the flags and their manifests."""

    def __init__(self, patterns, config):
        from bert_wwm.core.shards import manifest_path
        from bert_wwm.records import manifest
        from bert_wwm.records.checks import check_records, find_limits, read_field_names
        from bert_wwm.records.schema import LABELS, pretraining_schema
        from bert_wwm.text.casing import choose_casing
        from bert_wwm.text.vocabulary import Vocabulary

        self.paths = find_shards(patterns)
        for path in self.paths:  # most are read by TensorFlow alone
            input_files.note(path)
        self.fields = read_field_names(self.paths)  # all; the schema has those that are read
        max_instances, self.instances_per_row = manifest.read_packing(self.paths)
        if "instance_starts" in self.fields and max_instances == 1:
            raise ConfigError(
                f"{self.paths[0]}: holds packed instances, but no manifest says how many; expected "
                f"{manifest_path(self.paths[0])}, which was written with it"
            )
        self.schema = pretraining_schema(
            FLAGS.max_seq_length,
            FLAGS.max_predictions_per_seq,
            "next_sentence_labels" in self.fields,
            [label for label in LABELS if label in self.fields],
            max_instances,
        )
        self.limits = find_limits(self.schema, config.vocab_size)
        vocabulary = Vocabulary.from_file(FLAGS.vocab_file) if FLAGS.vocab_file else None
        expected = {
            "max_seq_length": FLAGS.max_seq_length,
            "max_predictions_per_seq": FLAGS.max_predictions_per_seq,
            "vocab_size": config.vocab_size,
            "vocab_sha256": vocabulary and vocabulary.sha256(),
            "strategy": FLAGS.masking_strategy,
            "do_lower_case": find_casing_of_model(),
        }
        for path in manifest.check(self.paths, expected):
            log(f"{path} has no manifest: its vocabulary and masking are taken on trust")
            check_records([path], self.schema, self.limits, first_only=True)
        self.pairing = None  # how the pairs were made, if a manifest says so
        for where in filter(files.exists, dict.fromkeys(map(manifest_path, self.paths))):
            found = manifest.Manifest.load(where)
            self.pairing = self.pairing or found.pairing
            if found.do_lower_case is not None:
                choose_casing(found.do_lower_case, None, None, FLAGS.init_checkpoint)

    def check_same_kind(self, others) -> None:
        """Raises ConfigError for records that hold something else than those to train on."""
        pairings = {self.pairing, others.pairing} - {None}
        fields, other_fields = (set(x.fields) - {"instance_starts"} for x in (self, others))
        if fields != other_fields or len(pairings) > 1:
            raise ConfigError(
                f"--eval_input_file holds {', '.join(self.fields)} (pairs: {self.pairing}), but "
                f"--input_file {', '.join(others.fields)} (pairs: {others.pairing}); expected "
                "records of one kind"
            )


def find_casing_of_model():
    """Returns the value of --do_lower_case, or that of the model's files; None without any."""
    from bert_wwm.text.casing import choose_casing, find_casing

    files_of_model = (FLAGS.bert_config_file, FLAGS.vocab_file)
    if FLAGS.do_lower_case is None and find_casing(*files_of_model) is None:
        return None
    return choose_casing(FLAGS.do_lower_case, *files_of_model, FLAGS.init_checkpoint)


def make_objective(records):
    """Returns the objective that the records are made for; checks the flags that depend on it."""
    from bert_wwm.train.pretraining_objective import PretrainingObjective, heads_for, lert_ramps

    wanted = FLAGS["sentence_pair_loss"].present and FLAGS.sentence_pair_loss
    if wanted and "next_sentence_labels" not in records.fields:
        raise ConfigError(
            f"--sentence_pair_loss: {records.paths[0]} holds no labels of pairs; expected "
            "records made with --pairing=nsp or sop"
        )
    heads = heads_for(records.fields, records.pairing, FLAGS.sentence_pair_loss)
    known = ["loss", *(f"{head}_{kind}" for head in heads for kind in ("loss", "accuracy"))]
    if FLAGS.best_metric not in known:
        raise ConfigError(
            f"--best_metric={FLAGS.best_metric}: unknown; known for these records: "
            f"{', '.join(known)}"
        )
    end_steps = pretraining_flags.integers_of("lert_end_steps")
    return PretrainingObjective(heads, lert_ramps(heads, FLAGS.num_train_steps, end_steps))


def describe_start(checkpoint):
    """Returns the values that must be the same in all processes of a cluster."""
    from bert_wwm.train import same_start

    return {
        **same_start.describe_code(sys.argv[0]),
        **same_start.describe_flags(same_run.key_flags()),
        "the checkpoint in --output_dir": same_start.describe_checkpoint(checkpoint),
    }


def train(estimators, records, eval_records, agree) -> None:
    from bert_wwm.records.input_fn import train_input_fn
    from bert_wwm.report.training import write_summary
    from bert_wwm.train.loop import train_with_evaluations

    def input_fn_at(step):
        first_record = step * estimators.train_rows
        seed, limits = FLAGS.random_seed, records.limits
        return train_input_fn(records.paths, records.schema, seed, first_record, limits)

    batch = f"{FLAGS.train_batch_size} examples a step"
    if records.instances_per_row != 1.0:
        batch += f", in {estimators.train_rows} rows of {records.instances_per_row:.2f} on average"
    log(f"Training to step {FLAGS.num_train_steps:,} on {len(records.paths)} file(s), {batch}")
    summary = train_with_evaluations(
        estimators,
        log,
        FLAGS.num_train_steps,
        input_fn_at,
        FLAGS.eval_every_steps,
        lambda: evaluate(estimators, eval_records),
        FLAGS.best_metric,
        agree=agree,
    )
    if estimators.machine.is_chief():
        write_summary(FLAGS.output_dir, dataclasses.asdict(summary), log)
    if summary.stopped:
        log(f"Stopped at step {summary.last_step:,} by SIGTERM; the same command goes on")
        sys.exit(143)


def evaluate(estimators, records, checkpoint=None):
    """Returns the metrics of a checkpoint, by default the newest, by name."""
    from bert_wwm.records.input_fn import eval_input_fn

    input_fn = eval_input_fn(records.paths, records.schema, FLAGS.use_tpu, records.limits)
    results = estimators.evaluate(input_fn, FLAGS.max_eval_steps, checkpoint)
    return {name: float(value) for name, value in results.items() if name != "global_step"}


def evaluate_at_the_end(estimators, records) -> None:
    from bert_wwm.model.checkpoint_path import find_newest, read_newest
    from bert_wwm.train.loop import read_step

    def evaluate_checkpoint(checkpoint):
        if not (checkpoint or FLAGS.init_checkpoint):
            raise ConfigError(
                f"{FLAGS.output_dir}: holds no checkpoint to evaluate; expected a trained model "
                "there, or --init_checkpoint"
            )
        unit = "examples" if records.instances_per_row == 1.0 else "rows"
        log(
            f"Evaluating {checkpoint or 'the initial weights'} on at most "
            f"{FLAGS.max_eval_steps * FLAGS.eval_batch_size:,} {unit}"
        )
        step = read_step(checkpoint) if checkpoint else 0
        return step, evaluate(estimators, records, checkpoint)

    step, results = read_newest(lambda: find_newest(FLAGS.output_dir), evaluate_checkpoint, log)
    lines = [f"global_step = {step}\n"]
    lines += [f"{name} = {results[name]}\n" for name in sorted(results)]
    input_files.check_unchanged()
    files.write_text(os.path.join(FLAGS.output_dir, "eval_results.txt"), "".join(lines))
    for line in lines:
        log("  " + line.rstrip())


if __name__ == "__main__":
    app.run(main)
