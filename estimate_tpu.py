"""Estimates what a training costs on a Cloud TPU, without one: by the TPU's own compiler.

Builds the very step that run_pretraining.py would run, compiles it for the cores of a slice, and
prints whether it fits their memory, the time of a step, examples and tokens a second, and the hours
of all steps. Several --flagfile are phases of one training, and are summed up; flags outside of
them hold for all. What doesn't fit is reported as such, with the largest batch that does.

With --task_name it is a step of run_classifier.py, run_ner.py or run_squad.py with one length
(without --tpu_buckets); the task's length and batch are the defaults of --max_seq_length,
--train_batch_size and --eval_batch_size. --topology, --price_per_hour, --profile and --json are of
the whole, all other flags of a phase. What is called a core here is a chip of v4 and later, whose
cores run as one device.

The compiler is a Python package (libtpu) that wants another NumPy than TensorFlow: the first
estimate installs it, with JAX, into a virtual environment under ~/.cache. pip's own settings
(PIP_INDEX_URL, PIP_FIND_LINKS, ...) say from where; BERT_WWM_TPU_COMPILER may name the python of an
environment that has both. A compilation takes about a minute, --find_batch some of them.

Example:
  python estimate_tpu.py --flagfile=configs/recipes/bert-wwm-128.flags \\
      --flagfile=configs/recipes/bert-wwm-512.flags --use_bfloat16 --topology=v3-8
"""

import contextlib
import dataclasses
import json
import os
import sys

from absl import flags

from bert_wwm.cli import app, model_flags, pretraining_flags
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate import profile_table, table
from bert_wwm.estimate.compiler import compile_for
from bert_wwm.estimate.environment import compiler_python
from bert_wwm.estimate.numbers import Work, totals
from bert_wwm.estimate.phase import Phase, PhaseEstimator
from bert_wwm.estimate.slices import slice_named
from bert_wwm.masking.strategies import STRATEGIES
from bert_wwm.records.schema import LABELS, pretraining_schema
from bert_wwm.tasks.table import TASKS

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(model_flags)
flags.adopt_module_key_flags(pretraining_flags)

TRAIN, EVAL = "train", "eval"
# Of fine-tuning, where a task leaves the labels to its data, and how many texts are evaluated at a
# time by default. A label more or less costs nothing that can be measured.
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
    ["nsp", "sop", "contiguous"],
    "How the records' pairs are made; contiguous ones have no label to learn. By default as "
    "create_pretraining_data_wwm.py makes them for --masking_strategy.",
)
flags.DEFINE_integer(
    "batch_per_core",
    None,
    "Examples of a step on each core, rather than --train_batch_size or --eval_batch_size over all "
    "cores.",
    lower_bound=1,
)
flags.DEFINE_bool(
    "find_batch", False, "Look for the largest batch that fits, also where the given one does."
)
flags.DEFINE_bool(
    "one_core",
    False,
    "Compile the step of one core, without adding up the gradients of all: to compare steps.",
)
flags.DEFINE_bool("profile", False, "Print what takes the cycles and the memory of a step.")
flags.DEFINE_bool("json", False, "Print one JSON object instead.")
flags.DEFINE_float("price_per_hour", None, "Of the slice: print what it costs.", lower_bound=0.0)
flags.mark_flag_as_required("bert_config_file")


def main(argv) -> None:
    tpu = slice_named(FLAGS.topology)
    # Those of the whole, wherever they stand; the others are of a phase.
    price, as_json, with_profile = FLAGS.price_per_hour, FLAGS.json, FLAGS.profile
    phases = list(arguments_of_phases(sys.argv[1:]))
    for name, arguments in phases:
        with of_phase(name):
            set_flags(argv[0], arguments)
            check_flags(tpu)
    estimators = []
    for name, arguments in phases:
        with of_phase(name):
            set_flags(argv[0], arguments)
            estimators.append(phase_estimator(name, tpu, price))
    compiler_python(log)
    estimates = [estimator.estimate() for estimator in estimators]
    sums = totals([found.measured and found.measured.figures for found in estimates])
    show = print_json if as_json else print_table
    show(tpu, estimates, sums, with_profile)


@contextlib.contextmanager
def of_phase(name):
    """Names the phase in what is said of its flags."""
    try:
        yield
    except (ConfigError, flags.Error) as error:
        if isinstance(error, flags.Error):
            error = f"{error}; each --flagfile is a phase, flags of all stand outside of them"
        raise ConfigError(f"{name}: {error}" if name else str(error)) from None


def arguments_of_phases(arguments):
    """Yields a name and the arguments of each phase: all, but of the flagfiles only its own."""
    places, rest = [], iter(enumerate(arguments))
    for place, argument in rest:
        name, is_one, path = argument.partition("=")
        if name.lstrip("-") != "flagfile" or not name.startswith("-"):
            continue
        if is_one:
            places.append((path, {place}))
        else:
            following, path = next(rest)
            places.append((path, {place, following}))
    if not places:
        yield None, arguments
    of_files = set().union(*(own for _, own in places))
    for path, own in places:
        others = of_files - own
        name = os.path.splitext(os.path.basename(path))[0]
        yield name, [value for place, value in enumerate(arguments) if place not in others]


def set_flags(program: str, arguments) -> None:
    for name in FLAGS:
        if FLAGS[name].present:
            FLAGS[name].unparse()
    FLAGS([program, *arguments])


