"""Flags that the programs which fine-tune share."""

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from absl import flags

from bert_wwm.cli import checkpoint_flags, model_flags, tokenizer_flags
from bert_wwm.cli.same_run import flags_of_run
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.workers import default_num_workers
from bert_wwm.tasks.batches import GPU_LENGTH_STEP, Padding, list_shapes
from bert_wwm.tasks.task import Task

if TYPE_CHECKING:
    from bert_wwm.finetuning.run import Options
    from bert_wwm.model.bert import BertConfig

FLAGS = flags.FLAGS

for _module in (model_flags, tokenizer_flags):
    flags.adopt_module_key_flags(_module)

_XLA_LENGTH_STEP = 64  # XLA compiles a step for each length
# A model of fewer layers, or of narrower ones, than any of these is small.
_SMALL_LAYERS, _SMALL_WIDTH = 6, 384
# Flags without influence on the outcome of a run, or whose meaning is compared in another form:
# the data and its features by their hashes, decoding, and what a task has defaults for.
_HARMLESS = (
    "task_name data_dir train_file eval_file predict_file text_columns label_column vocab_file "
    "do_lower_case tokenizer max_seq_length doc_stride max_query_length version_2_with_negative "
    "hfl_compat n_best_size max_answer_length null_score_diff_threshold verbose_logging "
    "do_train do_eval do_predict output_dir feature_dir num_workers model_name num_runs rand_seed "
    "random_seed learning_rate train_batch_size num_train_epochs skip_padding tpu_buckets "
    "eval_batch_size predict_batch_size save_checkpoints_steps keep_checkpoint_max log_every_steps "
    "use_tpu tpu_name tpu_zone gcp_project master num_tpu_cores iterations_per_loop use_xla "
    "gradient_checkpointing distribution_strategy"
).split()

flags.DEFINE_string("output_dir", None, "Where checkpoints, predictions and results go.")
flags.DEFINE_string("data_dir", None, "Folder of the task's files, by their usual names.")
flags.DEFINE_string("train_file", None, "File to train on, if it isn't in --data_dir.")
flags.DEFINE_string("eval_file", None, "File to evaluate on, if it isn't in --data_dir.")
flags.DEFINE_string("predict_file", None, "File to predict, if it isn't in --data_dir.")
flags.DEFINE_bool("do_train", False, "Train; with --do_eval, evaluate every epoch.")
flags.DEFINE_bool("do_eval", False, "Evaluate, and choose the best weights by that.")
flags.DEFINE_bool("do_predict", False, "Predict, with the best weights.")
flags.DEFINE_integer(
    "max_seq_length", None, "Tokens of a sequence, at most; by default the task's.", lower_bound=1
)
flags.DEFINE_integer(
    "train_batch_size",
    None,
    "Examples of a training step, on all devices together; by default the task's.",
    lower_bound=1,
)
flags.DEFINE_float(
    "num_train_epochs", None, "Passes over the training data; by default the task's."
)
flags.DEFINE_list(
    "learning_rate",
    None,
    "Peak learning rate; by default the task's. Of several, such as 1e-5,2e-5,3e-5, the one with "
    "the best mean score on the evaluated file is chosen.",
)
flags.DEFINE_float(
    "warmup_proportion",
    0.1,
    "Share of the steps in which the learning rate rises.",
    lower_bound=0.0,
    upper_bound=1.0,
)
flags.DEFINE_integer("eval_batch_size", 32, "Examples of an evaluation step.", lower_bound=1)
flags.DEFINE_integer("predict_batch_size", 32, "Examples of a prediction step.", lower_bound=1)
flags.DEFINE_integer("num_runs", 1, "Runs, each with a seed of its own.", lower_bound=1)
flags.DEFINE_integer(
    "random_seed", 12345, "Seed of the first run: new weights, order, dropout. Then + 1, + 2, ..."
)
flags.DEFINE_string("model_name", None, "What the model is called in results.json.")
flags.DEFINE_float(
    "layer_decay",
    1.0,
    "What the learning rate of each layer is of that of the layer above it; 0.8 or so helps large "
    "models.",
    lower_bound=0.0,
    upper_bound=1.0,
)
flags.DEFINE_enum(
    "distribution_strategy",
    None,
    ["mirrored"],
    "Train on all GPUs of this machine, which share the examples of each step. Evaluation and "
    "prediction use one.",
)
flags.DEFINE_list(
    "tpu_buckets",
    None,
    "Lengths that a TPU's step is compiled for, such as 64,128,256; by default --max_seq_length "
    "only. With several, training batches have sequences of like length, which may cost accuracy.",
)
flags.DEFINE_string(
    "feature_dir",
    None,
    "Where features are kept for further runs; by default --output_dir/features.",
)
flags.DEFINE_integer(
    "num_workers", default_num_workers(), "Processes that make features.", lower_bound=1
)
flags.DEFINE_integer(
    "keep_checkpoint_max", 2, "Most checkpoints to keep, the best apart.", lower_bound=1
)
flags.DEFINE_integer("log_every_steps", 50, "Steps between two lines of progress.", lower_bound=1)
flags.mark_flags_as_required(["bert_config_file", "vocab_file", "output_dir"])


