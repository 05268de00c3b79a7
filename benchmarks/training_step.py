"""Measures a training step on the CPU: steps a second, CPU time, share of a bare product's rate.

Masked LM and next sentence prediction at RBT3's shape, dropout at work, AdamW over all weights, on
random ids. Beside the graph of run_pretraining.py runs Hugging Face's BertForPreTraining in
PyTorch, as people train it: logits at all positions, labels of -100 where nothing is predicted.
Each is a process of its own with all cores; they take turns.

  python benchmarks/training_step.py                         both, and the bare product
  python benchmarks/training_step.py --models=ours --turns=1
  python benchmarks/training_step.py --models=ours,ours_xla,ours_bfloat16
                                     ... with --use_xla and with --use_bfloat16 beside it
  python benchmarks/training_step.py --models=ours,before --before=FOLDER
                                     ... and another checkout of this toolkit
  python benchmarks/training_step.py --models=ours,other_python --other_python=.venv-2.15/bin/python
                                     ... and another TensorFlow
  python benchmarks/training_step.py --models=ours_bfloat16,hugging_face_bfloat16
                                     ... Hugging Face's by torch.autocast, with the fused AdamW

The bare product is what the feed-forward layer multiplies, [B * S, H] x [H, I] in float32, by
TensorFlow in the process of our step. A step's own floating-point work, with its backward pass
twice the forward pass and nothing but products of matrices counted:

  3 * B * (L * S * (8 * H^2 + 4 * H * I + 4 * S * H) + P * (2 * H^2 + 2 * H * V) + 2 * H^2)
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from absl import flags
from measure import (
    VOCABULARY,
    Table,
    make_features,
    peak_memory,
    run_program,
    take_medians,
    time_work,
)

from bert_wwm.cli import app
from bert_wwm.core.errors import ConfigError
from bert_wwm.records.schema import pretraining_schema

FLAGS = flags.FLAGS

HALF = "_bfloat16"
MODELS = [
    f"{kind}{precision}"
    for kind in ("ours", "ours_xla", "before", "other_python", "hugging_face")
    for precision in ("", HALF)
]

flags.DEFINE_list("models", "ours,hugging_face", f"What to measure, of {', '.join(MODELS)}.")
flags.register_validator("models", lambda names: set(names) <= set(MODELS), "unknown")
flags.DEFINE_string("before", None, "A checkout of this toolkit, which `before` measures.")
flags.DEFINE_string("other_python", None, "A Python with another TensorFlow, for `other_python`.")
flags.DEFINE_integer("turns", 3, "Processes of each kind; the median counts.", lower_bound=1)
flags.DEFINE_integer("steps", 10, "Measured steps of each process.", lower_bound=1)
flags.DEFINE_integer("warmup_steps", 3, "Steps before these.", lower_bound=1)
flags.DEFINE_integer("batch_size", 16, "Examples of a step (B).", lower_bound=1)
flags.DEFINE_integer("max_seq_length", 128, "Tokens of a sequence (S).", lower_bound=1)
flags.DEFINE_integer("max_predictions_per_seq", 20, "Predictions of a sequence (P).", lower_bound=1)
flags.DEFINE_integer("num_hidden_layers", 3, "Layers (L).", lower_bound=1)
flags.DEFINE_enum("process", None, MODELS, "What a process of the benchmark's own measures.")

HIDDEN, HEADS, INTERMEDIATE = 768, 12, 3072
BATCHES = 8  # different ones, over and over


class Measured(NamedTuple):
    """What a step takes."""

    wall: float  # seconds by the clock
    cpu: float  # seconds of all threads
    memory: float  # the maximum of the process, MB
    product_wall: float = 0.0  # the same of the bare product
    product_cpu: float = 0.0


def main(_) -> None:
    if FLAGS.process:
        is_ours = not FLAGS.process.startswith("hugging_face")
        measure = measure_ours if is_ours else measure_hugging_face
        print(json.dumps(measure()))
        return
    for kind in ("before", "other_python"):
        if any(model.startswith(kind) for model in FLAGS.models) != bool(FLAGS[kind].value):
            raise ConfigError(f"--models={kind} and --{kind} go together; expected both or neither")
    print(
        f"{FLAGS.num_hidden_layers} layers, length {FLAGS.max_seq_length}, batch of "
        f"{FLAGS.batch_size}, {FLAGS.max_predictions_per_seq} predictions, {os.cpu_count()} cores; "
        f"median of {FLAGS.turns} times {FLAGS.steps} steps\n"
    )
    # [turns, models, fields of Measured]
    turns = np.array([[run_process(model) for model in FLAGS.models] for _ in range(FLAGS.turns)])
    table = Table(
        "<22",
        ("s a step", ">10.3f"),
        ("examples/s", ">12.2f"),
        ("CPU s a step", ">14.2f"),
        ("MB", ">8.0f"),
    )
    for model, (wall, cpu, memory, *_) in zip(FLAGS.models, np.median(turns, axis=0)):
        table.print_row(model, wall, FLAGS.batch_size / wall, cpu, memory)
    if "ours" not in FLAGS.models:
        return
    print()
    ours = turns[:, FLAGS.models.index("ours")]
    times = np.median(turns[..., :2] / ours[:, np.newaxis, :2], axis=0)
    for model, (wall, cpu) in zip(FLAGS.models, times):
        if model != "ours":
            print(
                f"ours against {model}, the median of the turns: {wall:.2f} times as fast by the "
                f"clock; {cpu:.2f} times as fast in CPU time"
            )
    print(f"\nours: {step_work() / 1e9:.0f} GFLOP a step")
    for second, seconds, product in (("second", 0, 3), ("CPU second", 1, 4)):
        rate, bare = step_work() / ours[:, seconds], product_work() / ours[:, product]
        print(
            f"{np.median(rate) / 1e9:.0f} GFLOP a {second}, the bare product "
            f"{np.median(bare) / 1e9:.0f}: {np.median(rate / bare):.0%}"
        )


def run_process(model: str) -> list[float]:
    """Returns a ``Measured`` of a process of its own."""
    kind = model.removesuffix(HALF)
    environment = {"TF_XLA_FLAGS": "--tf_xla_cpu_global_jit"} if kind == "ours_xla" else {}
    if kind == "before":
        environment["PYTHONPATH"] = os.path.realpath(FLAGS.before)
    python = FLAGS.other_python if kind == "other_python" else sys.executable
    arguments = (*sys.argv[1:], f"--process={model}")
    output, _ = run_program("benchmarks/training_step.py", *arguments, python=python, **environment)
    return json.loads(output.splitlines()[-1])


def step_work() -> float:
    """Floating-point operations of our step; the formula is this file's docstring's."""
    length = FLAGS.max_seq_length
    layer = 8 * HIDDEN**2 + 4 * HIDDEN * INTERMEDIATE + 4 * length * HIDDEN
    prediction = 2 * HIDDEN**2 + 2 * HIDDEN * VOCABULARY
    encoder = FLAGS.num_hidden_layers * length * layer
    example = encoder + FLAGS.max_predictions_per_seq * prediction + 2 * HIDDEN**2
    return 3 * FLAGS.batch_size * example


def product_work() -> float:
    """Floating-point operations of the bare product."""
    return 2 * FLAGS.batch_size * FLAGS.max_seq_length * HIDDEN * INTERMEDIATE


def make_batches() -> dict[str, np.ndarray]:
    """Returns random features under the records' names, int32 and float32 of [BATCHES, B, ...]."""
    schema = pretraining_schema(FLAGS.max_seq_length, FLAGS.max_predictions_per_seq)
    features = make_features(np.random.default_rng(1), BATCHES * FLAGS.batch_size, schema)
    return {
        name: values.reshape(BATCHES, FLAGS.batch_size, -1).astype(
            np.float32 if name == "masked_lm_weights" else np.int32
        )
        for name, values in features.items()
    }


