"""A step over packed rows against the step over the same instances, each in a row of its own."""

import numpy as np
import pytest
from small_model import random_features, small_config, widen
from variable_kinds import RESOURCE_FIRST

from bert_wwm.compat import tf
from bert_wwm.data.packing import pack
from bert_wwm.train.accumulation import accumulate
from bert_wwm.train.objective import Encoded, sum_losses
from bert_wwm.train.pretraining_objective import PretrainingObjective

OBJECTIVE = PretrainingObjective(
    ("masked_lm", "position", "pos", "ner", "dep", "sentence_order"), {"pos": 10, "ner": 20}
)
LENGTH, PREDICTIONS = 48, 8
FORMS = {
    "padded": {},
    "skipped padding": {"skip_padding": True},
    "for TPUs": {"for_tpu": True},
    "recomputed": {"gradient_checkpointing": True, "skip_padding": True},
}


def build(features, num_parts=1, **form):
    """The scalars, gradients and variables of a batch, in the third step of a training."""
    features = {name: tf.constant(value) for name, value in features.items()}
    config = small_config()
    config.max_position_embeddings = LENGTH
    totals = OBJECTIVE.totals(features)
    weights = OBJECTIVE.weights(tf.constant(3))

    def forward(part, number):
        batch = Encoded(config, part, training=True, **form)
        return sum_losses(OBJECTIVE.predictions(batch), totals, weights)

    return accumulate(forward, features, num_parts)


@pytest.mark.slow
@RESOURCE_FIRST
def test_a_step_over_packed_rows_is_that_over_single_instances(graph):
    single = widen(random_features(12, seed=3), LENGTH, PREDICTIONS)
    packed = pack(single)
    used = packed["instance_starts"] > 0
    assert len(packed["input_ids"]) == 4 and used.sum(axis=1).max() == 2
    scalars, gradients, variables = build(single)
    others = {}
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        for name, form in FORMS.items():
            others[name] = build(packed, **form)[:2]
        others["in parts"] = build(packed, num_parts=2)[:2]
        others["single, skipped padding"] = build(single, skip_padding=True)[:2]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        want, want_slopes = session.run([scalars, gradients])
        found = session.run(others)
    norm = np.sqrt(sum(np.sum(slope**2) for slope in want_slopes))
    assert norm > 0.1
    for form, (got, slopes) in found.items():
        for name, value in want.items():
            assert got[name] == pytest.approx(value, rel=1e-5), (form, name)
        for variable, a, b in zip(variables, want_slopes, slopes):
            message = f"{form}: {variable.name}"
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6 * norm, err_msg=message)
