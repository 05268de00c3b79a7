"""Estimates what a training costs on a Cloud TPU, without one: by the TPU's own compiler.

Builds the very step that run_pretraining.py would run, compiles it for the cores of a slice, and
prints whether it fits their memory, the time of a step, examples and tokens a second, and the hours
of all steps. Each --flagfile is a phase of one training, and the phases are added up; other flags
hold for all of them. If a step doesn't fit, it looks for the largest batch that does.

With --task_name it is a step of run_classifier.py, run_ner.py or run_squad.py with one length
(without --tpu_buckets); the task's length and batch are the defaults of --max_seq_length,
--train_batch_size and --eval_batch_size. --topology, --price_per_hour, --profile and --json hold
for all phases. On v4 and later a core means a chip, whose cores run as one device.

The compiler is a Python package (libtpu) that needs another NumPy than TensorFlow: the first
estimate installs it, with JAX, into a virtual environment under ~/.cache, with pip's own settings
(PIP_INDEX_URL, PIP_FIND_LINKS, ...); BERT_WWM_TPU_COMPILER may name the Python of an environment
that has both. A compilation takes about a minute, --find_batch needs several.

Example:
  python estimate_tpu.py --flagfile=configs/recipes/bert-wwm-128.flags \\
      --flagfile=configs/recipes/bert-wwm-512.flags --use_bfloat16 --topology=v3-8
"""

import argparse
import contextlib
import dataclasses
import json
import os
import sys
from typing import Any

from absl import flags

from bert_wwm.cli import app, model_flags, pretraining_flags
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.shards import find_shards
from bert_wwm.data.instances import PAIRINGS
from bert_wwm.data.packing import count_rows, find_max_instances
from bert_wwm.estimate import table
from bert_wwm.estimate.compiler import compile_for
from bert_wwm.estimate.environment import compiler_python
from bert_wwm.estimate.numbers import Work, sum_phases
from bert_wwm.estimate.phase import Phase, PhaseEstimator
from bert_wwm.estimate.slices import slice_named
from bert_wwm.masking.strategies import STRATEGIES
from bert_wwm.records.manifest import read_packing
from bert_wwm.records.schema import LABELS, pretraining_schema
from bert_wwm.tasks.table import TASKS

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(model_flags)
flags.adopt_module_key_flags(pretraining_flags)

TRAIN, EVAL = "train", "eval"
# Of fine-tuning: the labels of a task whose data names them, and the texts of an evaluation step. A
# label more or less makes no measurable difference.
NUM_LABELS, EVAL_BATCH_SIZE = 10, 32

flags.DEFINE_string(
    "topology",
    "v3-8",
    "The slice, by Google Cloud's name: v2-8, v3-8, v3-32, v4-8, v5e-4, v5p-8, v6e-4, ...; an "
    "unknown one has all listed.",
)
flags.DEFINE_enum(
    "mode", TRAIN, [TRAIN, EVAL], "A step of training, or one of evaluation, of --eval_batch_size."
)
flags.DEFINE_enum(
    "task_name",
    None,
    TASKS.names(),
    "Estimate fine-tuning for this task, rather than pretraining.",
    case_sensitive=False,
)
flags.DEFINE_enum(
    "pairing",
    None,
    PAIRINGS.names(),
    "How the records' sequences are made, which decides whether there is a label of pairs to learn."
    " By default as create_pretraining_data_wwm.py makes them for --masking_strategy.",
)
flags.DEFINE_integer(
    "batch_per_core",
    None,
    "Sequences of a step on each core, rather than --train_batch_size or --eval_batch_size over "
    "all cores.",
    lower_bound=1,
)
flags.DEFINE_float(
    "instances_per_row",
    None,
    "For packed records: the examples of a sequence on average, as create_pretraining_data_wwm.py "
    "prints it. By default by the manifests of --input_file; without either nothing is packed.",
    lower_bound=1.0,
)
flags.DEFINE_bool(
    "find_batch", False, "Look for the largest batch that fits, also if the given one does."
)
flags.DEFINE_bool(
    "one_core",
    False,
    "Compile the step of one core, without adding up the gradients of all: to compare steps.",
)
flags.DEFINE_bool("profile", False, "Print where the cycles of a step go.")
flags.DEFINE_bool("json", False, "Print one JSON object instead.")
flags.DEFINE_float("price_per_hour", None, "Of the slice: print what it costs.", lower_bound=0.0)
flags.mark_flag_as_required("bert_config_file")


