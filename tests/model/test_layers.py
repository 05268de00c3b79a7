"""Layers against formulas written out in NumPy."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.model import embeddings, layers, transformer


def run(outputs, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(outputs, feeds)


def values(*shape):
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def softmax(x):
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def test_shape_list_is_static_where_the_graph_knows(graph):
    x = tf.placeholder(tf.float32, [None, 3, None])
    batch, three, last = layers.get_shape_list(x)
    assert three == 3
    assert run([batch, last], {x: np.zeros([5, 3, 2])}) == [5, 2]
    assert layers.get_shape_list(tf.zeros([4, 6])) == [4, 6]


@pytest.mark.parametrize("expected", [3, [1, 3]])
def test_unexpected_rank_is_named(graph, expected):
    with tf.variable_scope("here"), pytest.raises(ValueError, match=r"'ids'.*'here'.*rank 2.*3"):
        layers.get_shape_list(tf.zeros([4, 6]), expected_rank=expected, name="ids")


def test_expected_ranks_pass(graph):
    layers.assert_rank(tf.zeros([4, 6]), 2)
    layers.assert_rank(tf.zeros([4, 6]), [2, 3])


def test_matrices_and_back(graph):
    x = tf.placeholder(tf.float32, [None, 5, 4])
    matrix = layers.reshape_to_matrix(x)
    assert matrix.shape.as_list() == [None, 4]
    again = layers.reshape_from_matrix(matrix[:, :2], layers.get_shape_list(x))
    np.testing.assert_array_equal(run(again, {x: values(3, 5, 4)}), values(3, 5, 4)[:, :, :2])
    assert layers.reshape_to_matrix(matrix) is matrix
    assert layers.reshape_from_matrix(matrix, [7, 4]) is matrix
    with pytest.raises(ValueError, match="rank >= 2"):
        layers.reshape_to_matrix(tf.zeros([3]))


def gelu_tanh_of(x):
    return x * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_erf_of(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def test_gelu_forms(graph):
    x = np.linspace(-6, 6, 101, dtype=np.float32)
    tanh, erf = run([layers.gelu(tf.constant(x)), layers.gelu_erf(tf.constant(x))])
    x = x.astype(np.float64)
    np.testing.assert_allclose(tanh, gelu_tanh_of(x), atol=1e-6)
    np.testing.assert_allclose(erf, gelu_erf_of(x), atol=1e-6)


def slopes(function, *inputs):
    """Derivatives of a float64 function of arrays, by differences."""
    step = 1e-6
    inputs = [np.asarray(x, np.float64) for x in inputs]
    results = [np.zeros_like(x) for x in inputs]
    for x, result in zip(inputs, results):
        for index in np.ndindex(x.shape):
            kept = x[index]
            x[index] = kept + step
            above = function(*inputs)
            x[index] = kept - step
            result[index] = (above - function(*inputs)) / (2 * step)
            x[index] = kept
    return results


@pytest.mark.parametrize(
    "activation, formula", [(layers.gelu, gelu_tanh_of), (layers.gelu_erf, gelu_erf_of)]
)
def test_gelu_gradients(graph, activation, formula):
    x = np.linspace(-6, 6, 101, dtype=np.float32)
    weights = np.cos(3 * x)
    tensor = tf.constant(x)
    (gradient,) = tf.gradients(activation(tensor), tensor, tf.constant(weights))
    (expected,) = slopes(lambda x: (formula(x) * weights).sum(), x)
    np.testing.assert_allclose(run(gradient), expected, atol=5e-6)


@pytest.mark.parametrize("activation", [layers.gelu, layers.gelu_erf])
def test_gelu_where_squares_overflow(graph, activation):
    x = tf.constant([-3e4, -300, 300, 3e4], tf.float16)
    y = activation(x)
    assert run([y, *tf.gradients(y, x)])[1].tolist() == [0, 0, 1, 1]
    assert run(y / x).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 6)])
def test_layer_norm_gradients(graph, shape):
    x, weights = tf.constant(values(*shape)), np.cos(3 * values(*shape))
    loss = tf.reduce_sum(tf.constant(weights) * layers.layer_norm(x))
    beta, gamma = tf.trainable_variables()
    set_values = [gamma.assign(values(6)), beta.assign(values(6) + 1)]
    gradients = tf.gradients(loss, [x, gamma, beta])

    def formula(x, gamma, beta):
        normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return (weights * (normal * gamma + beta)).sum()

    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(set_values)
        got = session.run(gradients)
    for gradient, expected in zip(got, slopes(formula, values(*shape), values(6), values(6) + 1)):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_activations_by_name():
    assert layers.get_activation("gelu") is layers.gelu
    assert layers.get_activation("GELU_tanh") is layers.gelu
    assert layers.get_activation("gelu_new") is layers.gelu
    assert layers.get_activation("gelu_erf") is layers.gelu_erf
    assert layers.get_activation("relu") is tf.nn.relu
    assert layers.get_activation("tanh") is tf.tanh
    assert layers.get_activation(abs) is abs
    for nothing in ("linear", "", None):
        assert layers.get_activation(nothing) is None
    with pytest.raises(ValueError, match=r"'swish'; known: .*gelu_erf"):
        layers.get_activation("swish")


def test_dense(graph):
    y = layers.dense(tf.constant(values(3, 4)), 5, initializer_range=0.5, activation=tf.tanh)
    kernel, bias = tf.trainable_variables()
    assert [kernel.name, bias.name] == ["dense/kernel:0", "dense/bias:0"]
    got, weights = run([y, kernel])
    np.testing.assert_allclose(got, np.tanh(values(3, 4) @ weights), rtol=1e-5)
    assert np.abs(weights).max() <= 1.0  # cut off at two standard deviations


def test_layer_norm_has_the_small_epsilon(graph):
    x = np.concatenate([values(3, 4), 1e-4 * values(3, 4)])
    y = layers.layer_norm(tf.constant(x))
    assert [v.name for v in tf.trainable_variables()] == ["LayerNorm/beta:0", "LayerNorm/gamma:0"]
    x = x.astype(np.float64)
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
    np.testing.assert_allclose(run(y), expected, rtol=1e-4, atol=1e-5)


def test_layer_norm_keeps_the_dtype(graph):
    y = layers.layer_norm(tf.constant(values(3, 4), tf.bfloat16))
    assert y.dtype == tf.bfloat16
    assert {v.dtype.base_dtype for v in tf.trainable_variables()} == {tf.float32}


def test_dropout_drops_and_keeps_the_mean(graph):
    x = tf.ones([200, 200])
    assert layers.dropout(x, 0.0) is x
    assert layers.dropout(x, None) is x
    y = run(layers.dropout(x, 0.25))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert y.mean() == pytest.approx(1.0, abs=0.02)


def drop_ones(shape, seed, calls=1, rate=0.25):
    """What some calls of dropout make of ones within one context."""
    with layers.seeded_dropout(tf.constant(seed, tf.int32)):
        return [layers.dropout(tf.ones(shape), rate) for _ in range(calls)]


def test_seeded_dropout_hangs_on_seed_and_call(graph):
    first, again = drop_ones([50, 41], [3, 7], calls=2), drop_ones([50, 41], [3, 7], calls=2)
    others = drop_ones([50, 41], [3, 8]) + drop_ones([50, 41], [4, 7])
    plain = layers.dropout(tf.ones([50, 41]), 0.25)
    with tf.Session() as session:
        runs = [session.run([*first, *again, *others, plain]) for _ in range(2)]
    np.testing.assert_array_equal(runs[0][:6], runs[1][:6])
    assert (runs[0][6] != runs[1][6]).any()  # out of the context it hangs on the run
    one, two, one_again, two_again, *rest = runs[0]
    np.testing.assert_array_equal(one, one_again)
    np.testing.assert_array_equal(two, two_again)
    masks = [mask.ravel() - mask.mean() for mask in (one, two, *rest)]
    assert np.abs(np.corrcoef(masks) - np.eye(5)).max() < 0.1


def test_seeded_dropout_within_another(graph):
    with layers.seeded_dropout(tf.constant([3, 7])):
        first = layers.dropout(tf.ones([9, 9]), 0.5)
        (inner,) = drop_ones([9, 9], [3, 7], rate=0.5)
        second = layers.dropout(tf.ones([9, 9]), 0.5)
    got = run([first, inner, second])
    np.testing.assert_array_equal(got[0], got[1])
    assert (got[0] != got[2]).any()


def test_seeded_dropout_is_of_its_thread(graph):
    def operations_of_dropout():
        with tf.Graph().as_default() as graph:
            layers.dropout(tf.ones([9]), 0.5)
        return [op.type for op in graph.get_operations()]

    with layers.seeded_dropout(tf.constant([3, 7])), ThreadPoolExecutor(1) as pool:
        assert "RandomUniform" in pool.submit(operations_of_dropout).result()


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_seeded_dropout_has_its_rate(graph, rate):
    """Within five standard deviations, over both halves of the bits and their neighbours."""
    size = 1_000_001
    (y,) = run(drop_ones([size], [12, -5], rate=rate))
    kept = y > 0
    assert len(np.unique(y)) == 2
    assert y[kept][0] == pytest.approx(1 / (1 - rate), rel=1e-4)
    five = 5 * np.sqrt(rate * (1 - rate) / size)
    assert kept.mean() == pytest.approx(1 - rate, abs=five)
    assert kept[: size // 2].mean() == pytest.approx(1 - rate, abs=2 * five)
    for distance in (1, 2, 4, (size + 1) // 2):
        both = np.mean(kept[distance:] & kept[:-distance])
        assert both == pytest.approx((1 - rate) ** 2, abs=3 * five)
    assert y.mean() == pytest.approx(1.0, abs=0.003)


def test_seeded_dropout_has_the_gradient_of_what_it_kept(graph):
    x = tf.placeholder(tf.float32, [None, 7])
    slope = tf.constant(values(5, 7))
    with layers.seeded_dropout(tf.constant([1, 2])):
        y = layers.dropout(x, 0.25)
    assert y.shape.as_list() == [None, 7]
    got, gradient = run([y, tf.gradients(y, x, slope)[0]], {x: np.full([5, 7], 3.0)})
    assert set(np.unique(got)) == {np.float32(0), np.float32(4)}
    np.testing.assert_allclose(gradient, values(5, 7) * got / 3, rtol=1e-6)


def test_seeded_dropout_keeps_the_dtype(graph):
    with layers.seeded_dropout(tf.constant([1, 2])):
        assert layers.dropout(tf.ones([3], tf.bfloat16), 0.25).dtype == tf.bfloat16


def test_lookups_agree_and_shapes_fit(graph):
    ids = tf.placeholder(tf.int32, [None, 3])
    rows, table = embeddings.embedding_lookup(ids, 7, 4)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        products, _ = embeddings.embedding_lookup(ids, 7, 4, use_one_hot_embeddings=True)
        pairs, _ = embeddings.embedding_lookup(tf.reshape(ids, [2, 3, 1]), 7, 4)
    assert rows.shape.as_list() == [None, 3, 4]
    feed = {ids: [[0, 6, 6], [1, 2, 3]]}
    got, other, third, weights = run([rows, products, pairs, table], feed)
    np.testing.assert_array_equal(got, weights[feed[ids]])
    np.testing.assert_array_equal(other, got)
    np.testing.assert_array_equal(third, got)


def test_segments_and_positions_are_added(graph):
    x, segments = values(2, 3, 4), np.array([[0, 0, 1], [1, 0, 1]])
    y = embeddings.embedding_postprocessor(
        tf.constant(x),
        use_token_type=True,
        token_type_ids=tf.constant(segments),
        token_type_vocab_size=2,
        max_position_embeddings=5,
        dropout_prob=0.0,
    )
    by_name = {v.op.name: v for v in tf.trainable_variables()}
    assert list(by_name) == [
        "token_type_embeddings",
        "position_embeddings",
        "LayerNorm/beta",
        "LayerNorm/gamma",
    ]
    got, types, positions = run(
        [y, by_name["token_type_embeddings"], by_name["position_embeddings"]]
    )
    total = x + types[segments] + positions[:3]
    expected = (total - total.mean(-1, keepdims=True)) / total.std(-1, keepdims=True)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_sequences_longer_than_the_position_table(graph):
    with pytest.raises(ValueError, match="6 tokens, but the model knows 5 positions"):
        embeddings.embedding_postprocessor(tf.zeros([2, 6, 4]), max_position_embeddings=5)
    x = tf.placeholder(tf.float32, [None, None, 4])
    with tf.variable_scope("dynamic"):
        y = embeddings.embedding_postprocessor(x, max_position_embeddings=5, dropout_prob=0.0)
    assert run(y, {x: values(2, 5, 4)}).shape == (2, 5, 4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_position_embeddings"):
        run(y, {x: values(2, 6, 4)})


def test_segments_that_are_missing(graph):
    with pytest.raises(ValueError, match="token_type_ids"):
        embeddings.embedding_postprocessor(tf.zeros([2, 3, 4]), use_token_type=True)


def test_attention_mask_is_spread(graph):
    mask = transformer.create_attention_mask_from_input_mask(
        tf.zeros([2, 3]), tf.constant([[1, 1, 0, 0], [1, 0, 0, 0]])
    )
    got = run(mask)
    assert got.shape == (2, 3, 4)
    np.testing.assert_array_equal(got[0], [[1, 1, 0, 0]] * 3)


@pytest.mark.parametrize("as_matrix", [False, True])
def test_attention_is_the_formula(graph, as_matrix):
    batch, source, target, heads, size = 2, 3, 5, 2, 4
    x, memory = values(batch, source, 6), values(batch, target, 7)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])
    arguments = {"num_attention_heads": heads, "size_per_head": size, "initializer_range": 0.3}
    if as_matrix:
        arguments.update(
            batch_size=batch, from_seq_length=source, to_seq_length=target, do_return_2d_tensor=True
        )
    y = transformer.attention_layer(
        tf.constant(x.reshape(-1, 6) if as_matrix else x),
        tf.constant(memory.reshape(-1, 7) if as_matrix else memory),
        attention_mask=tf.constant(mask[:, None, :]),
        **arguments,
    )
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        spread = transformer.attention_layer(
            tf.constant(x),
            tf.constant(memory),
            attention_mask=tf.constant(np.repeat(mask[:, None, :], source, axis=1)),
            num_attention_heads=heads,
            size_per_head=size,
        )
    names = [v.op.name for v in tf.trainable_variables()]
    assert names == [
        f"{n}/{part}" for n in ("query", "key", "value") for part in ("kernel", "bias")
    ]
    got, other, weights = run([y, spread, tf.trainable_variables()])

    def split(states, kernel):
        return (states @ kernel).reshape(batch, -1, heads, size).transpose(0, 2, 1, 3)

    query, key, value = (
        split(states, kernel) for states, kernel in zip((x, memory, memory), weights[::2])
    )
    scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(size)
    scores = np.where(mask[:, None, None, :] == 1, scores, -np.inf)
    expected = (softmax(scores) @ value).transpose(0, 2, 1, 3).reshape(batch, source, heads * size)
    np.testing.assert_allclose(got, expected.reshape(got.shape), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other, expected, rtol=1e-4, atol=1e-5)


def test_attention_refuses_what_does_not_fit(graph):
    with pytest.raises(ValueError, match="rank 3, to_tensor 2"):
        transformer.attention_layer(tf.zeros([2, 3, 4]), tf.zeros([6, 4]))
    with pytest.raises(ValueError, match="matrices need batch_size"):
        transformer.attention_layer(tf.zeros([6, 4]), tf.zeros([6, 4]), batch_size=2)


def test_transformer_refuses_what_does_not_fit(graph):
    with pytest.raises(ValueError, match=r"hidden_size 30 is not a multiple of .* 4"):
        transformer.transformer_model(
            tf.zeros([2, 3, 30]), hidden_size=30, num_attention_heads=4, num_hidden_layers=1
        )
    with pytest.raises(ValueError, match="8 wide"):
        transformer.transformer_model(
            tf.zeros([2, 3, 8]), hidden_size=16, num_attention_heads=4, num_hidden_layers=1
        )


def test_last_layer_is_the_default_output(graph):
    x = tf.constant(values(2, 3, 8))
    arguments = {
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 5,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    every = transformer.transformer_model(x, do_return_all_layers=True, **arguments)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        last = transformer.transformer_model(x, **arguments)
    assert [layer.shape.as_list() for layer in every] == [[2, 3, 8]] * 2
    got, expected = run([last, every[-1]])
    np.testing.assert_array_equal(got, expected)