def measure_ours() -> Measured:
    """Our step, and the rate of the bare product before and after it."""
    from bert_wwm.compat import tf
    from bert_wwm.model.bert import BertConfig
    from bert_wwm.train.model_fn import make_model_fn
    from bert_wwm.train.pretraining_objective import PretrainingObjective
    from bert_wwm.train.settings import TrainingSettings

    tf.disable_eager_execution()
    config = BertConfig.from_dict(model_shape()).with_gelu("erf")
    objective = PretrainingObjective(("masked_lm", "next_sentence"))
    settings = TrainingSettings(
        learning_rate=1e-4,
        num_train_steps=100_000,
        num_warmup_steps=0,
        train_batch_size=FLAGS.batch_size,
        use_bfloat16=FLAGS.process.endswith(HALF),
    )
    dataset = tf.data.Dataset.from_tensor_slices(make_batches()).repeat()
    features = tf.data.make_one_shot_iterator(dataset).get_next()
    with tempfile.TemporaryDirectory() as folder:
        spec = make_model_fn(config, objective, settings, log=None)(
            features, None, tf.estimator.ModeKeys.TRAIN, {"model_dir": folder}
        )
    left, right = (
        tf.get_variable(name, shape, trainable=False, initializer=tf.ones_initializer())
        for name, shape in (
            ("left", [FLAGS.batch_size * FLAGS.max_seq_length, HIDDEN]),
            ("right", [HIDDEN, INTERMEDIATE]),
        )
    )
    product = tf.matmul(left, right).op
    session_config = None
    if FLAGS.process.startswith("ours_xla"):
        from bert_wwm.train.estimator import xla_config

        session_config = xla_config()
    with tf.Session(config=session_config) as session:
        session.run(tf.global_variables_initializer())
        before = time_steps(lambda: session.run(product), 30)
        measured = time_steps(lambda: session.run([spec.train_op, spec.loss]), FLAGS.steps)
        after = time_steps(lambda: session.run(product), 30)
    return measured._replace(
        product_wall=(before.wall + after.wall) / 2, product_cpu=(before.cpu + after.cpu) / 2
    )


