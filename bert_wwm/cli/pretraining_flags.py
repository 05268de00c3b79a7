"""Flags of pretraining: the objective, the records, the length of the training."""

from absl import flags

from bert_wwm.cli import model_flags
from bert_wwm.core.choices import DISTRIBUTION_STRATEGIES
from bert_wwm.core.errors import ConfigError
from bert_wwm.masking.strategies import STRATEGIES

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(model_flags)

flags.DEFINE_list("input_file", None, "TFRecord files: paths or globs, separated by commas.")
flags.DEFINE_string("output_dir", None, "Where checkpoints and results go.")
flags.DEFINE_list(
    "init_layers",
    None,
    "The layers of --init_checkpoint, counted from 0, that the model's layers start from, such as "
    "0,2,4,7,9,11; by default the first ones.",
)
flags.DEFINE_integer("max_seq_length", 128, "Tokens of a sequence, as in the records.")
flags.DEFINE_integer(
    "max_predictions_per_seq", 20, "Maximum number of predictions of a sequence, as in the records."
)
flags.DEFINE_string(
    "vocab_file", None, "If given, records made with another vocabulary are refused."
)
flags.DEFINE_bool(
    "do_lower_case",
    None,
    "If given, records whose text was cased otherwise are refused. By default the casing that "
    "--bert_config_file says, or tokenizer_config.json beside --vocab_file, if any.",
)
flags.DEFINE_enum(
    "masking_strategy",
    None,
    STRATEGIES.names(),
    "If given, records made with another masking strategy are refused.",
)
flags.DEFINE_bool(
    "sentence_pair_loss",
    True,
    "Learn from the label of pairs, where records have one (next sentence, sentence order). False: "
    "ignore it, as RoBERTa does.",
)
flags.DEFINE_list(
    "lert_end_steps",
    None,
    "Steps from which the losses of LERT's pos, ner and dep count in full, rising from 0 at the "
    "first step; by default 1/6, 1/3 and 1/2 of --num_train_steps.",
)
flags.DEFINE_bool("do_train", False, "Train.")
flags.DEFINE_bool("do_eval", False, "Evaluate on --eval_input_file, or else on --input_file.")
flags.DEFINE_list("eval_input_file", None, "TFRecord files to evaluate on.")
flags.DEFINE_integer(
    "eval_every_steps",
    0,
    "Steps between two evaluations on --eval_input_file during training; 0: none.",
    lower_bound=0,
)
flags.DEFINE_string(
    "best_metric",
    "loss",
    "The metric of the best checkpoint, kept in --output_dir/best: a name from an evaluation.",
)
flags.DEFINE_integer(
    "train_batch_size",
    32,
    "Examples of a training step, on all devices together; of packed records on average.",
    lower_bound=1,
)
flags.DEFINE_integer(
    "eval_batch_size",
    8,
    "Examples of an evaluation step; of packed records sequences, of several examples each.",
    lower_bound=1,
)
flags.DEFINE_float("learning_rate", 5e-5, "Peak learning rate.", lower_bound=0.0)
flags.DEFINE_integer("num_train_steps", 100000, "Training steps.", lower_bound=1)
flags.DEFINE_integer("num_warmup_steps", 10000, "Of these, warmup steps.", lower_bound=0)
flags.DEFINE_integer("random_seed", 12345, "Seed of weights, dropout and order of the records.")
flags.DEFINE_integer(
    "keep_checkpoint_max", 5, "Checkpoints to keep, in addition to the best.", lower_bound=1
)
flags.DEFINE_integer(
    "log_every_steps",
    100,
    "Steps between two lines of progress. On a TPU the lines are the Estimator's: loss and speed.",
    lower_bound=1,
)
flags.DEFINE_integer("max_eval_steps", 100, "Maximum number of evaluation steps.", lower_bound=1)
flags.DEFINE_enum(
    "distribution_strategy",
    None,
    DISTRIBUTION_STRATEGIES,
    "Train on all GPUs of this machine, or on the machines that the environment variable TF_CONFIG "
    "lists, each of which runs this command.",
)


def integers_of(name: str) -> list[int] | None:
    """Returns the values of a flag that is a list of numbers; None where it isn't given."""
    values = FLAGS[name].value
    for value in values or ():
        if not value.isdecimal():
            raise ConfigError(f"--{name}: {value!r} is no number; expected 0, 1, 2, ...")
    return None if values is None else [int(value) for value in values]


def settings_from_flags():
    """Returns the ``TrainingSettings`` that the flags say."""
    from bert_wwm.train.settings import TrainingSettings

    values = model_flags.values_of(TrainingSettings)
    values["skip_padding"] = FLAGS.skip_padding and not (FLAGS.use_tpu or FLAGS.use_xla)
    return TrainingSettings(**{**values, "init_layers": integers_of("init_layers")})