def check_flags() -> None:
    """Refuses flags that make no sense together, before anything is read."""
    if not (FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict):
        raise ConfigError(
            "nothing to do; expected --do_train, --do_eval, --do_predict, or several of them"
        )
    if not FLAGS.output_dir:
        raise ConfigError("--output_dir=: expected a folder")
    if os.path.isfile(FLAGS.output_dir):
        raise ConfigError(f"--output_dir={FLAGS.output_dir}: is a file; expected a folder")
    epochs = FLAGS.num_train_epochs
    if epochs is not None and not 0 < epochs < math.inf:
        raise ConfigError(
            f"--num_train_epochs={epochs:g}: expected more than 0; without --do_train nothing is "
            "trained"
        )
    checkpoint_flags.refuse_patterns("output_dir", "init_checkpoint")
    model_flags.check_tpu()
    model_flags.check_half_precision(FLAGS.use_tpu)
    if not FLAGS.layer_decay:
        raise ConfigError("--layer_decay=0: expected more than 0, and 1 at most")
    if FLAGS.tpu_buckets and not FLAGS.use_tpu:
        raise ConfigError("--tpu_buckets: only TPUs have any; expected --use_tpu")
    if FLAGS.use_tpu and FLAGS.distribution_strategy:
        raise ConfigError("--use_tpu and --distribution_strategy: expected one of the two")
    if FLAGS.use_tpu and FLAGS["skip_padding"].present:
        raise ConfigError("--skip_padding: has no form for TPUs; expected --tpu_buckets")
    if FLAGS.allow_random_init and not FLAGS.init_checkpoint:
        raise ConfigError("--allow_random_init: of what? expected --init_checkpoint")
    several = FLAGS.num_runs > 1 or len(FLAGS.learning_rate or ()) > 1
    if several and not FLAGS.do_train:
        raise ConfigError("--num_runs and several rates of --learning_rate: expected --do_train")
    if len(FLAGS.learning_rate or ()) > 1 and not FLAGS.do_eval:
        raise ConfigError("--learning_rate: which is best? expected --do_eval, or a single rate")
    for name in ("eval_batch_size", "predict_batch_size"):
        if FLAGS.use_tpu and FLAGS[name].value % FLAGS.num_tpu_cores:
            raise ConfigError(
                f"--{name}={FLAGS[name].value} can't be divided evenly by "
                f"--num_tpu_cores={FLAGS.num_tpu_cores}; expected a multiple"
            )


def path_of(task: Task, split: str) -> str:
    """Returns the file of a split: the flag's, or the one of the usual name in --data_dir."""
    flag = {"train": "train_file", "dev": "eval_file", "test": "predict_file"}[split]
    if FLAGS[flag].value:
        return FLAGS[flag].value
    names = task.files.get(split, ())
    if not FLAGS.data_dir or not names:
        expected = f"--{flag}, or --data_dir" if names else f"--{flag}"
        if split == "dev" and FLAGS.predict_file:
            expected += (
                " (--do_predict gives the scores of --predict_file too, where it has answers)"
            )
        raise ConfigError(f"where is the {split} file of {task.name}? expected {expected}")
    for name in names:
        path = os.path.join(FLAGS.data_dir, name)
        if files.exists(path):
            return path
    raise ConfigError(
        f"{FLAGS.data_dir}: holds no {split} file of {task.name}; expected {' or '.join(names)}, "
        f"or --{flag}"
    )


