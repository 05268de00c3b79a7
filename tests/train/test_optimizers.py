"""Update rules against NumPy."""

import numpy as np
import pytest
from weights import EXCLUDED, INITIAL, RNG, SHAPES, make_variables, reference_step, start

from bert_wwm.compat import tf
from bert_wwm.core import choices
from bert_wwm.train.optimizers import (
    OPTIMIZERS,
    AdamWeightDecayOptimizer,
    LAMBOptimizer,
)

GRADIENTS = [
    {name: RNG.normal(scale=10.0**-step, size=shape) for name, shape in SHAPES.items()}
    for step in range(5)
]

# TensorFlow's kernel of Adam takes 1 - 0.999 of float32 numbers, which is 1.3e-5 of it off.
RTOL = 1e-4


def test_registry():
    assert OPTIMIZERS.names() == list(choices.OPTIMIZERS) == ["adamw", "lamb"]
    assert OPTIMIZERS["adamw"] is AdamWeightDecayOptimizer
    assert OPTIMIZERS["lamb"] is LAMBOptimizer


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_update_rule(graph, optimizer):
    variables = make_variables()
    feeds = {name: tf.placeholder(tf.float32, shape) for name, shape in SHAPES.items()}
    rule = OPTIMIZERS[optimizer](
        learning_rate=0.1, weight_decay_rate=0.01, exclude_from_weight_decay=EXCLUDED
    )
    train_op = rule.apply_gradients([(feeds[name], variables[name]) for name in SHAPES])
    prefix = {"adamw": "adam", "lamb": "lamb"}[optimizer]
    slots = {v.op.name: v for v in tf.global_variables() if v not in tf.trainable_variables()}
    assert set(slots) == {f"{name}/{prefix}_{moment}" for name in SHAPES for moment in "mv"}

    expected = {name: (value, 0.0, 0.0) for name, value in INITIAL.items()}
    with tf.Session() as session:
        start(session)
        for gradients in GRADIENTS:
            session.run(train_op, {feeds[name]: gradients[name] for name in SHAPES})
            for name in SHAPES:
                expected[name] = reference_step(
                    optimizer, name, *expected[name], gradients[name], 0.1
                )
        got, moments = session.run([variables, slots])
    for name, (w, m, v) in expected.items():
        np.testing.assert_allclose(got[name], w, rtol=RTOL, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(moments[f"{name}/{prefix}_m"], m, rtol=RTOL, atol=1e-7)
        np.testing.assert_allclose(moments[f"{name}/{prefix}_v"], v, rtol=RTOL, atol=1e-7)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_rates_are_scaled_by_weight(graph, optimizer):
    """The whole update, decay included: a scaled rate is a rate of its own."""
    scales = {"dense/kernel": 0.5, "LayerNorm/gamma": 0.0, "table": 2.0}
    variables = make_variables()
    rule = OPTIMIZERS[optimizer](
        learning_rate=tf.constant(0.1),
        weight_decay_rate=0.01,
        exclude_from_weight_decay=EXCLUDED,
        rate_scale=lambda name: scales.get(name, 1.0),
    )
    gradients = GRADIENTS[0]
    train_op = rule.apply_gradients(
        [(tf.constant(gradients[name], tf.float32), variables[name]) for name in SHAPES]
    )
    expected = {name: (value, 0.0, 0.0) for name, value in INITIAL.items()}
    with tf.Session() as session:
        start(session)
        for _ in range(3):
            session.run(train_op)
            for name in SHAPES:
                expected[name] = reference_step(
                    optimizer, name, *expected[name], gradients[name], 0.1 * scales.get(name, 1.0)
                )
        for name, value in session.run(variables).items():
            np.testing.assert_allclose(value, expected[name][0], rtol=RTOL, err_msg=name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_gradients_of_gathers_are_summed(graph, optimizer):
    table = make_variables()["table"]
    ids = tf.constant([1, 3, 1, 1])  # a row gathered twice, a row never
    weights = tf.constant([1.0, 2.0, 3.0, 4.0])
    loss = tf.reduce_sum(weights[:, None] * tf.gather(table, ids))
    (gradient,) = tf.gradients(loss, [table])
    assert isinstance(gradient, tf.IndexedSlices)
    rule = OPTIMIZERS[optimizer](learning_rate=0.1, weight_decay_rate=0.01)
    train_op = rule.apply_gradients([(gradient, table)])
    dense = np.zeros(SHAPES["table"])
    np.add.at(dense, [1, 3, 1, 1], np.array([[1.0], [2.0], [3.0], [4.0]]))
    expected = (INITIAL["table"], 0.0, 0.0)
    with tf.Session() as session:
        start(session)
        for _ in range(2):
            session.run(train_op)
            expected = reference_step(optimizer, "table", *expected, dense, 0.1)
        np.testing.assert_allclose(session.run(table), expected[0], rtol=RTOL)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_weights_do_not_decay_by_default(graph, optimizer):
    table = make_variables()["table"]
    rule = OPTIMIZERS[optimizer](learning_rate=0.1)
    train_op = rule.apply_gradients([(tf.zeros_like(table), table)])
    with tf.Session() as session:
        start(session)
        session.run(train_op)
        np.testing.assert_array_equal(session.run(table), INITIAL["table"].astype(np.float32))


def test_the_trust_ratio_is_1_only_where_a_norm_is_0(graph):
    variables = make_variables()
    gradients = {"table": 0.0, "dense/bias": 1.0, "dense/kernel": 1e-7}
    rule = LAMBOptimizer(learning_rate=0.1)
    rule.apply_gradients(
        [(tf.fill(SHAPES[name], value), variables[name]) for name, value in gradients.items()]
    )
    # The moments start at 0; epsilon keeps the kernel's first update small.
    norm = np.sqrt(12) * 0.1 * 1e-7 / (np.sqrt(0.001) * 1e-7 + 1e-6)
    assert norm < 1
    with tf.Session() as session:
        start(session)
        ratios = session.run(rule.trust_ratios())
    expected = [1.0, 1.0, np.linalg.norm(INITIAL["dense/kernel"]) / norm]
    np.testing.assert_allclose(ratios, expected, rtol=RTOL)


class Renaming(AdamWeightDecayOptimizer):
    """Knows weights by other names, and lets the kernels decay alone."""

    def _get_variable_name(self, param_name):
        return "of/" + super()._get_variable_name(param_name)

    def _do_use_weight_decay(self, param_name):
        self.asked = [*getattr(self, "asked", []), param_name]
        return param_name == "of/dense/kernel"


def test_names_and_decay_can_be_overridden(graph):
    variables = make_variables()
    rule = Renaming(
        learning_rate=0.1,
        weight_decay_rate=0.5,
        rate_scale=lambda name: {"of/dense/bias": 2.0}.get(name, 1.0),
    )
    with tf.variable_scope("run"):  # where google-research/bert's slots go too
        train_op = rule.apply_gradients(
            [(tf.ones(SHAPES[name]), variables[name]) for name in SHAPES]
        )
    assert rule.asked == [f"of/{name}" for name in SHAPES]
    slots = {v.op.name for v in tf.global_variables() if v not in tf.trainable_variables()}
    assert slots == {f"run/of/{name}/adam_{moment}" for name in SHAPES for moment in "mv"}
    step = 0.1 * 0.1 / (np.sqrt(0.001) + 1e-6)
    with tf.Session() as session:
        start(session)
        session.run(train_op)
        for name, value in session.run(variables).items():
            expected = INITIAL[name] - step * (2 if name == "dense/bias" else 1)
            if name == "dense/kernel":
                expected = expected - 0.1 * 0.5 * INITIAL[name]
            np.testing.assert_allclose(value, expected, rtol=RTOL, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_the_name_of_a_weight(graph, optimizer):
    name = OPTIMIZERS[optimizer](learning_rate=0.1)._get_variable_name
    assert name("dense/kernel:0") == name("dense/kernel") == "dense/kernel"
    assert name("dense/kernel/replica_1:0") == "dense/kernel"


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_which_weights_decay(graph, optimizer):
    rule = OPTIMIZERS[optimizer](0.1, 0.01, exclude_from_weight_decay=["LayerNorm", "bias$"])
    names = ["dense/kernel", "dense/bias", "bias/kernel", "LayerNorm/gamma"]
    assert [rule._do_use_weight_decay(name) for name in names] == [True, False, True, False]
    assert not OPTIMIZERS[optimizer](0.1)._do_use_weight_decay("dense/kernel")


def test_weights_without_gradients_stay(graph):
    variables = make_variables()
    rule = AdamWeightDecayOptimizer(learning_rate=0.1, weight_decay_rate=0.01)
    pairs = [(None, variables["table"]), (tf.ones([4]), variables["dense/bias"])]
    train_op = rule.apply_gradients(zip(*zip(*pairs)))
    with tf.Session() as session:
        start(session)
        session.run(train_op)
        np.testing.assert_array_equal(
            session.run(variables["table"]), INITIAL["table"].astype(np.float32)
        )
        assert session.run(variables["dense/bias"]).all()
    assert "table/adam_m" not in [v.op.name for v in tf.global_variables()]
    with pytest.raises(ValueError, match="No gradients"):
        rule.apply_gradients(pairs[:1])


def test_apply_gradients_leaves_the_step_to_its_caller(graph):
    global_step = tf.train.get_or_create_global_step()
    variable = make_variables()["table"]
    rule = AdamWeightDecayOptimizer(learning_rate=0.1)
    train_op = rule.apply_gradients([(tf.ones_like(variable), variable)], global_step, "update")
    assert train_op.name == "update"
    with tf.Session() as session:
        start(session)
        session.run(train_op)
        assert session.run(global_step) == 0
