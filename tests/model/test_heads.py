"""Losses of the heads against formulas written out in NumPy."""

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.model import heads

BATCH, SEQUENCE, HIDDEN, VOCABULARY = 2, 6, 32, 50
RNG = np.random.default_rng(5)
STATES = RNG.normal(size=[BATCH, SEQUENCE, HIDDEN]).astype(np.float32)
TABLE = RNG.normal(scale=0.3, size=[VOCABULARY, HIDDEN]).astype(np.float32)
POSITIONS = np.array([[1, 4, 0], [5, 0, 0]], np.int32)
LABELS = np.array([[7, 49, 0], [3, 0, 0]], np.int32)
WEIGHTS = np.array([[1, 1, 0], [1, 0, 0]], np.float32)


def run(outputs):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(outputs)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def masked_lm(config, weights=WEIGHTS):
    table = tf.get_variable("table", initializer=tf.constant(TABLE))
    return heads.masked_lm_output(
        config,
        tf.constant(STATES),
        table,
        tf.constant(POSITIONS),
        tf.constant(LABELS),
        tf.constant(weights),
    )


def test_states_at_positions(graph):
    got = run(heads.gather_indexes(tf.constant(STATES), tf.constant(POSITIONS)))
    np.testing.assert_array_equal(got, STATES[[[0], [1]], POSITIONS].reshape(-1, HIDDEN))


def test_masked_lm_is_the_formula(graph, config):
    config.hidden_act = "relu"
    output = masked_lm(config)
    names = [v.op.name for v in tf.trainable_variables()]
    assert names == [
        "table",
        "cls/predictions/transform/dense/kernel",
        "cls/predictions/transform/dense/bias",
        "cls/predictions/transform/LayerNorm/beta",
        "cls/predictions/transform/LayerNorm/gamma",
        "cls/predictions/output_bias",
    ]
    got, kernel = run([output, tf.trainable_variables()[1]])
    states = np.maximum(STATES[[[0], [1]], POSITIONS].reshape(-1, HIDDEN) @ kernel, 0)
    states = (states - states.mean(-1, keepdims=True)) / states.std(-1, keepdims=True)
    log_probs = log_softmax(states @ TABLE.T)
    losses = -log_probs[np.arange(6), LABELS.ravel()]
    np.testing.assert_allclose(got.log_probs, log_probs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.per_example_loss, losses, rtol=1e-4)
    expected = (losses * WEIGHTS.ravel()).sum() / (WEIGHTS.sum() + 1e-5)
    assert got.loss == pytest.approx(expected, rel=1e-4)


def test_masked_lm_shapes_are_static(graph, config):
    loss, per_example_loss, log_probs = masked_lm(config)
    assert loss.shape.as_list() == []
    assert per_example_loss.shape.as_list() == [6]
    assert log_probs.shape.as_list() == [6, VOCABULARY]


def test_a_batch_without_predictions_costs_nothing(graph, config):
    assert run(masked_lm(config, 0 * WEIGHTS).loss) == 0


def test_the_decoder_trains_the_embeddings(graph, config):
    gradient = tf.gradients(masked_lm(config).loss, tf.trainable_variables()[0])[0]
    assert run(gradient).any()


def test_no_one_hot_labels(graph, config):
    masked_lm(config)
    assert not [op for op in graph.get_operations() if op.type == "OneHot"]


@pytest.mark.parametrize("shape", [[BATCH], [BATCH, 1]])
def test_next_sentence_is_the_formula(graph, config, shape):
    pooled, labels = STATES[:, 0], np.array([1, 0], np.int32)
    output = heads.next_sentence_output(
        config, tf.constant(pooled), tf.constant(labels.reshape(shape))
    )
    weights, bias = tf.trainable_variables()
    assert weights.op.name == "cls/seq_relationship/output_weights"
    assert bias.op.name == "cls/seq_relationship/output_bias"
    got, matrix = run([output, weights])
    assert matrix.shape == (2, HIDDEN)
    log_probs = log_softmax(pooled @ matrix.T)
    np.testing.assert_allclose(got.log_probs, log_probs, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got.per_example_loss, -log_probs[[0, 1], labels], rtol=1e-4)
    assert got.loss == pytest.approx(-log_probs[[0, 1], labels].mean(), rel=1e-4)