def read_options(task: Task, config: "BertConfig", job_options: Mapping[str, Any]) -> "Options":
    """Returns what the flags say of a fine-tuning; ``job_options`` are those of the task's kind."""
    from bert_wwm.finetuning.run import Options
    from bert_wwm.train.estimator import Machine
    from bert_wwm.train.settings import TrainingSettings

    # RBT3, RBT4, RBTL3, MiniRBT and the like.
    is_small = config.num_hidden_layers < _SMALL_LAYERS or config.hidden_size < _SMALL_WIDTH
    settings = task.settings_for(is_small)
    given = {name: FLAGS[name].value for name in settings._fields if name != "learning_rate"}
    settings = settings._replace(**{k: v for k, v in given.items() if v is not None})
    config.check_length(settings.max_seq_length, FLAGS.bert_config_file)
    padding = padding_of(settings.max_seq_length)
    batch = {"train_batch_size": settings.train_batch_size}
    wanted = {"train": FLAGS.do_train, "dev": FLAGS.do_eval, "test": FLAGS.do_predict}
    steps = {"learning_rate": 0.0, "num_train_steps": 0, "num_warmup_steps": 0}
    return Options(
        paths={split: path_of(task, split) for split in wanted if wanted[split]},
        settings=settings,
        learning_rates=learning_rates(settings.learning_rate),
        seeds=range(FLAGS.random_seed, FLAGS.random_seed + FLAGS.num_runs),
        warmup_proportion=FLAGS.warmup_proportion,
        padding=padding,
        predict_batch_size=FLAGS.predict_batch_size,
        machine=Machine(**{**model_flags.values_of(Machine), **batch}),
        # The number of steps hangs on the training data.
        training=TrainingSettings(**{**model_flags.values_of(TrainingSettings), **batch, **steps}),
        identity={
            **flags_of_run(_HARMLESS),
            **batch,
            "num_train_epochs": settings.num_train_epochs,
            "several tpu_buckets": padding.by_length,
            "skip_padding": padding.skipped,
        },
        job_options=job_options,
        feature_dir=FLAGS.feature_dir or os.path.join(FLAGS.output_dir, "features"),
        num_workers=FLAGS.num_workers,
        model_name=FLAGS.model_name,
    )


def learning_rates(default: float) -> list[float]:
    """Returns the rates of --learning_rate."""
    rates = []
    for text in FLAGS.learning_rate or ():
        try:
            rates.append(float(text))
        except ValueError:
            raise ConfigError(
                f"--learning_rate: {text!r} is no number; expected such as 3e-5"
            ) from None
        if not 0 < rates[-1] < math.inf:
            raise ConfigError(f"--learning_rate={text}: expected a rate above 0")
    return rates or [default]


def padding_of(max_seq_length: int) -> Padding:
    """Returns what the flags say about padding."""
    if FLAGS.use_tpu:
        buckets = _tpu_buckets(max_seq_length)
        return Padding(buckets, by_length=len(buckets) > 1)
    if not FLAGS.skip_padding:
        return Padding((max_seq_length,))
    return Padding(list_shapes(max_seq_length, _length_step()), skipped=not FLAGS.use_xla)


def _length_step() -> int:
    from bert_wwm.compat import tf

    if FLAGS.use_xla:
        return _XLA_LENGTH_STEP
    return GPU_LENGTH_STEP if tf.config.list_physical_devices("GPU") else 1


def _tpu_buckets(max_seq_length: int) -> tuple[int, ...]:
    buckets = set()
    for text in FLAGS.tpu_buckets or ():
        if not text.isdecimal() or not 0 < int(text) <= max_seq_length:
            raise ConfigError(
                f"--tpu_buckets: {text!r}; expected lengths of 1 to --max_seq_length, "
                f"{max_seq_length}"
            )
        buckets.add(int(text))
    return tuple(sorted({*buckets, max_seq_length}))