def measure_hugging_face() -> Measured:
    """BertForPreTraining's step."""
    import torch
    import transformers

    batches = {name: torch.from_numpy(value).long() for name, value in make_batches().items()}
    ids = batches["masked_lm_ids"]
    ids[batches["masked_lm_weights"] == 0] = -100
    labels = torch.full_like(batches["input_ids"], -100)
    labels.scatter_(-1, batches["masked_lm_positions"], ids)
    model = transformers.BertForPreTraining(transformers.BertConfig(**model_shape()))
    model.train()
    half = FLAGS.process.endswith(HALF)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=half)
    state = {"step": 0}

    def step() -> None:
        index = state["step"] % BATCHES
        state["step"] += 1
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = model(
                input_ids=batches["input_ids"][index],
                attention_mask=batches["input_mask"][index],
                token_type_ids=batches["segment_ids"][index],
                labels=labels[index],
                next_sentence_label=batches["next_sentence_labels"][index],
            ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()

    return time_steps(step, FLAGS.steps)


def model_shape() -> dict[str, int]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": FLAGS.num_hidden_layers,
        "num_attention_heads": HEADS,
        "intermediate_size": INTERMEDIATE,
    }


def time_steps(step: Callable[[], object], number: int) -> Measured:
    """Returns the medians of many steps."""
    for _ in range(FLAGS.warmup_steps):
        step()
    cost = take_medians([time_work(step)[1] for _ in range(number)])
    return Measured(cost.wall, cost.cpu, peak_memory())


if __name__ == "__main__":
    app.run(main)
