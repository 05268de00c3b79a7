"""Gradient checkpointing: the same numbers, from less that is kept."""

import contextlib

import numpy as np
import pytest
from variable_kinds import RESOURCE_FIRST

from bert_wwm.compat import tf
from bert_wwm.model import layers
from bert_wwm.model.bert import BertModel
from bert_wwm.model.recomputation import recompute

IDS = np.random.default_rng(5).integers(1, 50, [4, 6])
MASK = np.arange(6) < np.array([[6], [4], [5], [3]])
SEED = [3, 7]
TWO_CPUS = tf.ConfigProto(device_count={"CPU": 2})


def model_of(config, checkpointing, ids=IDS, mask=MASK, **arguments):
    return BertModel(
        config,
        True,
        tf.convert_to_tensor(ids, tf.int32),
        tf.convert_to_tensor(mask, tf.int32),
        scope="bert",
        gradient_checkpointing=checkpointing,
        **arguments,
    )


def loss_of(model):
    """Of all layers and of the pooler, with another weight for each element."""
    outputs = [*model.get_all_encoder_layers(), model.get_pooled_output()]
    terms = []
    for number, output in enumerate(outputs, start=1):
        x = tf.cast(tf.reshape(output, [-1]), tf.float32)
        terms.append(tf.reduce_sum(x * tf.sin(number * tf.cast(tf.range(tf.size(x)), tf.float32))))
    return tf.add_n(terms)


def reused():
    return tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE)


def dense_gradients(loss):
    return [tf.convert_to_tensor(g) for g in tf.gradients(loss, tf.trainable_variables())]


def both_ways(build):
    """Runs what is built without and with checkpointing, over the same weights."""
    fetches = []
    for checkpointing in (False, True):
        with reused():
            fetches.append(build(checkpointing))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


def assert_same(plain, checkpointed, tolerance=1e-6):
    """Within a fraction of the largest gradient: threads and fused kernels add in another order."""
    assert len(plain) == len(checkpointed) > 1
    scale = max(np.abs(x).max() for x in plain)
    for a, b in zip(plain, checkpointed):
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance * scale)


@pytest.fixture
def config_with_dropout(config):
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.3
    return config


@RESOURCE_FIRST
@pytest.mark.parametrize("seed", [pytest.param(None, marks=pytest.mark.slow), SEED])
def test_loss_and_gradients_are_the_same(graph, config, seed):
    if seed:
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.3

    def build(checkpointing):
        with layers.seeded_dropout(tf.constant(seed)) if seed else contextlib.nullcontext():
            loss = loss_of(model_of(config, checkpointing))
        return [loss, *dense_gradients(loss)]

    assert_same(*both_ways(build))


def test_names_are_the_same(config):
    names = []
    for checkpointing in (False, True):
        with tf.Graph().as_default() as graph:
            model_of(config, checkpointing)
            variables = [v.name for v in tf.trainable_variables()]
            names.append((variables, {op.name for op in graph.get_operations()}))
    (variables, operations), (same, more) = names
    assert variables == same
    assert operations < more


@pytest.mark.slow
@RESOURCE_FIRST
def test_shapes_known_only_at_the_run(graph, config_with_dropout):
    ids = tf.placeholder_with_default(IDS.astype(np.int32), [None, None])

    def build(checkpointing):
        with layers.seeded_dropout(tf.constant(SEED)):
            loss = loss_of(model_of(config_with_dropout, checkpointing, ids, tf.ones_like(ids)))
        return [loss, *dense_gradients(loss)]

    assert_same(*both_ways(build))


@pytest.mark.slow
@RESOURCE_FIRST
def test_half_precision(graph, config_with_dropout):
    def build(checkpointing):
        with layers.seeded_dropout(tf.constant(SEED)):
            model = model_of(config_with_dropout, checkpointing, compute_dtype=tf.bfloat16)
        assert {x.dtype for x in model.get_all_encoder_layers()} == {tf.bfloat16}
        loss = loss_of(model)
        return [loss, *dense_gradients(loss)]

    assert_same(*both_ways(build), tolerance=1e-2)


@pytest.mark.slow
@RESOURCE_FIRST
@pytest.mark.parametrize("gradients", ["inside", pytest.param("outside", marks=pytest.mark.long)])
def test_within_branches(graph, config_with_dropout, gradients):
    """Gradients of a loss within a branch, taken there or of what comes out."""
    choice = tf.constant(1)

    def build(checkpointing):
        def branch(seed):
            def run():
                with reused(), layers.seeded_dropout(tf.constant(seed)):
                    loss = loss_of(model_of(config_with_dropout, checkpointing))
                return [loss, *dense_gradients(loss)] if gradients == "inside" else loss

            return run

        branch([9, 9])()  # makes the variables
        result = tf.switch_case(choice, [branch([1, 2]), branch(SEED)])
        return result if gradients == "inside" else [result, *dense_gradients(result)]

    assert_same(*both_ways(build))


