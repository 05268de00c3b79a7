"""The model and its training against values recorded from the reference implementations.

google-research/bert (tanh GELU) and HFL's LERT (exact GELU), both run under TensorFlow 1.15. The
tolerances are those that the references themselves meet between TensorFlow 1.15 and 2.15.
"""

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.checkpoint import plan_restore
from bert_wwm.model.heads import gather_indexes, masked_lm_output, next_sentence_output
from bert_wwm.model.layers import dense, get_activation, layer_norm
from bert_wwm.train.optimizers import create_optimizer

STEPS = 10


def error(got, expected):
    """The relative error; the absolute one where 0 is expected."""
    return np.linalg.norm(np.subtract(got, expected)) / (np.linalg.norm(expected) or 1.0)


def is_key_bias(name):
    """The softmax takes a key's bias off again: its gradient is nothing but rounding."""
    return "self/key/bias" in name


def errors(got, expected, prefix=""):
    """Relative errors of named arrays, key biases apart."""
    assert got
    return {
        name: error(value, expected[prefix + name])
        for name, value in got.items()
        if not is_key_bias(name)
    }


class Pretraining:
    """The pretraining graph over one batch of recorded inputs."""

    def __init__(self, folder, gelu):
        with np.load(folder / "inputs.npz") as file:
            self.inputs = dict(file)
        config = BertConfig.from_json_file(str(folder / "bert_config.json")).with_gelu(gelu)
        self.feeds = {
            name[2:]: tf.placeholder(value.dtype, value.shape)
            for name, value in self.inputs.items()
            if name.startswith("0/")
        }
        self.model = BertModel(
            config,
            True,
            self.feeds["input_ids"],
            self.feeds["input_mask"],
            self.feeds["segment_ids"],
        )
        self.masked_lm = masked_lm_output(
            config,
            self.model.get_sequence_output(),
            self.model.get_embedding_table(),
            self.feeds["masked_lm_positions"],
            self.feeds["masked_lm_ids"],
            self.feeds["masked_lm_weights"],
        )
        self.outputs = {
            "embedding_output": self.model.get_embedding_output(),
            "sequence_output": self.model.get_sequence_output(),
            "pooled_output": self.model.get_pooled_output(),
            "masked_lm_log_probs": self.masked_lm.log_probs,
        }
        for index, layer in enumerate(self.model.get_all_encoder_layers()):
            self.outputs[f"encoder_layer_{index}"] = layer
        if "next_sentence_labels" in self.feeds:
            self.next_sentence = next_sentence_output(
                config, self.model.get_pooled_output(), self.feeds["next_sentence_labels"]
            )
            self.loss = self.masked_lm.loss + self.next_sentence.loss
        else:
            self.loss = self.masked_lm.loss + self.linguistic_loss(config)
        self.variables = {v.op.name: v for v in tf.trainable_variables()}
        self.plan = plan_restore(list(self.variables.values()), str(folder / "bert_model.ckpt"))
        self.plan.apply()

    def linguistic_loss(self, config):
        """LERT's three classifiers: what its recorded losses hold beside the masked LM's.

        Dense layers on the masked LM's transform; their weights rise with the global step.
        """
        states = gather_indexes(self.model.get_sequence_output(), self.feeds["masked_lm_positions"])
        step = tf.cast(tf.train.get_or_create_global_step(), tf.float32)
        weights = tf.reshape(self.feeds["masked_lm_weights"], [-1])
        loss = 0.0
        with tf.variable_scope("cls/predictions"):
            with tf.variable_scope("transform", reuse=True):
                act = get_activation(config.hidden_act)
                states = dense(states, config.hidden_size, config.initializer_range, act)
                states = layer_norm(states)
            for task, classes, end_step in (
                ("pos", 28, 333e3),
                ("ner", 13, 666e3),
                ("dep", 14, 1e6),
            ):
                logits = dense(
                    states, classes, config.initializer_range, name=f"output_{task}_layer"
                )
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                    labels=tf.reshape(self.feeds[f"{task}_labels"], [-1]), logits=logits
                )
                mean = tf.reduce_sum(weights * losses) / (tf.reduce_sum(weights) + 1e-5)
                loss += tf.clip_by_value(step / end_step, 0.0, 1.0) * mean
        return loss

    def batch(self, step):
        return {feed: self.inputs[f"{step}/{name}"] for name, feed in self.feeds.items()}


