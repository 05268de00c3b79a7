"""What is built for TPUs: the same variables and numbers as what is built for all else."""

import numpy as np
import pytest
from variable_kinds import RESOURCE_FIRST

from bert_wwm.compat import tf
from bert_wwm.model import layers, tpu_layers
from bert_wwm.model.bert import BertModel
from bert_wwm.model.embeddings import embedding_lookup

IDS = np.random.default_rng(5).integers(1, 50, [4, 6])
# The last sequence is padding alone.
MASK = np.arange(6) < np.array([[6], [4], [5], [0]])
SEED = [3, 7]


def model_of(config, for_tpu, mask=MASK, **arguments):
    return BertModel(
        config,
        True,
        tf.constant(IDS, tf.int32),
        None if mask is None else tf.constant(mask, tf.int32),
        scope="bert",
        for_tpu=for_tpu,
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


def gradients_of(loss):
    return [tf.convert_to_tensor(g) for g in tf.gradients(loss, tf.trainable_variables())]


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feeds)


def assert_same(expected, got, tolerance):
    """Within a fraction of the largest number of all."""
    assert len(expected) == len(got) > 1
    scale = max(np.abs(x).max() for x in expected)
    for a, b in zip(expected, got):
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance * scale)


@RESOURCE_FIRST
@pytest.mark.parametrize(
    "mask, width",  # keys and values are kept, or projected again
    [
        (MASK, 32),
        (None, 8),
        *(pytest.param(*values, marks=pytest.mark.slow) for values in ((MASK, 8), (None, 32))),
    ],
)
def test_outputs_and_gradients_are_the_same(graph, config, mask, width):
    config.hidden_size = width
    fetches = []
    for for_tpu in (False, True):
        with reused():
            model = model_of(config, for_tpu, mask)
        loss = loss_of(model)
        fetches.append([loss, *model.get_all_encoder_layers(), *gradients_of(loss)])
    assert_same(*run(fetches), 2e-5)


def test_variables_are_the_same(config):
    names = []
    for for_tpu in (False, True):
        with tf.Graph().as_default():
            model_of(config, for_tpu)
            names.append([(v.name, v.shape.as_list()) for v in tf.trainable_variables()])
    assert names[0] == names[1]


def test_half_precision_is_close(graph, config):
    with reused():
        plain = model_of(config, False).get_sequence_output()
        half = model_of(config, True, compute_dtype=tf.bfloat16).get_sequence_output()
    assert half.dtype == tf.bfloat16
    expected, got = run([plain, tf.cast(half, tf.float32)])
    assert 0 < np.abs(got - expected).max() < 0.05 * np.abs(expected).max()


@pytest.fixture
def config_with_dropout(config):
    config.hidden_dropout_prob, config.attention_probs_dropout_prob = 0.25, 0.3
    return config


@pytest.mark.slow
@RESOURCE_FIRST
def test_gradients_with_dropout_are_those_of_what_is_computed(graph, config_with_dropout):
    """Along a direction the loss changes as its gradients say."""
    with layers.seeded_dropout(tf.constant(SEED)):
        loss = loss_of(model_of(config_with_dropout, True))
    variables = tf.trainable_variables()
    rng = np.random.default_rng(1)
    direction = [rng.normal(size=v.shape.as_list()).astype(np.float32) for v in variables]
    steps = [
        tf.group(*(tf.assign_add(v, size * d) for v, d in zip(variables, direction)))
        for size in (1e-3, -2e-3)
    ]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        slopes = session.run(gradients_of(loss))
        session.run(steps[0])
        above = session.run(loss)
        session.run(steps[1])
        below = session.run(loss)
    expected = sum(float((slope * d).sum()) for slope, d in zip(slopes, direction))
    assert (above - below) / 2e-3 == pytest.approx(expected, rel=0.02)


