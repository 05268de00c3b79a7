"""Pretrains the demo's model in a TPU's form, in bfloat16, and in a CPU's form, in float32.

They should learn alike. Both run on the CPU, on the records that `make demo` leaves in demo_output,
with its batch, rate and shape, and with dropout of 0.1, which the demo has not. A seed has the same
first weights and the same order of records in both forms; what they drop differs.

  python benchmarks/tpu_curves.py                        three seeds, a quarter of an hour
  python benchmarks/tpu_curves.py --seeds=1 --num_train_steps=500

Prints the masked LM's loss over the last tenth of the steps up to each mark, and on the held-out
records at the end. Then the means, the spread from seed to seed (standard deviation), and how far
the two forms are apart, seed by seed: mean and standard error.
"""

import os
from typing import Any

import numpy as np
from absl import flags
from measure import Table, call_alone

from bert_wwm.cli import app
from bert_wwm.cli.steps import ROOT
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.json_files import read_json

FLAGS = flags.FLAGS

BATCH_SIZE, LENGTH, PREDICTIONS = 64, 32, 5  # the demo's
DROPOUT = 0.1
MARKS = 4
FORMS = {"cpu": "CPU's form, float32", "tpu": "TPU's form, bfloat16"}

flags.DEFINE_string("demo", os.path.join(ROOT, "demo_output"), "The output of `make demo`.")
flags.DEFINE_list("seeds", "1,2,3", "A training each, in both forms.")
flags.DEFINE_integer("num_train_steps", 2000, "Of each training.", lower_bound=10 * MARKS)
flags.DEFINE_float("learning_rate", 2e-3, "The peak, after a twentieth of the steps.")


def main(_) -> None:
    if not os.path.exists(os.path.join(FLAGS.demo, "train.tfrecord")):
        raise ConfigError(f"{FLAGS.demo}: holds no records; expected the output of `make demo`")
    marks = [FLAGS.num_train_steps * (i + 1) // MARKS for i in range(MARKS)]
    print(
        f"{FLAGS.num_train_steps:,} steps of {BATCH_SIZE} sequences of {LENGTH} tokens, dropout "
        f"{DROPOUT}: loss of the masked LM\n"
    )
    columns = [*((f"step {mark:,}", ">12.3f") for mark in marks), ("held out", ">12.3f")]
    table = Table("<22", ("seed", "<6"), *columns)
    losses: dict[str, list[list[float]]] = {form: [] for form in FORMS}
    for seed in FLAGS.seeds:
        for form, title in FORMS.items():
            losses[form].append(call_alone(train, form, int(seed)))
            table.print_row(title, seed, *losses[form][-1])
    if len(FLAGS.seeds) < 2:
        return
    print()
    cpu, tpu = map(np.array, losses.values())  # [seeds, columns]
    for title, rows in zip(FORMS.values(), (cpu, tpu)):
        table.print_row(title, "mean", *rows.mean(axis=0))
    for title, rows in zip(FORMS.values(), (cpu, tpu)):
        table.print_row(title, "+-", *rows.std(axis=0, ddof=1))
    table.print_row("TPU's less CPU's", "mean", *(tpu - cpu).mean(axis=0))
    errors = (tpu - cpu).std(axis=0, ddof=1) / len(cpu) ** 0.5
    table.print_row("standard error", "", *errors)


def train(form: str, seed: int) -> list[float]:
    """Trains; returns the losses at the marks and on the held-out records."""
    from bert_wwm.compat import tf
    from bert_wwm.model.bert import BertConfig
    from bert_wwm.records.input_fn import eval_input_fn, train_input_fn
    from bert_wwm.records.schema import pretraining_schema
    from bert_wwm.train.objective import Encoded, sum_losses
    from bert_wwm.train.pretraining_objective import PretrainingObjective
    from bert_wwm.train.settings import TrainingSettings
    from bert_wwm.train.step import build_train_step

    tf.disable_eager_execution()
    shape = read_json(os.path.join(FLAGS.demo, "bert_config.json"))
    shape.update(hidden_dropout_prob=DROPOUT, attention_probs_dropout_prob=DROPOUT)
    config = BertConfig.from_dict(shape)
    objective = PretrainingObjective(("masked_lm", "next_sentence"))
    schema = pretraining_schema(LENGTH, PREDICTIONS, True, [])
    params = {"batch_size": BATCH_SIZE}

    def build_scalars(form: str, features: dict[str, Any], training: bool) -> dict[str, Any]:
        features = {
            name: tf.ensure_shape(value, [BATCH_SIZE, *value.shape.as_list()[1:]])
            for name, value in features.items()
        }
        batch = Encoded(
            config,
            features,
            training,
            for_tpu=form == "tpu",
            compute_dtype=tf.bfloat16 if form == "tpu" else tf.float32,
        )
        weights = dict.fromkeys(objective.heads, 1.0)
        return sum_losses(objective.predictions(batch), objective.totals(features), weights)

    def read_features(part: str) -> dict[str, Any]:
        paths = [os.path.join(FLAGS.demo, f"{part}.tfrecord")]
        if part == "train":
            dataset = train_input_fn(paths, schema, seed)(params)
        else:
            dataset = eval_input_fn(paths, schema, drop_remainder=True)(params)
        return tf.data.make_one_shot_iterator(dataset).get_next()

    # Operations differ in number, and so would the seeds that they are given.
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(seed)
        build_scalars("cpu", read_features("train"), training=False)
        session.run(tf.global_variables_initializer())
        first_weights = session.run({v.op.name: v for v in tf.trainable_variables()})

    tf.set_random_seed(seed)
    tf.train.get_or_create_global_step()
    trained = build_scalars(form, read_features("train"), training=True)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        held_out = build_scalars(form, read_features("heldout"), training=False)["masked_lm_loss"]
    num_steps = FLAGS.num_train_steps
    settings = TrainingSettings(FLAGS.learning_rate, num_steps, num_steps // 20)
    step = build_train_step(trained["loss"], settings)
    losses, evaluated = [], []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            variable.load(first_weights[variable.op.name], session)
        for _ in range(FLAGS.num_train_steps):
            losses.append(session.run([step.train_op, trained["masked_lm_loss"]])[1])
        try:
            while True:
                evaluated.append(session.run(held_out))
        except tf.errors.OutOfRangeError:
            pass
    each = FLAGS.num_train_steps // MARKS
    window = FLAGS.num_train_steps // 10
    marks = [np.mean(losses[each * (i + 1) - window : each * (i + 1)]) for i in range(MARKS)]
    return [float(value) for value in [*marks, np.mean(evaluated)]]


if __name__ == "__main__":
    app.run(main)