@pytest.mark.slow
@RESOURCE_FIRST
def test_within_a_loop(graph, config_with_dropout):
    """Gradients taken in the body of a while loop, as those of a batch in parts are."""

    def build(checkpointing):
        def slopes(number):
            with reused(), layers.seeded_dropout(tf.stack([number, 5])):
                return dense_gradients(loss_of(model_of(config_with_dropout, checkpointing)))

        def body(number, *before):
            return [number + 1, *(a + b for a, b in zip(before, slopes(number)))]

        first = slopes(tf.constant(0))  # makes the variables
        return tf.while_loop(lambda number, *_: number < 3, body, [tf.constant(1), *first])

    assert_same(*both_ways(build))


@pytest.mark.slow
def test_on_replicas(config_with_dropout):
    with tf.Graph().as_default():
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
        with strategy.scope(), tf.Session(config=TWO_CPUS) as session:

            def replica(checkpointing):
                number = tf.distribute.get_replica_context().replica_id_in_sync_group
                with reused(), layers.seeded_dropout(tf.stack([number, 5])):
                    return dense_gradients(loss_of(model_of(config_with_dropout, checkpointing)))

            ways = [
                strategy.extended.call_for_each_replica(replica, args=(checkpointing,))
                for checkpointing in (False, True)
            ]
            session.run(tf.global_variables_initializer())
            for number in range(2):
                of_one = [[x.values[number] for x in slopes] for slopes in ways]
                assert_same(*session.run(of_one))


def test_dropout_without_a_seed_is_drawn_at_each_step_and_once(graph):
    """Of ones, what dropout makes and its derivative are the same."""
    x = tf.ones([50, 8])
    with layers.seeded_dropout(tf.random.uniform([2], -100, 100, tf.int32)):
        y = recompute(lambda states: layers.dropout(states, 0.5), x)
    (slope,) = tf.gradients(y, x)
    with tf.Session() as session:
        runs = [session.run([y, slope]) for _ in range(2)]
    for output, gradient in runs:
        np.testing.assert_array_equal(output, gradient)
    assert (runs[0][0] != runs[1][0]).any()


@pytest.mark.slow
@RESOURCE_FIRST
def test_a_model_without_a_seed_has_the_gradients_of_its_own_dropout(graph, config_with_dropout):
    """Against the derivative of the loss, by the difference of two models with the same draw."""
    tf.set_random_seed(2)
    model = model_of(config_with_dropout, True)
    loss = loss_of(model)
    gamma = tf.trainable_variables()[20]
    assert gamma.op.name == "bert/encoder/layer_0/output/LayerNorm/gamma"
    gradient = tf.gradients(loss, gamma)[0]
    shift = tf.placeholder_with_default(0.0, [])
    moved = gamma.assign_add(tf.fill([32], shift))

    def run(shifted):
        # A new session starts the generators of random numbers again.
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            session.run(moved, {shift: shifted})
            return session.run([loss, gradient])

    (above, _), (below, _), (_, slope) = run(1e-2), run(-1e-2), run(0.0)
    assert slope.sum() == pytest.approx((above - below) / 2e-2, rel=2e-2)


def products_run(step):
    """The number of matrix products in the graph that a session runs, Grappler's."""
    with tf.Graph().as_default(), tf.Session() as session:
        fetches = step(tf.placeholder_with_default(IDS.astype(np.int32), IDS.shape))
        session.run(tf.global_variables_initializer())
        options, metadata = tf.RunOptions(output_partition_graphs=True), tf.RunMetadata()
        session.run(fetches, options=options, run_metadata=metadata)
    nodes = [node.op for graph in metadata.partition_graphs for node in graph.node]
    return sum("MatMul" in op for op in nodes)


def products_compiled(step):
    """The number of matrix products in the program that XLA makes."""
    with tf.variable_scope("", use_resource=True):
        wrapped = tf.wrap_function(step, [tf.TensorSpec(IDS.shape, tf.int32)])
    compiled = tf.function(lambda ids: wrapped(ids), jit_compile=True)
    program = compiled.experimental_get_compiler_ir(tf.constant(IDS, tf.int32))
    return program(stage="optimized_hlo").count(" dot(")


@pytest.mark.slow
@pytest.mark.parametrize(
    "count", [products_run, pytest.param(products_compiled, marks=pytest.mark.long)]
)
def test_the_second_computation_is_not_optimised_away(config_with_dropout, count):
    def step(checkpointing):
        def build(ids):
            with layers.seeded_dropout(tf.constant(SEED)):
                return dense_gradients(loss_of(model_of(config_with_dropout, checkpointing, ids)))

        return build

    # Six dense layers, and two products of the attention, in each of two layers.
    assert count(step(True)) - count(step(False)) == 2 * 8
