"""The real model on two replicas in one process, each of which has half of the batch.

There the batch is packed into rows; on one device each instance has a row of its own.
"""

import contextlib
import multiprocessing

import numpy as np
import pytest
from small_model import random_features, small_config, widen

from bert_wwm.compat import tf
from bert_wwm.data.packing import pack
from bert_wwm.train.model_fn import make_model_fn
from bert_wwm.train.pretraining_objective import PretrainingObjective
from bert_wwm.train.settings import TrainingSettings

BATCH, STEPS, REPLICAS = 11, 3, 2
LENGTH, PREDICTIONS = 48, 8
LOSS_SCALES = (2.0**20, 2.0**15, 2.0**15)  # of the steps in float16, the first of which overflows
MOST_SECONDS = 120
# Each replica takes a thread to wait for the others in.
CPUS = tf.ConfigProto(device_count={"CPU": REPLICAS}, inter_op_parallelism_threads=8)


def batch():
    return widen(random_features(BATCH, seed=2, labels=()), LENGTH, PREDICTIONS)


def packed_batch():
    """The same in rows, whose halves have different numbers of predictions and instances."""
    features = pack(batch())
    for name in ("masked_lm_weights", "instance_starts"):
        first, second = ((half > 0).sum() for half in np.split(features[name], REPLICAS))
        assert 0 < first != second > 0
    return features


def build(features, folder, **changes):
    """Returns the scalars that a step shows, and the operation that takes it."""
    settings = TrainingSettings(1e-2, 10, 2, BATCH, **changes)
    objective = PretrainingObjective(("masked_lm", "next_sentence"))
    config = small_config()
    config.max_position_embeddings = LENGTH
    model_fn = make_model_fn(config, objective, settings, None)
    spec = model_fn(features, None, tf.estimator.ModeKeys.TRAIN, {"model_dir": folder})
    (progress,) = spec.training_hooks
    return progress.before_run(None).fetches, spec.train_op


def copies(variable):
    """The variables that a mirrored one stands for."""
    return getattr(variable, "values", (variable,))


def train(scalars, train_op):
    """Takes some steps from the same weights; returns each one's scalars, and all variables."""
    rng = np.random.default_rng(3)
    with tf.Session(config=CPUS) as session:
        session.run(tf.global_variables_initializer())
        for variable in sorted(tf.trainable_variables(), key=lambda variable: variable.name):
            if len(variable.shape) > 1:  # the others start as constants
                value = rng.normal(scale=0.1, size=variable.shape)
                for copy in copies(variable):
                    copy.load(value, session)
        seen = []
        for scale in LOSS_SCALES:
            for variable in tf.global_variables("loss_scale/scale"):
                for copy in copies(variable):
                    copy.load(scale, session)
            seen.append(session.run([scalars, train_op])[0])
        found = {v.name: session.run(list(copies(v))) for v in tf.global_variables()}
    for name, values in found.items():
        for value in values:
            np.testing.assert_array_equal(value, values[0], err_msg=name)
    return seen, {name: values[0] for name, values in found.items()}


def train_on_replicas(folder, changes):
    """Gives each replica its half; the scalars are the first one's."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(tf.Graph().as_default())
        # Outside the graph it would look for two devices at once.
        strategy = tf.distribute.MirroredStrategy([f"/cpu:{n}" for n in range(REPLICAS)])
        stack.enter_context(strategy.scope())
        rows = packed_batch()
        halves = {name: np.stack(np.split(value, REPLICAS)) for name, value in rows.items()}

        shown = {}

        def replica():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            features = {name: tf.gather(value, number) for name, value in halves.items()}
            scalars, train_op = build(features, folder, **changes)
            shown[int(tf.get_static_value(number))] = scalars
            return train_op

        train_op = strategy.group(strategy.extended.call_for_each_replica(replica))
        return train(shown[0], train_op)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"use_float16": True}, pytest.param({"optimizer": "lamb"}, marks=pytest.mark.long)],
)
def test_replicas_train_as_one_device_on_the_whole_batch(tmp_path, changes):
    # In a process of its own, as replicas that wait for each other can't be interrupted.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result = pool.apply_async(train_on_replicas, (str(tmp_path), changes))
        seen, variables = result.get(MOST_SECONDS)
    with tf.Graph().as_default():
        features = {name: tf.constant(value) for name, value in batch().items()}
        expected_seen, expected = train(*build(features, str(tmp_path), **changes))
    assert len(seen) == len(expected_seen) == STEPS
    for scalars in (*seen, *expected_seen):
        scalars.pop("padding")  # of which packed rows have less
    for scalars in (seen[-1], expected_seen[-1]):
        # In the third step that of a key's bias, whose gradient is 0 but for rounding.
        scalars.pop("trust_ratio_min", None)
    is_half = "use_float16" in changes
    for found, wanted in zip(seen, expected_seen):
        # The norm of gradients that overflow is NaN.
        tolerance = 1e-3 if is_half else 1e-4
        assert found == pytest.approx(wanted, rel=tolerance, abs=1e-6, nan_ok=is_half)
    assert set(variables) == set(expected)
    assert variables["global_step:0"] == STEPS
    if is_half:
        assert [step["skipped"] for step in seen] == [1, 0, 0]
        assert variables["loss_scale/skipped_steps:0"] == 1
    for name, value in expected.items():
        if is_half:  # rounding decides on small gradients, which AdamW scales up
            assert np.abs(variables[name] - value).mean() < 1e-3, name
        else:
            np.testing.assert_allclose(variables[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