def main(argv) -> None:
    tpu = slice_named(FLAGS.topology)
    # These hold for all phases, also from one's flagfile.
    price, as_json, with_profile = FLAGS.price_per_hour, FLAGS.json, FLAGS.profile
    phases = split_phases(sys.argv[1:])
    for name, arguments in phases:
        with set_flags(name, argv[0], arguments):
            check_flags(tpu)
    estimators = []
    for name, arguments in phases:
        with set_flags(name, argv[0], arguments):
            estimators.append(make_estimator(name, tpu, price))
    compiler_python(log)
    estimates = [estimator.estimate() for estimator in estimators]
    show = print_json if as_json else print_table
    show(tpu, estimates, with_profile)


def split_phases(arguments):
    """Returns the name and the arguments of each phase: its flagfile, and the flags of all."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-flagfile", "--flagfile", action="append", default=[])
    found, others = parser.parse_known_args(arguments)
    return [
        (os.path.splitext(os.path.basename(path))[0], [f"--flagfile={path}", *others])
        for path in found.flagfile
    ] or [(None, others)]


@contextlib.contextmanager
def set_flags(name, program: str, arguments):
    """Sets the flags of a phase; errors of the block name it."""
    try:
        for flag in FLAGS:
            if FLAGS[flag].present:
                FLAGS[flag].unparse()
        FLAGS([program, *arguments])
        yield
    except (ConfigError, flags.Error) as error:
        message = str(error)
        if isinstance(error, flags.Error):
            message += "; each --flagfile is a phase, flags of all phases are outside of them"
        raise ConfigError(f"{name}: {message}" if name else message) from None


def check_flags(tpu) -> None:
    """Raises ConfigError for flags that contradict each other, before TensorFlow is imported."""
    model_flags.check_half_precision(use_tpu=True)
    for name in ("init_layers", "lert_end_steps"):
        pretraining_flags.integers_of(name)
    for name in ("masking_strategy", "pairing", "sentence_pair_loss", "instances_per_row"):
        if FLAGS.task_name and FLAGS[name].present:
            raise ConfigError(f"--{name} is of pretraining; expected no --task_name")
    wanted = FLAGS["sentence_pair_loss"].present and FLAGS.sentence_pair_loss
    if wanted and FLAGS.pairing and not PAIRINGS[FLAGS.pairing].has_loss:
        raise ConfigError(f"--sentence_pair_loss: --pairing={FLAGS.pairing} has no labels of pairs")
    work_from_flags(tpu)


def work_from_flags(tpu) -> Work:
    """Returns the work of a step, and the number of steps."""
    trains = FLAGS.mode == TRAIN
    batch_flag = "train_batch_size" if trains else "eval_batch_size"
    steps_flag = "num_train_steps" if trains else "max_eval_steps"
    parts = FLAGS.num_accumulation_steps if trains else 1
    names = ("max_seq_length", batch_flag, steps_flag)
    values: dict[str, Any] = {name: FLAGS[name].value for name in names}
    if FLAGS.task_name:
        settings = TASKS[FLAGS.task_name].settings
        defaults = {
            "max_seq_length": settings.max_seq_length,
            batch_flag: settings.train_batch_size if trains else EVAL_BATCH_SIZE,
            steps_flag: None,  # depends on the data
        }
        values.update((name, defaults[name]) for name in values if not FLAGS[name].present)
    batch = values[batch_flag]
    given = f"--{batch_flag}={batch}"
    per_row = instances_per_row_from_flags()
    if per_row > 1.0 and trains:  # an evaluation's batch is of rows
        batch = count_rows(batch, per_row, tpu.cores * parts)
    if FLAGS.batch_per_core:
        batch = FLAGS.batch_per_core * tpu.cores
        given = f"--batch_per_core={FLAGS.batch_per_core} on {tpu.cores} cores"
    if batch % (tpu.cores * parts):
        raise ConfigError(
            f"{given} can't be divided evenly by {tpu.cores} cores of {tpu.name} x {parts} "
            f"accumulation step(s); expected a multiple of {tpu.cores * parts}"
        )
    shape = batch // tpu.cores, parts, values["max_seq_length"], values[steps_flag]
    return Work(*shape, per_row)


def instances_per_row_from_flags() -> float:
    if FLAGS.instances_per_row or not FLAGS.input_file:
        return FLAGS.instances_per_row or 1.0
    return read_packing(find_shards(FLAGS.input_file))[1]


def make_estimator(name, tpu, price_per_hour) -> PhaseEstimator:
    """Returns the estimator of the phase whose flags are set."""
    work = work_from_flags(tpu)
    # TensorFlow takes seconds to import; a wrong flag should not.
    from bert_wwm.estimate import step
    from bert_wwm.model.bert import BertConfig

    config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu(FLAGS.gelu)
    config.check_length(work.length, FLAGS.bert_config_file)
    objective, features_of, mode = finetuning() if FLAGS.task_name else pretraining()
    settings = pretraining_flags.settings_from_flags()
    one_core = FLAGS.one_core
    replicas = 1 if one_core else tpu.compiled_devices

    def build(work: Work):
        in_parts = dataclasses.replace(
            settings,
            train_batch_size=work.batch_per_core * tpu.cores,
            num_accumulation_steps=work.num_accumulation_steps,
        )
        features = features_of(work.batch_per_core, work.length)
        built = step.build_step(config, objective, in_parts, features, mode, replicas)
        return built._replace(reduced_bytes=0) if one_core else built

    def compile_step(hlo, num_parts):
        return compile_for(hlo, num_parts, tpu, replicas, log)

    stem = os.path.splitext(os.path.basename(FLAGS.bert_config_file))[0]
    model = f"{stem}, {config.num_hidden_layers} layers of width {config.hidden_size:,}"
    phase = Phase(name or FLAGS.task_name or "pretraining", model, FLAGS.mode, work)
    return PhaseEstimator(phase, tpu, build, compile_step, FLAGS.find_batch, price_per_hour, log)


def pretraining():
    """Returns the objective, what makes its features, and the Estimator's mode."""
    from bert_wwm.estimate import step
    from bert_wwm.train.pretraining_objective import PretrainingObjective, heads_for, lert_ramps

    strategy = STRATEGIES[FLAGS.masking_strategy or "wwm"]
    pairing = FLAGS.pairing or strategy.pairing
    has_loss, predictions = PAIRINGS[pairing].has_loss, FLAGS.max_predictions_per_seq
    labels = ["target_positions"] if strategy.targets else []
    if strategy.has_linguistic_labels:
        labels = [label for label in LABELS if label != "target_positions"]

    is_packed = instances_per_row_from_flags() > 1.0

    def features_of(batch, length):
        most = find_max_instances(length) if is_packed else 1
        schema = pretraining_schema(length, predictions, has_loss, labels, most)
        return step.pretraining_features(schema, batch)

    fields = [*labels, *(["next_sentence_labels"] if has_loss else [])]
    heads = heads_for(fields, pairing, FLAGS.sentence_pair_loss)
    ramps = lert_ramps(
        heads, FLAGS.num_train_steps, pretraining_flags.integers_of("lert_end_steps")
    )
    mode = step.TRAIN if FLAGS.mode == TRAIN else step.EVAL
    return PretrainingObjective(heads, ramps), features_of, mode


