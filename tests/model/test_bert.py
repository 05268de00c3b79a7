"""The model as a whole: configuration, variable names, what the output depends on."""

import json
import math

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError
from bert_wwm.model.bert import BertConfig, BertModel

LAYER = [
    "attention/self/query/kernel [32, 32]",
    "attention/self/query/bias [32]",
    "attention/self/key/kernel [32, 32]",
    "attention/self/key/bias [32]",
    "attention/self/value/kernel [32, 32]",
    "attention/self/value/bias [32]",
    "attention/output/dense/kernel [32, 32]",
    "attention/output/dense/bias [32]",
    "attention/output/LayerNorm/beta [32]",
    "attention/output/LayerNorm/gamma [32]",
    "intermediate/dense/kernel [32, 40]",
    "intermediate/dense/bias [40]",
    "output/dense/kernel [40, 32]",
    "output/dense/bias [32]",
    "output/LayerNorm/beta [32]",
    "output/LayerNorm/gamma [32]",
]
VARIABLES = [
    "bert/embeddings/word_embeddings [50, 32]",
    "bert/embeddings/token_type_embeddings [2, 32]",
    "bert/embeddings/position_embeddings [16, 32]",
    "bert/embeddings/LayerNorm/beta [32]",
    "bert/embeddings/LayerNorm/gamma [32]",
    *(f"bert/encoder/layer_{index}/{name}" for index in range(2) for name in LAYER),
    "bert/pooler/dense/kernel [32, 32]",
    "bert/pooler/dense/bias [32]",
]

IDS = np.array([[2, 7, 9, 4, 3, 0], [2, 8, 3, 0, 0, 0]])
MASK = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0]])
SEGMENTS = np.array([[0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0]])


