import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.model import layers
from bert_wwm.model.bert import BertModel
from bert_wwm.model.gradients import custom_gradient


@custom_gradient
def sum_and_product(x, y):
    """Its gradients are wrong on purpose, so that one sees where they come from."""

    def gradient(of_sum, of_product):
        return 10.0 * of_sum, 100.0 * of_product

    return (x + y, x * y), gradient


def test_gradients_are_those_that_are_written_out(graph):
    x = tf.get_variable("x", initializer=2.0)
    y = tf.constant(3.0)
    total, product = sum_and_product(x, y)
    gradients = tf.gradients(total + 5.0 * product, [x, y])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run([total, product, *gradients]) == [5.0, 6.0, 10.0, 500.0]


def test_gradients_within_a_loop(graph):
    x = tf.constant(2.0)

    def body(step, y):
        return step + 1, sum_and_product(y, x)[0]

    _, y = tf.while_loop(lambda step, _: step < 2, body, [0, x])
    with tf.Session() as session:
        # 10 in each of two rounds; what x itself gets is 100 times nothing.
        assert session.run([y, *tf.gradients(y, x)]) == [6.0, 100.0]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "function"])
def test_a_tape_sees_them_too(compiled):
    with tf.init_scope():
        assert tf.executing_eagerly()

    def gradients(x, y):
        with tf.GradientTape() as tape:
            tape.watch([x, y])
            total, product = sum_and_product(x, y)
        return tape.gradient([total, product], [x, y], [tf.constant(1.0), tf.constant(5.0)])

    if compiled:
        gradients = tf.function(gradients)
    got = gradients(tf.constant(2.0), tf.constant(3.0))
    assert [float(gradient) for gradient in got] == [10.0, 500.0]


def dead_operations(graph, results):
    """The operations that no result, an operation or a tensor, depends on."""
    found = set()
    waiting = [getattr(result, "op", result) for result in results]
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [x.op for x in operation.inputs] + list(operation.control_inputs)
    return [op.name for op in graph.get_operations() if op not in found]


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_erf"])
@pytest.mark.parametrize("is_training", [False, True])
def test_nothing_in_a_models_graph_is_dead(config, hidden_act, is_training):
    config.hidden_act = hidden_act
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.1
    ids = np.arange(12).reshape(2, 6)
    with tf.Graph().as_default() as graph, tf.variable_scope("", use_resource=False):
        model = BertModel(
            config, is_training, tf.constant(ids), tf.constant(ids % 2), tf.constant(ids % 2)
        )
        results = [
            model.get_embedding_output(),
            model.get_pooled_output(),
            *model.get_all_encoder_layers(),
            tf.global_variables_initializer(),
        ]
        assert dead_operations(graph, results) == []


def test_numbers_are_those_of_tensorflows_custom_gradient(graph, monkeypatch):
    x = tf.constant(np.linspace(-3, 3, 14).reshape(2, 7), tf.float32)

    def built():
        y = layers.layer_norm(layers.gelu(x), name="norm")
        return [y, *tf.gradients(y[:, 0], [x, *tf.trainable_variables()])]

    ours = built()
    monkeypatch.setattr(layers, "custom_gradient", tf.custom_gradient)
    monkeypatch.setattr(layers, "gelu", tf.custom_gradient(layers.gelu.__wrapped__))
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        theirs = built()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for a, b in zip(*session.run([ours, theirs])):
            np.testing.assert_array_equal(a, b)