def test_google_outputs_and_gradients(graph, golden):
    folder = golden / "google_bert"
    pretraining = Pretraining(folder, "tanh")
    assert pretraining.plan.initialized == pretraining.plan.unused == ()
    outputs = {
        **pretraining.outputs,
        "masked_lm_loss": pretraining.masked_lm.loss,
        "masked_lm_example_loss": pretraining.masked_lm.per_example_loss,
        "next_sentence_loss": pretraining.next_sentence.loss,
        "next_sentence_log_probs": pretraining.next_sentence.log_probs,
        "total_loss": pretraining.loss,
    }
    names, variables = zip(*pretraining.variables.items())
    gradients = tf.gradients(pretraining.loss, variables)
    with tf.Session() as session, np.load(folder / "outputs.npz") as expected:
        session.run(tf.global_variables_initializer())
        got, slopes = session.run(
            [outputs, dict(zip(names, map(tf.convert_to_tensor, gradients)))], pretraining.batch(0)
        )
        assert {*got, *(f"grad/{name}" for name in slopes)} == set(expected.files)
        assert max(errors(got, expected).values()) < 1e-5
        assert max(errors(slopes, expected, "grad/").values()) < 1e-4


@pytest.mark.parametrize("optimizer", ["adamw", "lamb"])
@pytest.mark.parametrize("reference, gelu", [("google_bert", "tanh"), ("hfl_lert", "erf")])
def test_training(graph, golden, reference, gelu, optimizer):
    folder = golden / reference
    pretraining = Pretraining(folder, gelu)
    train_op = create_optimizer(
        pretraining.loss,
        1e-4,
        num_train_steps=STEPS,
        num_warmup_steps=3,
        use_tpu=False,
        optimizer=optimizer,
    )
    losses = []
    with tf.Session() as session, np.load(folder / f"train_{optimizer}.npz") as expected:
        session.run(tf.global_variables_initializer())
        initial = session.run(pretraining.variables)
        for step in range(STEPS):
            loss, _ = session.run([pretraining.loss, train_op], pretraining.batch(step))
            losses.append(loss)
            if f"after_{step + 1}/{next(iter(initial))}" in expected:
                weights = session.run(pretraining.variables)
                assert max(errors(weights, expected, f"after_{step + 1}/").values()) < 1e-3
        assert error(losses, expected["loss"]) < 1e-5
        assert session.run(tf.train.get_global_step()) == STEPS

        changes = {name: weights[name] - initial[name] for name in weights}
        expected_changes = {
            name: expected[f"after_{STEPS}/{name}"] - initial[name] for name in weights
        }
        assert max(errors(changes, expected_changes).values()) < 1e-2

        others = set(tf.global_variables()) - set(pretraining.variables.values())
        slots = session.run({v.op.name: v for v in others if v.op.name != "global_step"})
        recorded = {name for name in expected.files if name.startswith("slots_after_10/")}
        assert {f"slots_after_10/{name}" for name in slots} == recorded
        assert max(errors(slots, expected, "slots_after_10/").values()) < 1e-3


def test_lert_outputs_and_gradients(graph, golden):
    folder = golden / "hfl_lert"
    pretraining = Pretraining(folder, "erf")
    assert pretraining.plan.initialized == pretraining.plan.unused == ()
    names, variables = zip(*pretraining.variables.items())
    gradients = tf.gradients(pretraining.loss, variables)
    slopes = {n: tf.convert_to_tensor(g) for n, g in zip(names, gradients) if g is not None}
    new_step = tf.placeholder(tf.int64, [])
    set_step = tf.assign(tf.train.get_global_step(), new_step)
    with tf.Session() as session, np.load(folder / "outputs.npz") as expected:
        session.run(tf.global_variables_initializer())
        got = session.run(pretraining.outputs, pretraining.batch(0))
        assert max(errors(got, expected).values()) < 1e-5
        for step in (0, 100_000, 333_000, 500_000, 1_500_000):
            session.run(set_step, {new_step: step})
            prefix = f"global_step_{step}/"
            loss, got = session.run([pretraining.loss, slopes], pretraining.batch(0))
            assert error(loss, expected[f"{prefix}total_loss"]) < 1e-5
            recorded = {n: g for n, g in got.items() if f"{prefix}grad/{n}" in expected}
            assert len(recorded) == (step in (0, 500_000)) * len(got)
            if recorded:
                assert max(errors(recorded, expected, f"{prefix}grad/").values()) < 1e-4
