"""A batch worked off in parts against the same batch at once."""

import numpy as np
import pytest
from small_model import random_features, small_config
from variable_kinds import RESOURCE_FIRST

from bert_wwm.compat import tf
from bert_wwm.train.accumulation import accumulate
from bert_wwm.train.objective import Encoded, sum_losses
from bert_wwm.train.pretraining_objective import PretrainingObjective

LERT = ("masked_lm", "pos", "ner", "dep", "sentence_order")
OBJECTIVES = {
    "lert": PretrainingObjective(LERT, {"pos": 10, "ner": 20, "dep": 30}),
    "pert": PretrainingObjective(("position", "next_sentence")),
}


def build(objective, features, num_parts):
    """The scalars, gradients and variables of a batch, in the third step of a training."""
    totals = objective.totals(features)
    weights = objective.weights(tf.constant(3))
    numbers = []

    def forward(part, number):
        numbers.append(number)
        batch = Encoded(small_config(), part, training=True)
        return sum_losses(objective.predictions(batch), totals, weights)

    result = accumulate(forward, features, num_parts)
    # Built once outside of the loop and once inside, however many parts there are.
    assert len(numbers) == min(num_parts, 2)
    return result


@pytest.mark.slow
@RESOURCE_FIRST
@pytest.mark.parametrize(
    "name, num_parts",
    [
        ("lert", 4),
        ("pert", 4),
        *(pytest.param("lert", count, marks=pytest.mark.long) for count in (2, 32)),
    ],
)
def test_parts_add_up_to_the_whole(graph, name, num_parts):
    arrays = random_features(32)
    arrays["masked_lm_weights"][:8] = 0  # a part without any prediction
    features = {key: tf.constant(value) for key, value in arrays.items()}
    scalars, gradients, variables = build(OBJECTIVES[name], features, 1)
    count = len(tf.global_variables())
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        in_parts, summed, same = build(OBJECTIVES[name], features, num_parts)
    assert len(tf.global_variables()) == count
    assert [v.name for v in same] == [v.name for v in variables]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        want, got, want_slopes, got_slopes = session.run([scalars, in_parts, gradients, summed])
    assert list(got) == list(want)
    for key, value in want.items():
        assert got[key] == pytest.approx(value, rel=1e-5), key
    difference = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(want_slopes, got_slopes)))
    norm = np.sqrt(sum(np.sum(a**2) for a in want_slopes))
    assert norm > 0.1
    assert difference / norm < 1e-5
    for variable, a, b in zip(variables, want_slopes, got_slopes):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6 * norm, err_msg=variable.name)


def test_parts_stand_in_their_order(graph):
    weight = tf.get_variable("weight", [], initializer=tf.ones_initializer())

    def forward(part, number):
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            weight = tf.get_variable("weight", [])
        place = tf.cast(number, tf.float32)
        return {"loss": weight * tf.reduce_sum(part["x"]) * 10.0**place, "count": place}

    x = tf.constant([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]])
    scalars, (gradient,), variables = accumulate(forward, {"x": x}, 3)
    assert variables == [weight]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run([scalars["loss"], gradient]) == [1173.0, 1173.0]
        assert session.run(scalars["count"]) == 3.0
