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


def masked_lm(config):
    table = tf.get_variable("table", initializer=tf.constant(TABLE))
    states = heads.masked_states(config, tf.constant(STATES), tf.constant(POSITIONS))
    return heads.masked_lm(config, states, table, tf.constant(LABELS), tf.constant(WEIGHTS))


def values(prediction):
    """Log probabilities, losses and hits."""
    return prediction.log_probs(), prediction.losses(), prediction.hits()


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
    (log_probs, losses, hits), weights, kernel = run(
        [values(output), output.weights, tf.trainable_variables()[1]]
    )
    states = np.maximum(STATES[[[0], [1]], POSITIONS].reshape(-1, HIDDEN) @ kernel, 0)
    states = (states - states.mean(-1, keepdims=True)) / states.std(-1, keepdims=True)
    expected = log_softmax(states @ TABLE.T)
    np.testing.assert_allclose(log_probs, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(losses, -expected[np.arange(6), LABELS.ravel()], rtol=1e-4)
    np.testing.assert_array_equal(hits, expected.argmax(-1) == LABELS.ravel())
    np.testing.assert_array_equal(weights, WEIGHTS.ravel())


def test_masked_lm_shapes_are_static(graph, config):
    prediction = masked_lm(config)
    assert prediction.losses().shape.as_list() == [6]
    assert prediction.log_probs().shape.as_list() == [6, VOCABULARY]


def test_the_decoder_trains_the_embeddings(graph, config):
    gradient = tf.gradients(masked_lm(config).losses(), tf.trainable_variables()[0])[0]
    assert run(gradient).any()


def test_no_one_hot_labels(graph, config):
    masked_lm(config)
    assert not [op for op in graph.get_operations() if op.type == "OneHot"]


@pytest.mark.parametrize("shape", [[BATCH], [BATCH, 1]])
def test_a_pair_is_the_formula(graph, config, shape):
    pooled, labels = STATES[:, 0], np.array([1, 0], np.int32)
    output = heads.sentence_pair(config, tf.constant(pooled), tf.constant(labels.reshape(shape)))
    weights, bias = tf.trainable_variables()
    assert weights.op.name == "cls/seq_relationship/output_weights"
    assert bias.op.name == "cls/seq_relationship/output_bias"
    (log_probs, losses, _), ones, matrix = run([values(output), output.weights, weights])
    assert matrix.shape == (2, HIDDEN)
    expected = log_softmax(pooled @ matrix.T)
    np.testing.assert_allclose(log_probs, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(losses, -expected[[0, 1], labels], rtol=1e-4)
    np.testing.assert_array_equal(ones, [1, 1])


def test_linguistic_is_a_dense_layer_on_the_masked_states(graph, config):
    states = tf.constant(STATES[0])
    labels = np.array([[1, 2, 0], [0, 3, 0]], np.int32)
    output = heads.linguistic(config, states, "ner", 4, tf.constant(labels), tf.constant(WEIGHTS))
    kernel, bias = tf.trainable_variables()
    assert kernel.op.name == "cls/predictions/output_ner_layer/kernel"
    assert bias.op.name == "cls/predictions/output_ner_layer/bias"
    (log_probs, losses, hits), matrix = run([values(output), kernel])
    expected = log_softmax(STATES[0] @ matrix)
    np.testing.assert_allclose(log_probs, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(losses, -expected[np.arange(6), labels.ravel()], rtol=1e-4)
    np.testing.assert_array_equal(hits, expected.argmax(-1) == labels.ravel())


MASK = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]], np.int32)
TARGETS = np.array([[4, 1, 0], [2, 0, 0]], np.int32)


def position(config, dropout_prob=0.0):
    return heads.position(
        config,
        tf.constant(STATES),
        tf.constant(MASK),
        tf.constant(POSITIONS),
        tf.constant(TARGETS),
        tf.constant(WEIGHTS),
        dropout_prob,
    )


def test_position_is_the_formula(graph, config):
    config.hidden_act = "relu"
    output = position(config)
    kernel, _, _, _, bias = tf.trainable_variables()
    assert bias.op.name == "cls/permutation/output_bias"
    assert bias.shape.as_list() == [config.max_position_embeddings]
    by_position = RNG.normal(size=bias.shape.as_list()).astype(np.float32)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        bias.load(by_position, session)
        (log_probs, losses, _), matrix = session.run([values(output), kernel])
    states = np.maximum(STATES[[[0], [1]], POSITIONS] @ matrix, 0)
    states = (states - states.mean(-1, keepdims=True)) / states.std(-1, keepdims=True)
    scores = np.einsum("bph,bsh->bps", states, STATES) + by_position[:SEQUENCE]
    scores = np.where(MASK[:, None] == 1, scores, -np.inf)
    expected = log_softmax(scores).reshape(6, SEQUENCE)
    np.testing.assert_array_equal(np.exp(log_probs[:3, 5]), 0)  # padding
    real = MASK.repeat(3, axis=0) == 1
    np.testing.assert_allclose(log_probs[real], expected[real], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(losses, -expected[np.arange(6), TARGETS.ravel()], rtol=1e-4)


def test_position_has_dropout_in_training(graph, config):
    with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
        plain, dropped = position(config), position(config, 0.5)
    plain, dropped = run([plain.logits, dropped.logits])
    assert (plain != dropped).any()