def run(outputs, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(outputs, feeds)


def model_of(config, is_training=False, ids=IDS, mask=MASK, segments=SEGMENTS, **arguments):
    tensors = [None if x is None else tf.constant(x, tf.int32) for x in (ids, mask, segments)]
    return BertModel(config, is_training, *tensors, **arguments)


def test_variables_are_googles(graph, config):
    model_of(config)
    described = [f"{v.op.name} {v.shape.as_list()}" for v in tf.trainable_variables()]
    assert described == VARIABLES


def test_initial_weights(graph, config):
    model_of(config)
    for name, weights in run({v.op.name: v for v in tf.trainable_variables()}).items():
        if name.endswith(("bias", "beta")):
            assert not weights.any(), name
        elif name.endswith("gamma"):
            assert (weights == 1).all(), name
        else:
            assert 0 < np.abs(weights).max() <= 2 * config.initializer_range, name


def test_outputs_have_their_shapes(graph, config):
    model = model_of(config)
    assert model.get_embedding_output().shape.as_list() == [2, 6, 32]
    assert [layer.shape.as_list() for layer in model.get_all_encoder_layers()] == [[2, 6, 32]] * 2
    assert model.get_sequence_output() is model.get_all_encoder_layers()[-1]
    assert model.get_pooled_output().shape.as_list() == [2, 32]
    assert model.get_embedding_table().shape.as_list() == [50, 32]


def test_shapes_known_only_at_the_run(graph, config):
    ids = tf.placeholder(tf.int32, [None, None])
    model = BertModel(config, False, ids)
    assert run(model.get_sequence_output(), {ids: IDS}).shape == (2, 6, 32)


def test_padding_changes_nothing(graph, config):
    model = model_of(config)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        other = model_of(config, ids=np.where(MASK == 1, IDS, 17), scope="bert")
        shorter = model_of(
            config, ids=IDS[1:, :3], mask=None, segments=SEGMENTS[1:, :3], scope="bert"
        )
    got, same, short = run(
        [m.get_sequence_output() for m in (model, other, shorter)],
    )
    np.testing.assert_array_equal(got[MASK == 1], same[MASK == 1])
    np.testing.assert_allclose(got[1, :3], short[0], atol=1e-5)


def test_defaults_are_no_padding_and_one_segment(graph, config):
    bare = model_of(config, mask=None, segments=None)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        full = model_of(config, mask=np.ones_like(MASK), segments=0 * SEGMENTS, scope="bert")
    got, expected = run([bare.get_pooled_output(), full.get_pooled_output()])
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_one_hot_lookup_is_the_same(graph, config):
    model = model_of(config)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        one_hot = model_of(config, use_one_hot_embeddings=True, scope="bert")
    got, expected = run([one_hot.get_pooled_output(), model.get_pooled_output()])
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_dropout_only_in_training(graph, config):
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.5
    before = config.to_dict()
    trained, evaluated = model_of(config, is_training=True), model_of(config)
    assert config.to_dict() == before
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first, second = (session.run(trained.get_sequence_output()) for _ in range(2))
        assert (first != second).any()
        first, second = (session.run(evaluated.get_sequence_output()) for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_scopes(graph, config):
    model_of(config, scope="other")
    assert tf.trainable_variables()[0].op.name == "other/embeddings/word_embeddings"


def test_what_does_not_fit(graph, config):
    with pytest.raises(ValueError, match="'input_mask'"):
        model_of(config, mask=MASK[0], scope="mask")
    with pytest.raises(ValueError, match="rank 1"):
        model_of(config, ids=IDS[0], scope="ids")
    config.num_attention_heads = 5
    with pytest.raises(ValueError, match=r"32 is not a multiple of .* 5"):
        model_of(config, scope="heads")


def test_config_from_json(tmp_path):
    path = tmp_path / "bert_config.json"
    path.write_text(
        json.dumps({"vocab_size": 21128, "directionality": "bidi", "pooler_fc_size": 768})
    )
    config = BertConfig.from_json_file(str(path))
    assert (config.vocab_size, config.hidden_size) == (21128, 768)
    assert (config.directionality, config.pooler_fc_size) == ("bidi", 768)
    assert json.loads(config.to_json_string()) == config.to_dict()
    assert BertConfig.from_dict(config.to_dict()).to_dict() == config.to_dict()
    path.write_text('{"vocab_size": 9, "size_per_head": 64}')
    assert BertConfig.from_json_file(str(path)).size_per_head == 64  # a key unknown to us


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", ":1: broken at column 2"),
        (b"\xff\xfe\xfa", ":1: byte 0xff at column 1 is not UTF-8"),
        ('{"vocab_size": 9, "vocab_size": 8}', "an object has 'vocab_size' twice"),
        pytest.param("[" * 100_000, "too deep to read", id="deep"),
        ("[1]", "a JSON list"),
        ('{"hidden_size": 8}', "vocab_size is missing"),
        ('{"vocab_size": null}', "vocab_size is missing"),
        (None, "no such file"),
        *(
            (json.dumps({"vocab_size": 9, name: value}), rf"bert_config\.json: {name} is ")
            for name, values in {
                "hidden_dropout_prob": (1.5, 1, -1, math.nan, True, "0.1", None),
                "attention_probs_dropout_prob": (1, -0.1, math.inf),
                "initializer_range": (-0.02, math.nan, math.inf, [0.02]),
                "hidden_act": (["gelu"], 3, {}),
                "hidden_size": (768.0, True, 0, -8),
            }.items()
            for value in values
        ),
    ],
)
def test_broken_config_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "bert_config.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=message) as caught:
        BertConfig.from_json_file(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_gelu_is_chosen_by_a_copy(config):
    assert config.with_gelu("erf").hidden_act == "gelu_erf"
    assert config.with_gelu("tanh").hidden_act == "gelu_tanh"
    assert config.hidden_act == "gelu"
    config.hidden_act = "relu"
    assert config.with_gelu("erf").hidden_act == "relu"
    with pytest.raises(ConfigError, match="'fast'; known: erf, tanh"):
        config.with_gelu("fast")


def hugging_face_name(name):
    for old, new in [
        ("bert/", ""),
        ("layer_", "layer/"),
        ("_embeddings", "_embeddings/weight"),
        ("kernel", "weight"),
        ("gamma", "weight"),
        ("beta", "bias"),
    ]:
        name = name.replace(old, new)
    return name.replace("/", ".")


@pytest.mark.slow
@pytest.mark.parametrize(("form", "activation"), [("erf", "gelu"), ("tanh", "gelu_new")])
def test_hugging_faces_model_computes_the_same(config, form, activation):
    import torch
    import transformers

    reference = transformers.BertModel(
        transformers.BertConfig(**{**config.to_dict(), "hidden_act": activation})
    ).eval()
    with tf.Graph().as_default(), tf.Session() as session:
        model = model_of(config.with_gelu(form))
        session.run(tf.global_variables_initializer())
        rng = np.random.default_rng(0)
        weights = {
            v: rng.normal(scale=0.3, size=v.shape.as_list()).astype(np.float32)
            for v in tf.trainable_variables()
        }
        for variable, value in weights.items():
            variable.load(value, session)
        layers, pooled = session.run([model.get_all_encoder_layers(), model.get_pooled_output()])
        state = {
            hugging_face_name(v.op.name): torch.tensor(
                value.T if v.op.name.endswith("kernel") else value
            )
            for v, value in weights.items()
        }
    reference.load_state_dict(state, strict=True)
    with torch.no_grad():
        output = reference(*map(torch.tensor, (IDS, MASK, SEGMENTS)), output_hidden_states=True)
    for ours, theirs in zip(layers, output.hidden_states[1:]):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)
    np.testing.assert_allclose(pooled, output.pooler_output.numpy(), atol=1e-5)
