"""Pretrains BERT from TFRecords by masked LM and pairs of segments, on CPU, GPU or TPU.

Reads what create_pretraining_data_wwm.py writes (or google-research/bert's program) and leaves
checkpoints, TensorBoard's events and eval_results.txt in --output_dir. Started again with the same
command it goes on from the last checkpoint there.

Example:
  python run_pretraining.py --input_file=records/wiki.tfrecord --output_dir=models/wiki \\
      --bert_config_file=configs/bert_base.json --do_train --do_eval \\
      --train_batch_size=32 --num_train_steps=100000 --num_warmup_steps=10000 --learning_rate=1e-4
"""

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.shards import find_shards
from bert_wwm.masking.strategies import STRATEGIES

FLAGS = flags.FLAGS

flags.DEFINE_string("bert_config_file", None, "The model's shape, as JSON.")
flags.DEFINE_list("input_file", None, "TFRecord files: paths or globs, parted by commas.")
flags.DEFINE_string("output_dir", None, "Where checkpoints and results go.")
flags.DEFINE_string("init_checkpoint", None, "Checkpoint that the weights start from.")
flags.DEFINE_integer("max_seq_length", 128, "Tokens of a sequence, as in the records.")
flags.DEFINE_integer(
    "max_predictions_per_seq", 20, "Most predictions of a sequence, as in the records."
)
flags.DEFINE_string(
    "vocab_file", None, "If given, records made with another vocabulary are refused."
)
flags.DEFINE_enum(
    "masking_strategy",
    None,
    STRATEGIES.names(),
    "If given, records made with another masking strategy are refused.",
)
flags.DEFINE_bool("do_train", False, "Train.")
flags.DEFINE_bool("do_eval", False, "Evaluate on --input_file.")
flags.DEFINE_integer("train_batch_size", 32, "Examples of a training step.", lower_bound=1)
flags.DEFINE_integer("eval_batch_size", 8, "Examples of an evaluation step.", lower_bound=1)
flags.DEFINE_enum("optimizer", "adamw", ["adamw", "lamb"], "What updates the weights.")
flags.DEFINE_float("learning_rate", 5e-5, "Peak learning rate.", lower_bound=0.0)
flags.DEFINE_integer("num_train_steps", 100000, "Training steps.", lower_bound=1)
flags.DEFINE_integer("num_warmup_steps", 10000, "Of these, warmup steps.", lower_bound=0)
flags.DEFINE_enum(
    "gelu",
    "erf",
    ["erf", "tanh"],
    "Form of the activation that the configuration calls gelu: erf, as HFL's LERT and Hugging "
    "Face have it, or the tanh approximation, as google-research/bert.",
)
flags.DEFINE_integer("random_seed", 12345, "Seed of weights, dropout and order of the records.")
flags.DEFINE_integer(
    "save_checkpoints_steps", 1000, "Steps between two checkpoints.", lower_bound=1
)
flags.DEFINE_integer(
    "log_every_steps",
    100,
    "Steps between two lines of progress. On a TPU the lines are the Estimator's: loss and speed.",
    lower_bound=1,
)
flags.DEFINE_integer("max_eval_steps", 100, "Most evaluation steps.", lower_bound=1)
flags.DEFINE_bool("use_tpu", False, "Run on a TPU.")
flags.DEFINE_integer(
    "iterations_per_loop",
    1000,
    "Steps that a TPU takes between two returns to the host.",
    lower_bound=1,
)
flags.DEFINE_string("tpu_name", None, "Name of the Cloud TPU, or grpc://ADDRESS:8470.")
flags.DEFINE_string("tpu_zone", None, "Its zone, if it is not that of the metadata.")
flags.DEFINE_string("gcp_project", None, "Its project, if it is not that of the metadata.")
flags.DEFINE_string("master", None, "Address of TensorFlow's master.")
flags.DEFINE_integer("num_tpu_cores", 8, "Cores of the TPU.", lower_bound=1)
flags.mark_flags_as_required(["bert_config_file", "input_file", "output_dir"])


