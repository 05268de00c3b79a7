"""The table of names is what the graph holds, and reads the same in both directions."""

import pytest
import random_models as models

from bert_wwm.convert import names


@pytest.mark.parametrize(
    "shape, segments, positions",
    [
        ("rbt3", 2, 24),
        ("tiny", 16, 40),
        pytest.param("base", 2, 40, marks=pytest.mark.slow),  # a layer 10
    ],
)
def test_the_table_is_what_the_graph_holds(shape, segments, positions):
    """Shared with the encoder: every trainable variable, with its shape, and no other."""
    from bert_wwm.compat import tf
    from bert_wwm.model import heads, task_heads
    from bert_wwm.model.bert import BertConfig, BertModel

    sizes = {"type_vocab_size": segments, "max_position_embeddings": positions}
    config = BertConfig.from_dict(models.config(shape, **sizes))
    with tf.Graph().as_default():
        ids = tf.zeros([2, 4], tf.int32)
        model = BertModel(config, False, ids)
        states = heads.masked_states(config, model.get_sequence_output(), ids)
        heads.masked_lm(config, states, model.get_embedding_table(), ids, tf.ones([2, 4]))
        heads.sentence_pair(config, model.get_pooled_output(), ids[:, 0])
        task_heads.classes_of_texts(config, model.get_pooled_output(), 5, 0.1)
        task_heads.spans_of_answers(config, model.get_sequence_output(), ids[:, 0], ids[:, 1])
        found = {v.op.name: v.shape.as_list() for v in tf.trainable_variables()}
    parts = dict.fromkeys(row.part for row in names.ROWS)
    assert found == names.variables(config.to_dict(), parts, num_classes=5)


@pytest.mark.parametrize("name", names.ARCHITECTURES)
def test_the_table_is_what_transformers_holds(name):
    """Of each class; but for buffers, and what is tied to something else."""
    import transformers

    values = models.config("rbt3", hidden_act="gelu")
    model = getattr(transformers, name)(transformers.BertConfig(**values, num_labels=2))
    found = {
        (key if key.startswith(("bert.", "cls.", "class", "qa")) else f"bert.{key}"): list(v.shape)
        for key, v in model.state_dict().items()
        if key not in names.TIED
    }
    expected = {}
    num_classes = 1 if name == "BertForMultipleChoice" else 2  # one score for each choice
    for google, shape in names.variables(
        values, names.ARCHITECTURES[name].parts, num_classes
    ).items():
        transposed = names.find_row(google).transposed
        expected[names.to_hugging_face(google)] = shape[::-1] if transposed else shape
    assert found == expected


def test_there_and_back():
    for google in names.variables(models.config("base"), [row.part for row in names.ROWS]):
        assert names.to_google(names.to_hugging_face(google)) == google
    there = [row.hugging_face for row in names.ROWS]
    assert len(set(there)) == len(there)


def test_layers_of_any_number():
    assert (
        names.to_hugging_face("bert/encoder/layer_103/attention/self/query/kernel")
        == "bert.encoder.layer.103.attention.self.query.weight"
    )
    assert names.to_google("bert.encoder.layer.10.output.LayerNorm.bias") == (
        "bert/encoder/layer_10/output/LayerNorm/beta"
    )


@pytest.mark.parametrize(
    "name",
    [
        "bert/encoder/layer_{n}/output/dense/kernel",
        "bert.encoder.layer.{n}.output.dense.weight",
        "bert/encoder/layer_01/output/dense/kernel",
        "bert/encoder/layer_-1/output/dense/kernel",
        "bert/encoder/layer_0/output/dense/kernel/adam_m",
        "cls/predictions/output_pos_layer/kernel",
        "global_step",
        "",
    ],
)
def test_what_is_no_part_of_bert(name):
    assert names.find_row(name) is None
    assert names.to_hugging_face(name) is None
    assert names.to_google(name) is None


def test_parts():
    assert names.find_parts(
        ["cls/seq_relationship/output_bias", "bert/pooler/dense/bias", "x"]
    ) == [
        names.POOLER,
        names.PAIR,
    ]
    model = models.random_model(models.config())
    assert names.find_parts(model.tensors) == models.PRETRAINING
