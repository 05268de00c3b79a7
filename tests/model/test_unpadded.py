"""Without padding: the numbers of the padded batch."""

import numpy as np
import pytest
from variable_kinds import RESOURCE_FIRST

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertModel
from bert_wwm.model.layers import seeded_dropout

LENGTH = 12


def mask_of(lengths):
    return np.arange(LENGTH) < np.asarray(lengths)[:, None]


MASKS = {
    "one sequence": mask_of([5]),
    "one token": mask_of([1]),
    "fewer sequences than groups": mask_of([12, 3, 1]),
    "as many as groups": mask_of([3, 12, 1, 7, 7, 2, 9, 4]),
    "more than groups": mask_of(np.random.default_rng(1).integers(1, LENGTH + 1, 21)),
    "no padding": mask_of([LENGTH] * 9),
    "padding alone": mask_of([6, 0, 5, 0]),
    "padding between tokens": np.random.default_rng(2).integers(0, 2, [9, LENGTH]) > 0,
}


def model_of(config, mask, skip_padding, ids=None, **arguments):
    rng = np.random.default_rng(3)
    ids = rng.integers(1, 50, mask.shape) if ids is None else ids
    return BertModel(
        config,
        True,
        *(tf.convert_to_tensor(x, tf.int32) for x in (ids, mask, rng.integers(0, 2, mask.shape))),
        scope="bert",
        skip_padding=skip_padding,
        **arguments,
    )


def outputs_of(model, mask):
    """What tokens have of the embeddings and of all layers, and the pooled first ones."""
    layers = [model.get_embedding_output(), *model.get_all_encoder_layers()]
    pooled = model.get_pooled_output()
    first = tf.boolean_mask(pooled, mask[:, 0])  # there is none without a first token
    return [tf.cast(x, tf.float32) for x in (*(tf.boolean_mask(x, mask) for x in layers), first)]


def loss_of(outputs):
    """With another weight for each element."""
    terms = []
    for number, output in enumerate(outputs, start=1):
        x = tf.reshape(output, [-1])
        terms.append(tf.reduce_sum(x * tf.sin(number * tf.cast(tf.range(tf.size(x)), tf.float32))))
    return tf.add_n(terms)


def both_ways(config, mask, **arguments):
    """Outputs and gradients with padding, and without, of the same weights."""
    fetches = []
    for skip_padding in (False, True):
        with tf.variable_scope(tf.get_variable_scope(), reuse=skip_padding):
            outputs = outputs_of(model_of(config, mask, skip_padding, **arguments), mask)
        variables = tf.trainable_variables()
        gradients = map(tf.convert_to_tensor, tf.gradients(loss_of(outputs), variables))
        fetches.append((outputs, list(gradients)))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


def assert_same(padded, unpadded, tolerance):
    """Within a fraction of the largest number of all."""
    for expected, got in zip(padded, unpadded):
        assert len(expected) == len(got) > 3
        scale = max(np.abs(x).max(initial=0) for x in expected)
        assert scale > 0.1
        for a, b in zip(expected, got):
            np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance * scale)


def masks_by_speed():
    """All masks: one for make check, two more for make test."""
    marks = {
        "padding between tokens": [],
        "padding alone": pytest.mark.slow,
        "more than groups": pytest.mark.slow,
    }
    return [pytest.param(name, marks=marks.get(name, pytest.mark.long)) for name in MASKS]


@RESOURCE_FIRST
@pytest.mark.parametrize("name", masks_by_speed())
def test_outputs_and_gradients_are_those_of_the_padded_batch(graph, config, name):
    assert_same(*both_ways(config, MASKS[name]), tolerance=1e-5)


@pytest.mark.slow
@RESOURCE_FIRST
@pytest.mark.parametrize("mask", [MASKS["more than groups"]])
@pytest.mark.parametrize(
    "arguments", [{"gradient_checkpointing": True}, {"compute_dtype": tf.bfloat16}], ids=str
)
def test_so_they_are_in_other_forms(graph, config, mask, arguments):
    tolerance = 0.03 if "compute_dtype" in arguments else 1e-5
    assert_same(*both_ways(config, mask, **arguments), tolerance=tolerance)


def test_shapes_may_be_unknown(graph, config):
    ids = tf.placeholder(tf.int32, [None, None])
    mask = tf.placeholder(tf.int32, [None, None])
    model = BertModel(config, True, ids, mask, scope="bert", skip_padding=True)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for name in ("one sequence", "more than groups", "fewer sequences than groups"):
            values = MASKS[name]
            output = session.run(model.get_sequence_output(), {ids: 7 * values, mask: values})
            assert output.shape == (*values.shape, config.hidden_size)
            assert (output[~values] == 0).all() and (output[values] != 0).all()


@pytest.mark.slow
@RESOURCE_FIRST
def test_dropout_is_the_same_where_layers_are_computed_again(graph, config):
    """With one seed; with another one it drops others."""
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.3
    mask = MASKS["more than groups"]
    fetches = []
    for seed, checkpointing in ((1, False), (1, True), (2, False)):
        reused = tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE)
        with reused, seeded_dropout(tf.constant([seed, 5])):
            model = model_of(config, mask, True, gradient_checkpointing=checkpointing)
        outputs = outputs_of(model, mask)
        gradients = tf.gradients(loss_of(outputs), tf.trainable_variables())
        fetches.append((outputs, [tf.convert_to_tensor(gradient) for gradient in gradients]))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        plain, checkpointed, other = session.run(fetches)
    assert_same(plain, checkpointed, tolerance=1e-6)
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(plain[0], other[0]))


def test_heads_have_to_divide_the_width(graph, config):
    config.num_attention_heads = 5
    with pytest.raises(ValueError, match="hidden_size 32 is not a multiple"):
        model_of(config, MASKS["one sequence"], True)


def test_padding_is_not_computed(graph, config):
    """Products of dense layers have a row for each token."""
    mask = MASKS["fewer sequences than groups"]
    model_of(config, mask, True)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        dense = [op for op in graph.get_operations() if op.name.endswith("dense/BiasAdd")]
        rows = {op.name: session.run(tf.shape(op.outputs[0])[0]) for op in dense}
    assert len(rows) == 7
    pooler = rows.pop("bert/pooler/dense/BiasAdd")
    assert pooler == 3 and set(rows.values()) == {16}


def test_a_position_that_the_model_lacks_is_refused(graph, config):
    mask = np.ones([2, 17], np.int32)
    model = BertModel(config, False, tf.constant(mask), tf.constant(mask), skip_padding=True)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match="max_position_embeddings"):
            session.run(model.get_sequence_output())


@pytest.mark.parametrize("arguments", [{}, {"input_mask": [[1]], "for_tpu": True}], ids=str)
def test_what_cannot_skip_padding_is_refused(graph, config, arguments):
    with pytest.raises(ValueError, match="skip_padding needs input_mask, and has no form for TPUs"):
        BertModel(config, False, tf.constant([[1]]), skip_padding=True, **arguments)
