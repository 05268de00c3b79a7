"""The model and its training against values recorded from the reference implementations.

google-research/bert (tanh GELU) and HFL's LERT (exact GELU), both run under TensorFlow 1.15. The
tolerances are those that the references themselves meet between TensorFlow 1.15 and 2.15.
"""

import itertools

import numpy as np
import pytest
from variable_kinds import RESOURCE_FIRST

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.checkpoint import plan_restore
from bert_wwm.train.objective import Encoded, sum_losses
from bert_wwm.train.pretraining_objective import PretrainingObjective, heads_for
from bert_wwm.train.step import create_optimizer

STEPS = 10
# Where HFL's program lets the linguistic losses count in full.
LERT_ENDS = {"pos": 333_000, "ner": 666_000, "dep": 1_000_000}

FORMS = {"plain": {}, "for TPUs": {"for_tpu": True}, "unpadded": {"skip_padding": True}}


PLAIN_FIRST = pytest.mark.parametrize(
    "form",
    [pytest.param(form, marks=[pytest.mark.slow] * (form != "plain")) for form in FORMS],
)


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


def at_tokens(arrays, mask):
    """Leaves the padding out, where there is some."""
    return {
        name: arrays[name][mask] if arrays[name].shape[:2] == mask.shape else arrays[name]
        for name in arrays
    }


class Pretraining:
    """The pretraining graph over one batch of recorded inputs."""

    def __init__(self, folder, gelu, form="plain", compute_dtype=tf.float32):
        with np.load(folder / "inputs.npz") as file:
            self.inputs = dict(file)
        config = BertConfig.from_json_file(str(folder / "bert_config.json")).with_gelu(gelu)
        self.feeds = {
            name[2:]: tf.placeholder(value.dtype, value.shape)
            for name, value in self.inputs.items()
            if name.startswith("0/")
        }
        names = heads_for(list(self.feeds))
        objective = PretrainingObjective(
            names, {task: end for task, end in LERT_ENDS.items() if task in names}
        )
        batch = Encoded(config, self.feeds, True, compute_dtype=compute_dtype, **FORMS[form])
        self.predictions = objective.predictions(batch)
        weights = objective.weights(tf.train.get_or_create_global_step())
        scalars = sum_losses(self.predictions, objective.totals(self.feeds), weights)
        self.loss = scalars["loss"]
        self.outputs = {
            "embedding_output": batch.model.get_embedding_output(),
            "sequence_output": batch.model.get_sequence_output(),
            "pooled_output": batch.model.get_pooled_output(),
        }
        for index, layer in enumerate(batch.model.get_all_encoder_layers()):
            self.outputs[f"encoder_layer_{index}"] = layer
        for name, prediction in self.predictions.items():
            self.outputs[f"{name}_log_probs"] = prediction.log_probs()
            self.outputs[f"{name}_example_loss"] = prediction.losses()
            self.outputs[f"{name}_loss"] = scalars[f"{name}_loss"]
        self.variables = {v.op.name: v for v in tf.trainable_variables()}
        self.plan = plan_restore(list(self.variables.values()), str(folder / "bert_model.ckpt"))
        self.plan.apply()
        # Where padding isn't computed, there is nothing to compare.
        mask = self.inputs["0/input_mask"] > 0
        self.compared = mask if form == "unpadded" else np.ones_like(mask)

    def batch(self, step):
        return {feed: self.inputs[f"{step}/{name}"] for name, feed in self.feeds.items()}


@RESOURCE_FIRST
@PLAIN_FIRST
def test_google_outputs_and_gradients(graph, golden, form):
    folder = golden / "google_bert"
    pretraining = Pretraining(folder, "tanh", form)
    assert pretraining.plan.initialized == pretraining.plan.unused == ()
    outputs = {**pretraining.outputs, "total_loss": pretraining.loss}
    del outputs["next_sentence_example_loss"]  # not recorded
    names, variables = zip(*pretraining.variables.items())
    gradients = tf.gradients(pretraining.loss, variables)
    with tf.Session() as session, np.load(folder / "outputs.npz") as expected:
        session.run(tf.global_variables_initializer())
        got, slopes = session.run(
            [outputs, dict(zip(names, map(tf.convert_to_tensor, gradients)))], pretraining.batch(0)
        )
        assert {*got, *(f"grad/{name}" for name in slopes)} == set(expected.files)
        got, recorded = (at_tokens(arrays, pretraining.compared) for arrays in (got, expected))
        assert max(errors(got, recorded).values()) < 1e-5
        assert max(errors(slopes, expected, "grad/").values()) < 1e-4


