"""The factor of float16's gradients: what it does to a step, and how it changes."""

import numpy as np
import pytest
from weights import make_variables, start

from bert_wwm.compat import tf
from bert_wwm.train import loss_scale as loss_scale_module
from bert_wwm.train.loss_scale import LossScale
from bert_wwm.train.optimizers import OPTIMIZERS
from bert_wwm.train.settings import TrainingSettings
from bert_wwm.train.step import compute_gradients, update_weights

SCALING = ["loss_scale/scale", "loss_scale/good_steps", "loss_scale/skipped_steps"]


def build(scaled, optimizer="adamw"):
    """A step on weights whose gradients a placeholder multiplies."""
    factor = tf.placeholder_with_default(1.0, [])
    scale = LossScale() if scaled else None
    loss = tf.add_n([tf.reduce_sum(tf.square(x - 1.0)) for x in make_variables().values()])
    gradients, variables = compute_gradients(scale.scale_gradient(loss) if scale else loss)
    gradients = [gradient * factor for gradient in gradients]
    settings = TrainingSettings(1e-2, 20, 0, optimizer=optimizer, layer_decay=0.9)
    return factor, loss, update_weights(loss, gradients, variables, settings, scale)


def read(session):
    return {v.op.name: session.run(v) for v in tf.global_variables()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_a_scaled_step_is_the_same_step(optimizer):
    found = []
    for scaled in (False, True):
        with tf.Graph().as_default(), tf.Session() as session:
            _, loss, step = build(scaled, optimizer)
            start(session)
            shown = [loss, step.gradient_norm, step.learning_rate, step.train_op]
            found.append([[session.run(shown)[:3] for _ in range(3)], read(session)])
    (plain, expected), (scaled, state) = found
    assert [state.pop(name) for name in SCALING] == [2**15, 3, 0]
    assert scaled == plain  # to the bit, as the factor is a power of 2
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
@pytest.mark.parametrize("overflow", [float("nan"), float("inf")])
def test_an_overflow_skips_the_step_and_halves_the_factor(graph, optimizer, overflow):
    factor, _, step = build(True, optimizer)
    with tf.Session() as session:
        start(session)
        session.run(step.train_op)
        before = read(session)
        for count in (1, 2):
            _, finite, shown = session.run(
                [step.train_op, step.finite, step.loss_scaling], {factor: overflow}
            )
            assert not finite
            assert shown == {"loss_scale": 2**15 / 2 ** (count - 1), "skipped_steps": count}
        after = read(session)
        assert [after.pop(name) for name in SCALING] == [2**13, 0, 2]
        assert after.pop("global_step") == before["global_step"] + 2
        assert len(after) > 8
        for name, value in after.items():
            np.testing.assert_array_equal(value, before[name], err_msg=name)
        session.run(step.train_op)
        again = read(session)
        assert [again[name] for name in SCALING] == [2**13, 1, 2]
        assert all((again[name] != value).any() for name, value in after.items())


def test_good_steps_double_it_within_bounds(graph, monkeypatch):
    monkeypatch.setattr(loss_scale_module, "_STEPS_TO_DOUBLE", 3)
    scale = LossScale()
    is_good = tf.placeholder(tf.bool, [])
    update, shown = scale.update(is_good)
    with tf.Session() as session:
        start(session)

        def factors(steps):
            return [session.run([shown, update], {is_good: s})[0]["loss_scale"] for s in steps]

        assert factors([1, 1, 0, 1, 1, 1, 1]) == [2**15] * 3 + [2**14] * 3 + [2**15]
        assert factors([1] * 40)[-1] == 2**24
        assert factors([0] * 40)[-1] == 1