@pytest.mark.slow
@RESOURCE_FIRST
def test_checkpointing_drops_the_same(graph, config_with_dropout):
    fetches = []
    for checkpointing in (False, True):
        with layers.seeded_dropout(tf.constant(SEED)), reused():
            loss = loss_of(
                model_of(config_with_dropout, True, gradient_checkpointing=checkpointing)
            )
        fetches.append([loss, *gradients_of(loss)])
    assert_same(*run(fetches), 1e-5)


@pytest.mark.parametrize("to_a_byte", [True, False])
def test_dropout_of_each_tensor_is_its_own(graph, to_a_byte):
    dropout = tpu_layers.Dropout([100, 500], 0.25, 11, to_a_byte)
    drops = [dropout.next() for _ in range(11)]
    ones = tf.ones([100, 500])
    dropped, again = run([[drop(ones) for drop in drops], drops[3](2.0 * ones)])
    np.testing.assert_array_equal(again, 2.0 * dropped[3])
    kept = np.stack(dropped).reshape(11, -1) > 0
    np.testing.assert_allclose(kept.mean(axis=1), 0.75, atol=0.01)
    np.testing.assert_allclose(np.stack(dropped).max(axis=(1, 2)), 1 / 0.75, rtol=1e-4)
    others = np.corrcoef(kept) - np.eye(11)
    assert np.abs(others).max() < 0.03


def test_bits_as_xla_draws_them():
    with tf.Graph().as_default():

        def build():
            dropout = tpu_layers.Dropout([100, 500], 0.1, 2)
            return [dropout.next()(tf.ones([100, 500])) for _ in range(2)]

        kept = np.stack(run(tf.function(build, jit_compile=True)())) > 0
    np.testing.assert_allclose(kept.mean(axis=(1, 2)), 0.9, atol=0.007)
    assert np.abs(np.corrcoef(*kept.reshape(2, -1))[0, 1]) < 0.03


def test_dropout_by_a_seed_is_the_same_again(graph):
    def built():
        with layers.seeded_dropout(tf.constant(SEED)):
            dropout = tpu_layers.Dropout([10, 50], 0.25, 3)
            weights = tpu_layers.Dropout([2, 3, 5, 5], 0.25, 1, bits_to_a_byte=False)
        drops = [dropout.next() for _ in range(3)]
        return [*(drop(tf.ones([10, 50])) for drop in drops), weights.next()(tf.ones([2, 3, 5, 5]))]

    first, second = run([built(), built()])
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)
    assert 0 < (first[3] == 0).mean() < 0.5


def test_no_dropout_draws_no_bits(graph):
    x = tf.ones([2, 3])
    tpu_layers.Dropout([2, 3], 0.0, 4).next()(x)
    assert not [op for op in tf.get_default_graph().get_operations() if "andom" in op.type]


@pytest.mark.slow
@RESOURCE_FIRST
def test_large_scores(graph, config):
    """As after a training at a high rate: some attend to one token alone."""
    config.initializer_range = 3.0
    fetches = []
    for for_tpu in (False, True):
        with reused():
            model = model_of(config, for_tpu)
        fetches.append([*model.get_all_encoder_layers(), *gradients_of(loss_of(model))])
    assert_same(*run(fetches), 1e-3)


def test_rows_are_looked_up_and_added_up(graph):
    ids = tf.constant([[3, 1], [3, 0]])
    rows, table = embedding_lookup(ids, 5, 4, tpu_dtype=tf.float32)
    weights = np.arange(16, dtype=np.float32).reshape(2, 2, 4)
    (slope,) = tf.gradients(tf.reduce_sum(rows * weights), [table])
    table, rows, slope = run([table, rows, slope])
    np.testing.assert_array_equal(rows, table[[[3, 1], [3, 0]]])
    expected = np.zeros([5, 4], np.float32)
    np.add.at(expected, [3, 1, 3, 0], weights.reshape(4, 4))
    np.testing.assert_array_equal(slope, expected)
