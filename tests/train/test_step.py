"""The order of things within a step, on one device and on several."""

import contextlib

import numpy as np
import pytest
from weights import INITIAL, RNG, SHAPES, make_variables, reference_step, start

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError
from bert_wwm.train.optimizers import OPTIMIZERS
from bert_wwm.train.schedules import warmup_and_linear_decay
from bert_wwm.train.settings import TrainingSettings
from bert_wwm.train.step import (
    build_train_step,
    compute_gradients,
    create_optimizer,
    update_weights,
)

TWO_CPUS = tf.ConfigProto(device_count={"CPU": 2})
STRATEGIES = {
    "one device": lambda: tf.distribute.OneDeviceStrategy("/cpu:0"),
    "mirrored": lambda: tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]),
}


def loss_of(variables, target=1.0):
    """Far enough from 0 that clipping is at work."""
    ids = tf.constant([0, 2, 2])
    return sum(
        tf.reduce_sum(tf.square(x - target))
        for x in (
            variables["dense/kernel"],
            variables["dense/bias"] * variables["LayerNorm/gamma"],
            tf.gather(variables["table"], ids),
        )
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_a_step_is_clip_update_count(graph, optimizer):
    variables = make_variables()
    loss = loss_of(variables)
    tvars = tf.trainable_variables()
    gradients = [tf.convert_to_tensor(g) for g in tf.gradients(loss, tvars)]
    norm = tf.global_norm(gradients)
    schedule = (1e-2, 6, 3)
    step = build_train_step(loss, TrainingSettings(*schedule, optimizer=optimizer))
    expected_rate = warmup_and_linear_decay(tf.placeholder_with_default(0, []), *schedule)
    feed = expected_rate.graph.get_tensor_by_name("PlaceholderWithDefault:0")
    expected = {name: (value, 0.0, 0.0) for name, value in INITIAL.items()}
    global_step = tf.train.get_global_step()
    with tf.Session() as session:
        start(session)
        for t in range(7):
            slopes, length = session.run([gradients, norm])
            assert t > 0 or length > 1
            got, rate = session.run([step.gradient_norm, step.learning_rate, step.train_op])[:2]
            assert got == pytest.approx(length, rel=1e-5)
            assert rate == session.run(expected_rate, {feed: t})
            assert session.run(global_step) == t + 1
            for variable, slope in zip(tvars, slopes):
                name = variable.op.name
                slope = slope.astype(np.float64) / max(length, 1.0)
                expected[name] = reference_step(optimizer, name, *expected[name], slope, rate)
        for name, value in session.run(variables).items():
            np.testing.assert_allclose(value, expected[name][0], rtol=1e-4, atol=1e-5)


def test_runs_from_the_same_weights_agree_to_the_bit(graph):
    features = tf.constant(RNG.normal(size=[64, 32]), tf.float32)
    states = features
    for layer in range(4):
        kernel = tf.get_variable(
            f"kernel_{layer}", [32, 32], initializer=tf.random_normal_initializer(stddev=0.3)
        )
        states = tf.tanh(tf.matmul(states, kernel))
    loss = tf.reduce_sum(tf.square(states - features))
    step = build_train_step(loss, TrainingSettings(1e-2, 30, 5))

    def run_from_start(session):
        fetches = [loss, step.learning_rate, step.train_op]
        return [session.run(fetches)[:2] for _ in range(30)]

    with tf.Session() as session:
        start(session)
        state = session.run(tf.global_variables())
        first = run_from_start(session)
        for variable, value in zip(tf.global_variables(), state):
            variable.load(value, session)
        assert run_from_start(session) == first
    assert first[-1][0] < first[0][0]


def test_create_optimizer_is_the_same_step(graph):
    variables = make_variables()
    train_op = create_optimizer(loss_of(variables), 1e-2, 10, 0, False)
    assert isinstance(train_op, tf.Operation)
    assert "table/adam_m" in [v.op.name for v in tf.global_variables()]
    with tf.Session() as session:
        start(session)
        session.run(train_op)
        assert session.run(tf.train.get_global_step()) == 1


def test_unknown_optimizer(graph):
    with pytest.raises(ConfigError, match=r"unknown optimizer 'adam'.*'adamw'"):
        create_optimizer(loss_of(make_variables()), 1e-2, 10, 0, False, optimizer="adam")


def test_tpu_cores_add_their_gradients_up(graph):
    variables = make_variables()
    build_train_step(loss_of(variables), TrainingSettings(1e-2, 10, 0, use_tpu=True))
    sums = [op for op in graph.get_operations() if op.type == "CrossReplicaSum"]
    assert len(sums) == len(SHAPES) + 1  # and one for whether all cores have finite numbers
    assert "table/adam_m" in [v.op.name for v in tf.global_variables()]


def train(make_strategy, targets, make_step, steps=4):
    """All variables after some steps, one target a replica; copies on replicas are equal."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(tf.Graph().as_default())
        strategy = make_strategy()  # outside the graph it would look for two devices at once
        stack.enter_context(strategy.scope())

        def replica():
            context = tf.distribute.get_replica_context()
            target = tf.gather(targets, context.replica_id_in_sync_group)
            return make_step(target).train_op

        train_op = strategy.group(strategy.extended.call_for_each_replica(replica))
        with tf.Session(config=TWO_CPUS) as session:
            start(session)
            for _ in range(steps):
                session.run(train_op)
            state = {v.name: session.run(v) for v in tf.global_variables()}
            for variable in tf.global_variables():
                for copy in getattr(variable, "values", ()):
                    np.testing.assert_array_equal(session.run(copy), state[variable.name])
    return state


def step_to(optimizer):
    settings = TrainingSettings(1e-2, 6, 3, optimizer=optimizer)
    return lambda target: build_train_step(loss_of(make_variables(), target), settings)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
@pytest.mark.parametrize("name", STRATEGIES)
def test_replicas_with_the_same_batch_step_as_one_device(name, optimizer):
    with tf.Graph().as_default(), tf.Session() as session:
        step = step_to(optimizer)(1.0)
        start(session)
        for _ in range(4):
            session.run(step.train_op)
        expected = {v.name: session.run(v) for v in tf.global_variables()}
    got = train(STRATEGIES[name], [1.0, 1.0], step_to(optimizer))
    assert set(got) == set(expected)
    assert got["global_step:0"] == 4
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=1e-5, atol=1e-7, err_msg=key)


def test_replicas_step_as_one_device_on_the_mean_loss():
    """Clipped is what all replicas say together: two targets, and their mean's gradient."""
    state = train(STRATEGIES["mirrored"], [1.0, -2.0], step_to("adamw"))
    with tf.Graph().as_default(), tf.Session() as session:
        variables = make_variables()
        loss = (loss_of(variables, 1.0) + loss_of(variables, -2.0)) / 2
        step = build_train_step(loss, TrainingSettings(1e-2, 6, 3))
        start(session)
        for _ in range(4):
            session.run(step.train_op)
        for variable in tf.global_variables():
            got, expected = state[variable.name], session.run(variable)
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_step_without_finite_numbers_changes_nothing_but_its_count(graph, optimizer, broken):
    target = tf.placeholder_with_default(1.0, [])
    settings = TrainingSettings(1e-2, 6, 0, optimizer=optimizer)
    step = build_train_step(loss_of(make_variables(), target), settings)
    state = [v for v in tf.global_variables() if v.op.name != "global_step"]
    with tf.Session() as session:
        start(session)
        _, finite = session.run([step.train_op, step.finite])
        before = session.run(state)
        assert finite
        _, finite = session.run([step.train_op, step.finite], {target: broken})
        assert not finite
        for old, new in zip(before, session.run(state)):
            np.testing.assert_array_equal(old, new)
        assert session.run(tf.train.get_global_step()) == 2
        session.run(step.train_op)
        assert all((old != new).any() for old, new in zip(before, session.run(state)))


def test_only_lamb_has_trust_ratios(graph):
    variables = make_variables()
    loss = loss_of(variables)
    assert build_train_step(loss, TrainingSettings(1e-2, 6, 0)).trust_ratios is None
    step = build_train_step(loss, TrainingSettings(1e-2, 6, 0, optimizer="lamb"))
    with tf.Session() as session:
        start(session)
        ratios, _ = session.run([step.trust_ratios, step.train_op])
    by_name = dict(zip([v.op.name for v in tf.trainable_variables()], ratios))
    # At the first step the update is the gradient's sign over root 0.001 / 0.1 plus the decay.
    assert by_name["dense/bias"] == 1  # its norm is 0
    table = INITIAL["table"]
    rows = np.array([1, 0, 2, 0, 0])[:, None]
    sign = np.sign(rows * (table - 1)) * 0.1 / np.sqrt(0.001)
    update = sign + 0.01 * table
    expected = np.linalg.norm(table) / np.linalg.norm(update)
    assert by_name["table"] == pytest.approx(expected, rel=1e-2)


# From the top of two layers down, with the powers of the decay.
DECAYED = {"head": 0, "layer_1": 1, "layer_0": 2, "embeddings": 3}


def layered_step(layer_decay, optimizer="adamw"):
    """A step over a weight each of a head, two layers and the embeddings, all alike."""
    weights = [
        tf.get_variable(
            f"bert/{part}/kernel", initializer=tf.constant(INITIAL["table"], tf.float32)
        )
        for part in DECAYED
    ]
    loss = sum(tf.reduce_sum(tf.square(weight - 9.0)) for weight in weights)
    gradients, variables = compute_gradients(loss)
    settings = TrainingSettings(1e-2, 6, 0, optimizer=optimizer, layer_decay=layer_decay)
    return update_weights(loss, gradients, variables, settings)


def assert_moves_decay(weights):
    """Each weight has moved as far as the rate of its layer says."""
    moves = {part: weights[f"bert/{part}/kernel:0"] - INITIAL["table"] for part in DECAYED}
    assert np.abs(moves["head"]).max() > 1e-3
    for part, power in DECAYED.items():
        np.testing.assert_allclose(moves[part], moves["head"] * 0.5**power, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_rates_fall_from_layer_to_layer(graph, optimizer):
    step = layered_step(0.5, optimizer)
    with tf.Session() as session:
        start(session)
        session.run(step.train_op)
        assert_moves_decay({v.name: session.run(v) for v in tf.trainable_variables()})


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_rates_fall_on_all_replicas(optimizer):
    state = train(
        STRATEGIES["mirrored"],
        [0.0, 0.0],
        lambda target: layered_step(0.5, optimizer),
        steps=1,
    )
    assert_moves_decay(state)


def test_a_layer_decay_of_1_leaves_the_graph_as_it_is():
    graphs = []
    for arguments in ({}, {"layer_decay": 1.0}, {"layer_decay": 0.9}):
        with tf.Graph().as_default() as graph:
            weight = tf.get_variable("bert/embeddings/kernel", [2, 2])
            settings = TrainingSettings(1e-2, 6, 0, **arguments)
            update_weights(tf.reduce_sum(weight), [tf.ones([2, 2])], [weight], settings)
            graphs.append(graph.as_graph_def())
    assert graphs[0] == graphs[1]
    assert graphs[0] != graphs[2]


def test_what_is_no_layer_decay(graph):
    with pytest.raises(ConfigError, match=r"layer_decay is 1\.5"):
        layered_step(1.5)
