"""Update rules against NumPy, and the order of things within a step."""

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError
from bert_wwm.train.optimizers import (
    OPTIMIZERS,
    AdamWeightDecayOptimizer,
    LAMBOptimizer,
    build_train_step,
    create_optimizer,
)
from bert_wwm.train.schedules import warmup_and_linear_decay

EXCLUDED = ["LayerNorm", "layer_norm", "bias"]
SHAPES = {"dense/kernel": [3, 4], "dense/bias": [4], "LayerNorm/gamma": [4], "table": [5, 4]}
TWO_CPUS = tf.ConfigProto(device_count={"CPU": 2})
RNG = np.random.default_rng(7)
INITIAL = {name: RNG.normal(size=shape) for name, shape in SHAPES.items()}
INITIAL["dense/bias"] *= 0  # as biases are at first: LAMB's ratio must not stay 0
GRADIENTS = [
    {name: RNG.normal(scale=10.0**-step, size=shape) for name, shape in SHAPES.items()}
    for step in range(5)
]
STRATEGIES = {
    "one device": lambda: tf.distribute.OneDeviceStrategy("/cpu:0"),
    "mirrored": lambda: tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]),
    "central storage": lambda: tf.distribute.experimental.CentralStorageStrategy(
        ["/cpu:0", "/cpu:1"]
    ),
}


def reference_step(optimizer, name, w, m, v, g, rate):
    """One step of the rules in the optimizers' docstrings, in float64."""
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g**2
    u = m / (np.sqrt(v) + 1e-6)
    if not any(word in name for word in EXCLUDED):
        u = u + 0.01 * w
    if optimizer == "lamb":
        w_norm, u_norm = np.linalg.norm(w), np.linalg.norm(u)
        u = u * (w_norm / u_norm if w_norm > 0 and u_norm > 0 else 1.0)
    return w - rate * u, m, v


def make_variables():
    return {
        name: tf.get_variable(name, initializer=tf.constant(value, tf.float32))
        for name, value in INITIAL.items()
    }


def start(session):
    session.run(tf.global_variables_initializer())


def test_registry():
    assert OPTIMIZERS.names() == ["adamw", "lamb"]
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
        np.testing.assert_allclose(got[name], w, rtol=1e-5, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(moments[f"{name}/{prefix}_m"], m, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(moments[f"{name}/{prefix}_v"], v, rtol=1e-5, atol=1e-7)


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
        np.testing.assert_allclose(session.run(table), expected[0], rtol=1e-5)


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
    train_op = rule.apply_gradients([(tf.ones_like(variable), variable)], global_step)
    with tf.Session() as session:
        start(session)
        session.run(train_op)
        assert session.run(global_step) == 0


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
    # The norm that clips is the one google-research/bert clips by: the rows of a gather count
    # one by one, also where they are of the same id.
    norm = tf.global_norm(tf.gradients(loss, tvars))
    schedule = (1e-2, 6, 3)
    step = build_train_step(loss, *schedule, optimizer=optimizer)
    expected_rate = warmup_and_linear_decay(tf.placeholder_with_default(0, []), *schedule)
    feed = expected_rate.graph.get_tensor_by_name("PlaceholderWithDefault:0")
    expected = {name: (value, 0.0, 0.0) for name, value in INITIAL.items()}
    global_step = tf.train.get_global_step()
    with tf.Session() as session:
        start(session)
        for t in range(7):
            slopes, length = session.run([gradients, norm])
            assert t > 0 or length > 1
            _, rate = session.run(step)
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
    step = build_train_step(loss, 1e-2, num_train_steps=30, num_warmup_steps=5)

    def run_from_start(session):
        return [session.run([loss, *step])[::2] for _ in range(30)]

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
    build_train_step(loss_of(variables), 1e-2, 10, 0, use_tpu=True)
    sums = [op for op in graph.get_operations() if op.type == "CrossReplicaSum"]
    assert len(sums) == len(SHAPES)
    assert "table/adam_m" in [v.op.name for v in tf.global_variables()]


def train(strategy, optimizer, targets, steps=4):
    """All variables after some steps, one target a replica; copies on replicas are equal."""
    with tf.Graph().as_default(), strategy.scope():

        def replica():
            context = tf.distribute.get_replica_context()
            target = tf.gather(targets, context.replica_id_in_sync_group)
            variables = make_variables()
            step = build_train_step(loss_of(variables, target), 1e-2, 6, 3, optimizer=optimizer)
            return step.train_op

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


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
@pytest.mark.parametrize("name", STRATEGIES)
def test_replicas_with_the_same_batch_step_as_one_device(name, optimizer):
    with tf.Graph().as_default(), tf.Session() as session:
        step = build_train_step(loss_of(make_variables()), 1e-2, 6, 3, optimizer=optimizer)
        start(session)
        for _ in range(4):
            session.run(step.train_op)
        expected = {v.name: session.run(v) for v in tf.global_variables()}
    got = train(STRATEGIES[name](), optimizer, [1.0, 1.0])
    assert set(got) == set(expected)
    assert got["global_step:0"] == 4
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=1e-5, atol=1e-7, err_msg=key)


def test_replicas_average_their_clipped_gradients():
    state = train(STRATEGIES["mirrored"](), "adamw", [1.0, -2.0], steps=1)
    moments = []
    for target in (1.0, -2.0):
        with tf.Graph().as_default(), tf.Session() as session:
            step = build_train_step(loss_of(make_variables(), target), 1e-2, 6, 3)
            start(session)
            session.run(step.train_op)
            (moment,) = (v for v in tf.global_variables() if v.name == "table/adam_m:0")
            moments.append(session.run(moment))
    np.testing.assert_allclose(state["table/adam_m:0"], np.mean(moments, axis=0), rtol=1e-5)