def main(_) -> None:
    if not FLAGS.do_train and not FLAGS.do_eval:
        raise ConfigError("nothing to do; expected --do_train, --do_eval or both")
    if FLAGS.use_tpu and not (FLAGS.tpu_name or FLAGS.master):
        raise ConfigError("--use_tpu: which TPU? expected --tpu_name or --master")
    if not FLAGS.output_dir:
        raise ConfigError("--output_dir=: expected a folder")

    # TensorFlow takes seconds to import; a wrong flag should not.
    from bert_wwm.compat import tf
    from bert_wwm.model.bert import BertConfig
    from bert_wwm.records.checks import check_records, fields_of
    from bert_wwm.records.schema import pretraining_schema
    from bert_wwm.train.estimator import make_estimator
    from bert_wwm.train.model_fn import PretrainingSettings, pretraining_model_fn

    if FLAGS.use_tpu:  # there the Estimator says how the training goes
        tf.logging.set_verbosity(tf.logging.INFO)
    config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu(FLAGS.gelu)
    if FLAGS.max_seq_length > config.max_position_embeddings:
        raise ConfigError(
            f"--max_seq_length={FLAGS.max_seq_length} is more than max_position_embeddings of "
            f"{FLAGS.bert_config_file}, {config.max_position_embeddings}"
        )
    inputs = find_shards(FLAGS.input_file)
    fields = fields_of(inputs)
    unused = sorted(set(fields) & {"pos_labels", "ner_labels", "dep_labels", "target_positions"})
    if unused:
        raise ConfigError(
            f"{inputs[0]}: the records hold {', '.join(unused)}, which this program can't train on"
        )
    schema = pretraining_schema(
        FLAGS.max_seq_length, FLAGS.max_predictions_per_seq, "next_sentence_labels" in fields
    )
    compare_with_flags(inputs, schema, config)
    files.make_folder(FLAGS.output_dir)
    settings = PretrainingSettings(
        learning_rate=FLAGS.learning_rate,
        num_train_steps=FLAGS.num_train_steps,
        num_warmup_steps=FLAGS.num_warmup_steps,
        optimizer=FLAGS.optimizer,
        use_tpu=FLAGS.use_tpu,
        init_checkpoint=FLAGS.init_checkpoint,
        log_every_steps=FLAGS.log_every_steps,
    )
    estimator = make_estimator(
        pretraining_model_fn(config, settings, log),
        FLAGS.output_dir,
        FLAGS.train_batch_size,
        FLAGS.eval_batch_size,
        FLAGS.save_checkpoints_steps,
        FLAGS.random_seed,
        FLAGS.log_every_steps,
        FLAGS.use_tpu,
        FLAGS.iterations_per_loop,
        FLAGS.tpu_name,
        FLAGS.tpu_zone,
        FLAGS.gcp_project,
        FLAGS.master,
        FLAGS.num_tpu_cores,
    )
    try:
        if FLAGS.do_train:
            train(estimator, inputs, schema, settings)
        if FLAGS.do_eval:
            evaluate(estimator, inputs, schema)
    except tf.estimator.NanLossDuringTrainingError:
        raise ConfigError(
            f"the loss is not a number any more; --learning_rate={FLAGS.learning_rate} may be too "
            "high"
        ) from None
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
        check_records(inputs, schema, config.vocab_size)  # says which file, and where
        raise


def compare_with_flags(inputs, schema, config) -> None:
    """Refuses records that were made for another run."""
    from bert_wwm.records import manifest
    from bert_wwm.records.checks import check_records
    from bert_wwm.text.vocabulary import Vocabulary

    vocabulary = Vocabulary.from_file(FLAGS.vocab_file) if FLAGS.vocab_file else None
    expected = manifest.Expectation(
        FLAGS.max_seq_length,
        FLAGS.max_predictions_per_seq,
        config.vocab_size,
        vocabulary and vocabulary.sha256(),
        FLAGS.masking_strategy,
    )
    for path in manifest.check(inputs, expected):
        log(f"{path} has no manifest: its vocabulary and masking are taken on trust")
        check_records([path], schema, config.vocab_size, first_only=True)


def train(estimator, inputs, schema, settings) -> None:
    from bert_wwm.records.input_fn import train_input_fn

    step = 0
    checkpoint = estimator.latest_checkpoint()
    if checkpoint:
        step = load_step(checkpoint)
        if step >= settings.num_train_steps:
            log(f"Nothing to train: {checkpoint} has had {step:,} steps already")
            return
        log(f"Going on from {checkpoint}")
    log(
        f"Training to step {settings.num_train_steps:,} on {len(inputs)} file(s), "
        f"{FLAGS.train_batch_size} examples a step"
    )
    # A training that goes on meets the records in another order than from the start.
    input_fn = train_input_fn(inputs, schema, seed=FLAGS.random_seed + step)
    estimator.train(input_fn, max_steps=settings.num_train_steps)


def load_step(checkpoint) -> int:
    from bert_wwm.compat import tf

    return int(tf.train.load_variable(checkpoint, "global_step"))


def evaluate(estimator, inputs, schema) -> None:
    from bert_wwm.records.input_fn import eval_input_fn

    if not (estimator.latest_checkpoint() or FLAGS.init_checkpoint):
        raise ConfigError(
            f"{FLAGS.output_dir}: holds no checkpoint to evaluate; expected a trained model there, "
            "or --init_checkpoint"
        )
    log(f"Evaluating on at most {FLAGS.max_eval_steps * FLAGS.eval_batch_size:,} examples")
    result = estimator.evaluate(
        eval_input_fn(inputs, schema, drop_remainder=FLAGS.use_tpu), steps=FLAGS.max_eval_steps
    )
    lines = [f"{key} = {result[key]}\n" for key in sorted(result)]
    files.write_text(f"{FLAGS.output_dir.rstrip('/')}/eval_results.txt", "".join(lines))
    for line in lines:
        log("  " + line.rstrip())


def log(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    app.run(main)
