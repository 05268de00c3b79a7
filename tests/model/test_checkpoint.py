"""What a checkpoint gives, what it can't, and every broken one in a sentence."""

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError
from bert_wwm.model.checkpoint import get_assignment_map_from_checkpoint, plan_restore

STORED = {
    "bert/embeddings/word_embeddings": [5, 4],
    "bert/encoder/layer_0/output/dense/kernel": [4, 4],
    "bert/encoder/layer_1/output/dense/kernel": [4, 4],
    "bert/encoder/layer_1/output/dense/bias": [4],
    "bert/encoder/layer_0/output/dense/kernel/adam_m": [4, 4],
    "bert/encoder/layer_0/output/dense/kernel/adam_v": [4, 4],
    "cls/predictions/output_bias": [5],
    "global_step": [],
}
MODEL = {name: STORED[name] for name in list(STORED)[:2]}


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint whose variables are all 1."""
    with tf.Graph().as_default(), tf.Session() as session:
        for name, shape in STORED.items():
            tf.get_variable(name, shape, initializer=tf.ones_initializer())
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))


def make(shapes):
    return [
        tf.get_variable(name, shape, initializer=tf.zeros_initializer())
        for name, shape in shapes.items()
    ]


def test_plan_sorts_all_names(graph, checkpoint):
    plan = plan_restore(make({**MODEL, "output_weights": [2, 4]}), checkpoint)
    assert plan.checkpoint == checkpoint
    assert plan.restored == tuple(MODEL)
    assert plan.initialized == ("output_weights",)
    assert plan.unused == (
        "bert/encoder/layer_1/output/dense/bias",
        "bert/encoder/layer_1/output/dense/kernel",
        "cls/predictions/output_bias",
    )
    assert plan.optimizer_state == (
        "bert/encoder/layer_0/output/dense/kernel/adam_m",
        "bert/encoder/layer_0/output/dense/kernel/adam_v",
        "global_step",
    )


def test_report_groups_layers(graph, checkpoint):
    plan = plan_restore(make({**MODEL, "output_weights": [2, 4]}), checkpoint)
    assert plan.report().splitlines() == [
        f"Initial weights from {checkpoint}",
        "  from the checkpoint          2",
        "    bert/embeddings/word_embeddings",
        "    bert/encoder/layer_0/* (1)",
        "  from initialisers            1",
        "    output_weights",
        "  left in the checkpoint       3",
        "    bert/encoder/layer_1/* (2)",
        "    cls/predictions/output_bias",
        "  optimizer state, unused      3",
    ]


def test_apply_restores_what_the_plan_says(graph, checkpoint):
    variables = make({**MODEL, "output_weights": [2, 4]})
    plan_restore(variables, checkpoint).apply()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        words, kernel, head = session.run(variables)
    assert (words == 1).all() and (kernel == 1).all() and not head.any()


def test_apply_under_a_strategy(checkpoint):
    strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    with tf.Graph().as_default(), strategy.scope():

        def replica():
            variables = make(MODEL)
            plan_restore(variables, checkpoint).apply()
            return variables[0].read_value()

        values = strategy.experimental_local_results(
            strategy.extended.call_for_each_replica(replica)
        )
        with tf.Session(config=tf.ConfigProto(device_count={"CPU": 2})) as session:
            session.run(tf.global_variables_initializer())
            for value in session.run(values):
                np.testing.assert_array_equal(value, np.ones([5, 4]))


def test_a_folder_means_its_latest_checkpoint(graph, checkpoint, tmp_path):
    assert plan_restore(make(MODEL), str(tmp_path)).checkpoint == checkpoint


def test_other_shapes_are_named(graph, checkpoint):
    variables = make({**MODEL, "bert/embeddings/word_embeddings": [6, 4]})
    with pytest.raises(
        CheckpointError,
        match=r"word_embeddings is \[6, 4\] in the model and \[5, 4\] in the checkpoint",
    ):
        plan_restore(variables, checkpoint)


def test_encoder_variables_must_be_there(graph, checkpoint):
    variables = make(
        {
            **MODEL,
            "bert/encoder/layer_2/output/dense/kernel": [4, 4],
            "bert/encoder/layer_2/output/dense/bias": [4],
            "bert/pooler/dense/bias": [4],
        }
    )
    with pytest.raises(
        CheckpointError, match=r"lacks 3 .*bert/encoder/layer_2/\* \(2\), bert/pooler/dense/bias$"
    ):
        plan_restore(variables, checkpoint)


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def flip(path):
    path.write_bytes(bytes(byte ^ 255 for byte in path.read_bytes()))


@pytest.mark.parametrize(
    "damage",
    [
        lambda index, data: index.unlink(),
        lambda index, data: data.unlink(),
        lambda index, data: cut(index, 0),
        lambda index, data: cut(index, 60),
        lambda index, data: cut(data, 10),
        lambda index, data: flip(index),
        lambda index, data: flip(data),
    ],
    ids=["no index", "no data", "empty index", "cut index", "cut data", "bad index", "bad data"],
)
def test_broken_checkpoints_are_one_sentence(graph, checkpoint, tmp_path, damage):
    damage(tmp_path / "model.ckpt.index", tmp_path / "model.ckpt.data-00000-of-00001")
    with pytest.raises(CheckpointError) as caught:
        plan_restore(make(MODEL), checkpoint)
    assert str(caught.value).startswith(checkpoint)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_one_file_of_a_checkpoint(graph, checkpoint, suffix):
    with pytest.raises(CheckpointError, match="one of the files of a checkpoint"):
        plan_restore(make(MODEL), checkpoint + suffix)


def test_missing_checkpoints(graph, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in this folder"):
        plan_restore(make(MODEL), str(tmp_path))
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        get_assignment_map_from_checkpoint([], str(tmp_path / "model.ckpt"))


def test_googles_assignment_map(graph, checkpoint):
    tvars = make({"cls/predictions/output_bias": [5], "output_weights": [2, 4]})
    assignment_map, names = get_assignment_map_from_checkpoint(tvars, checkpoint)
    assert assignment_map == {"cls/predictions/output_bias": "cls/predictions/output_bias"}
    assert names == {"cls/predictions/output_bias": 1, "cls/predictions/output_bias:0": 1}
    tf.train.init_from_checkpoint(checkpoint, assignment_map)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert (session.run(tvars[0]) == 1).all()