def check_flags(tpu) -> None:
    """Refuses what can't run, before TensorFlow is imported."""
    if not files.exists(FLAGS.bert_config_file):
        raise ConfigError(
            f"--bert_config_file={FLAGS.bert_config_file}: missing; expected the JSON of a model's "
            "shape"
        )
    if FLAGS["num_tpu_cores"].present and FLAGS.num_tpu_cores != tpu.cores:
        raise ConfigError(
            f"--num_tpu_cores={FLAGS.num_tpu_cores}: {tpu.name} has {tpu.cores}; expected the same"
        )
    for name in ("init_layers", "lert_end_steps"):
        pretraining_flags.integers_of(name)
    for name in ("masking_strategy", "pairing", "sentence_pair_loss"):
        if FLAGS.task_name and FLAGS[name].present:
            raise ConfigError(f"--{name} is of pretraining; expected no --task_name")
    wanted = FLAGS["sentence_pair_loss"].present and FLAGS.sentence_pair_loss
    if wanted and FLAGS.pairing == "contiguous":
        raise ConfigError("--sentence_pair_loss: --pairing=contiguous has no labels of pairs")
    work_from_flags(tpu)


def work_from_flags(tpu) -> Work:
    """Returns what a step does, and how many there are.

    Raises:
        ConfigError: the cores can't share the examples evenly.
    """
    task = FLAGS.task_name and TASKS[FLAGS.task_name]
    length, steps = FLAGS.max_seq_length, FLAGS.num_train_steps
    batch_flag, parts = "train_batch_size", FLAGS.num_accumulation_steps
    if task and not FLAGS["max_seq_length"].present:
        length = task.settings.max_seq_length
    if FLAGS.mode == EVAL:
        batch_flag, parts, steps = "eval_batch_size", 1, FLAGS.max_eval_steps
    if task and not FLAGS["num_train_steps" if FLAGS.mode == TRAIN else "max_eval_steps"].present:
        steps = None  # it hangs on the data
    batch = FLAGS[batch_flag].value
    if task and not FLAGS[batch_flag].present:
        batch = task.settings.train_batch_size if FLAGS.mode == TRAIN else EVAL_BATCH_SIZE
    given = f"--{batch_flag}={batch}"
    if FLAGS.batch_per_core:
        batch = FLAGS.batch_per_core * tpu.cores
        given = f"--batch_per_core={FLAGS.batch_per_core} on {tpu.cores} cores"
    if batch % (tpu.cores * parts):
        raise ConfigError(
            f"{given} can't be divided evenly by {tpu.cores} cores of {tpu.name} x {parts} "
            f"accumulation step(s); expected a multiple of {tpu.cores * parts}"
        )
    return Work(batch // tpu.cores, parts, length, steps)


def phase_estimator(name, tpu, price_per_hour):
    """Returns what estimates a phase, the flags of which are set."""
    # TensorFlow takes seconds to import; a wrong flag should not.
    from bert_wwm.estimate import step
    from bert_wwm.model.bert import BertConfig

    config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu(FLAGS.gelu)
    work = work_from_flags(tpu)
    config.check_length(work.length, FLAGS.bert_config_file)
    objective, features_of, mode = finetuning() if FLAGS.task_name else pretraining()
    settings = pretraining_flags.settings_from_flags()
    one_core = FLAGS.one_core
    replicas = 1 if one_core else tpu.compiled_devices

    def build(batch_per_core, num_accumulation_steps):
        in_parts = dataclasses.replace(
            settings,
            train_batch_size=batch_per_core * tpu.cores,
            num_accumulation_steps=num_accumulation_steps,
        )
        features = features_of(batch_per_core, work.length)
        built = step.build_step(config, objective, in_parts, features, mode, replicas)
        return built._replace(reduced_bytes=0) if one_core else built

    def compile_step(hlo):
        return compile_for(hlo, tpu, replicas, log)

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
    labels = [label for label in LABELS if label != "target_positions"]
    if not strategy.has_linguistic_labels:
        labels = ["target_positions"] if strategy.targets else []

    predictions = FLAGS.max_predictions_per_seq

    def features_of(batch, length):
        schema = pretraining_schema(length, predictions, pairing != "contiguous", labels)
        return step.pretraining_features(schema, batch)

    heads = heads_for(
        [*labels, *(["next_sentence_labels"] if pairing != "contiguous" else [])],
        pairing,
        FLAGS.sentence_pair_loss,
    )
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


def print_table(tpu, estimates, sums, with_profile) -> None:
    for number, found in enumerate(estimates):
        lines = table.estimate_lines(found, tpu)
        if with_profile:
            lines += profile(found, profile_table.profile_lines, table.NO_PROFILE)
        print("\n".join([*([""] if number else []), *lines]))
    if len(estimates) > 1:
        print("\n".join(["", *table.total_lines(sums, len(estimates))]))
    print("\n".join(["", *table.disclaimer(tpu)]))


def print_json(tpu, estimates, sums, with_profile) -> None:
    phases = [found.as_json() for found in estimates]
    if with_profile:
        for phase, found in zip(phases, estimates):
            phase["profile"] = profile(found, profile_table.profile_json, None)
    result = {"topology": tpu.name, "cores": tpu.cores, "phases": phases, **sums}
    if len(phases) == 1:
        result = {**phases[0], **result}
    print(json.dumps(result, indent=2, ensure_ascii=False))


def profile(found, describe, otherwise):
    """The profile of a step that fits; of one that doesn't there is none."""
    return describe(found.measured.compiled) if found.measured else otherwise


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    app.run(main)