def finetuning():
    """The same of --task_name."""
    from bert_wwm.estimate import step
    from bert_wwm.tasks.kinds import KINDS

    task = TASKS[FLAGS.task_name]
    num_labels = len(task.labels or range(NUM_LABELS))
    objective = KINDS[task.kind].load_job().make_objective(task, num_labels)

    trains = FLAGS.mode == TRAIN

    def features_of(batch, length):
        return step.task_features(objective, batch, length, with_targets=trains)

    return objective, features_of, step.TRAIN if trains else step.PREDICT


def print_table(tpu, estimates, with_profile) -> None:
    for found in estimates:
        print("\n".join(table.estimate_lines(found, tpu)))
        if with_profile and found.figures:
            print("\n".join(["", *table.profile_lines(found.instructions)]))
        print()
    if len(estimates) > 1:
        print(table.total_line(total(estimates), len(estimates)) + "\n")
    print("\n".join(table.disclaimer(tpu)))


def print_json(tpu, estimates, with_profile) -> None:
    phases = [found.as_json() for found in estimates]
    if with_profile:
        for phase, found in zip(phases, estimates):
            phase["profile"] = found.figures and table.profile_json(found.instructions)
    result = {"topology": tpu.name, "cores": tpu.cores, "phases": phases, **total(estimates)}
    if len(phases) == 1:
        result = {**phases[0], **result}
    print(json.dumps(result, indent=2, ensure_ascii=False))


def total(estimates):
    return sum_phases([found.figures for found in estimates])


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    app.run(main)