REFERENCES = [("google_bert", "tanh"), ("hfl_lert", "erf")]


def trainings():
    """All combinations. An optimizer's rule depends neither on the form nor on the variables."""
    for is_resource, (reference, gelu), optimizer, form in itertools.product(
        [True, False], REFERENCES, ["adamw", "lamb"], FORMS
    ):
        if not is_resource or (optimizer == "lamb" and form != "plain"):
            marks = [pytest.mark.long]
        elif form == "plain" or reference == "google_bert":
            marks = []
        else:
            marks = [pytest.mark.long]
        yield pytest.param(is_resource, reference, gelu, optimizer, form, marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize("graph, reference, gelu, optimizer, form", trainings(), indirect=["graph"])
def test_training(graph, golden, reference, gelu, optimizer, form):
    folder = golden / reference
    pretraining = Pretraining(folder, gelu, form)
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


@pytest.mark.slow
@RESOURCE_FIRST
@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=[pytest.mark.long] * (form != "plain")) for form in FORMS]
)
@pytest.mark.parametrize("reference, gelu", REFERENCES)
def test_losses_in_half_precision(graph, golden, reference, gelu, form):
    """Of ten steps, each within 1 % of single precision's."""
    folder = golden / reference
    pretraining = Pretraining(folder, gelu, form, tf.bfloat16)
    train_op = create_optimizer(pretraining.loss, 1e-4, STEPS, 3, use_tpu=False)
    with tf.Session() as session, np.load(folder / "train_adamw.npz") as expected:
        session.run(tf.global_variables_initializer())
        losses = [
            session.run([pretraining.loss, train_op], pretraining.batch(step))[0]
            for step in range(STEPS)
        ]
        np.testing.assert_allclose(losses, expected["loss"], rtol=0.01)
        assert (losses != expected["loss"]).all()


@RESOURCE_FIRST
@PLAIN_FIRST
def test_lert_outputs_and_gradients(graph, golden, form):
    folder = golden / "hfl_lert"
    pretraining = Pretraining(folder, "erf", form)
    assert pretraining.plan.initialized == pretraining.plan.unused == ()
    names, variables = zip(*pretraining.variables.items())
    gradients = tf.gradients(pretraining.loss, variables)
    slopes = {n: tf.convert_to_tensor(g) for n, g in zip(names, gradients) if g is not None}
    new_step = tf.placeholder(tf.int64, [])
    set_step = tf.assign(tf.train.get_global_step(), new_step)
    with tf.Session() as session, np.load(folder / "outputs.npz") as expected:
        session.run(tf.global_variables_initializer())
        outputs = {n: o for n, o in pretraining.outputs.items() if n in expected}
        assert "masked_lm_log_probs" in outputs
        got = session.run(outputs, pretraining.batch(0))
        got, recorded = (at_tokens(arrays, pretraining.compared) for arrays in (got, expected))
        assert max(errors(got, recorded).values()) < 1e-5
        for step in (0, 100_000, 333_000, 500_000, 1_500_000):
            session.run(set_step, {new_step: step})
            prefix = f"global_step_{step}/"
            loss, got = session.run([pretraining.loss, slopes], pretraining.batch(0))
            assert error(loss, expected[f"{prefix}total_loss"]) < 1e-5
            recorded = {n: g for n, g in got.items() if f"{prefix}grad/{n}" in expected}
            assert len(recorded) == (step in (0, 500_000)) * len(got)
            if recorded:
                assert max(errors(recorded, expected, f"{prefix}grad/").values()) < 1e-4
