"""What a checkpoint gives, what it can't, and every broken one in a sentence."""

import shutil

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError
from bert_wwm.model.checkpoint import (
    check_readable,
    get_assignment_map_from_checkpoint,
    plan_restore,
    read_variables,
)

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


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a checkpoint whose variables are all 1."""
    folder = tmp_path_factory.mktemp("saved")
    with tf.Graph().as_default(), tf.Session() as session:
        for name, shape in STORED.items():
            tf.get_variable(name, shape, initializer=tf.ones_initializer())
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "model.ckpt"))
    return folder


@pytest.fixture
def checkpoint(saved, tmp_path):
    """A copy of that checkpoint."""
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    tf.train.update_checkpoint_state(str(tmp_path), "model.ckpt")
    return str(tmp_path / "model.ckpt")


def make(shapes):
    return [
        tf.get_variable(name, shape, initializer=tf.zeros_initializer())
        for name, shape in shapes.items()
    ]


def test_plan_sorts_all_names(graph, checkpoint):
    plan = plan_restore(make({**MODEL, "output_weights": [2, 4]}), checkpoint)
    assert plan.checkpoint == checkpoint
    assert tuple(plan.sources) == tuple(MODEL)
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
    with tf.Graph().as_default(), tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]).scope():
        strategy = tf.distribute.get_strategy()

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


def deep(layers):
    """The shapes of a model of some layers."""
    shapes = {"bert/embeddings/word_embeddings": [5, 4]}
    for number in range(layers):
        shapes[f"bert/encoder/layer_{number}/output/dense/bias"] = [4]
        shapes[f"bert/encoder/layer_{number}/output/dense/kernel"] = [4, 4]
    return {**shapes, "cls/predictions/output_pos_layer/kernel": [4, 28]}


@pytest.fixture(scope="module")
def twelve_layers(tmp_path_factory):
    """A checkpoint of twelve layers, whose variables are all the number of their layer."""
    with tf.Graph().as_default(), tf.Session() as session:
        for name, shape in deep(12).items():
            value = int(name.split("/")[2][6:]) if "/layer_" in name else 100
            tf.get_variable(name, shape, initializer=tf.constant_initializer(value))
        session.run(tf.global_variables_initializer())
        prefix = tmp_path_factory.mktemp("deep") / "deep.ckpt"
        return tf.train.Saver().save(session, str(prefix))


def test_layers_start_from_those_named(graph, twelve_layers):
    layers = (0, 2, 4, 7, 9, 11)
    variables = make(deep(6))
    plan = plan_restore(variables, twelve_layers, layers=layers)
    assert tuple(plan.sources) == tuple(deep(6))
    kernels = {f"bert/encoder/layer_{n}/output/dense/kernel" for n in range(6)}
    assert {name: plan.sources[name] for name in kernels} == {
        f"bert/encoder/layer_{new}/output/dense/kernel": (
            f"bert/encoder/layer_{old}/output/dense/kernel"
        )
        for new, old in enumerate(layers)
    }
    assert plan.report().splitlines() == [
        f"Initial weights from {twelve_layers}",
        "  from the checkpoint         14",
        "    bert/embeddings/word_embeddings",
        "    bert/encoder/layer_0 <- bert/encoder/layer_0 (2)",
        "    bert/encoder/layer_1 <- bert/encoder/layer_2 (2)",
        "    bert/encoder/layer_2 <- bert/encoder/layer_4 (2)",
        "    bert/encoder/layer_3 <- bert/encoder/layer_7 (2)",
        "    bert/encoder/layer_4 <- bert/encoder/layer_9 (2)",
        "    bert/encoder/layer_5 <- bert/encoder/layer_11 (2)",
        "    cls/predictions/output_pos_layer/kernel",
        "  from initialisers            0",
        "  left in the checkpoint      12",
        "    bert/encoder/layer_1/* (2)",
        "    bert/encoder/layer_3/* (2)",
        "    bert/encoder/layer_5/* (2)",
        "    bert/encoder/layer_6/* (2)",
        "    bert/encoder/layer_8/* (2)",
        "    bert/encoder/layer_10/* (2)",
        "  optimizer state, unused      0",
    ]
    plan.apply()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = dict(zip(deep(6), session.run(variables)))
    for new, old in enumerate(layers):
        assert (values[f"bert/encoder/layer_{new}/output/dense/kernel"] == old).all()
        assert (values[f"bert/encoder/layer_{new}/output/dense/bias"] == old).all()
    assert (values["bert/embeddings/word_embeddings"] == 100).all()


@pytest.mark.parametrize("layers", [None, (0, 1, 2)])
def test_layers_are_the_first_ones_by_default(graph, twelve_layers, layers):
    plan = plan_restore(make(deep(3)), twelve_layers, layers=layers)
    assert plan.sources == {name: name for name in deep(3)}
    assert "    bert/encoder/layer_2/* (2)" in plan.report().splitlines()


def test_a_layer_may_be_taken_twice(graph, twelve_layers):
    variables = make(deep(4))
    plan_restore(variables, twelve_layers, layers=(5, 5, 3, 3)).apply()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = dict(zip(deep(4), session.run(variables)))
    kernels = [values[f"bert/encoder/layer_{n}/output/dense/kernel"][0, 0] for n in range(4)]
    assert kernels == [5, 5, 3, 3]


@pytest.mark.parametrize(
    "layers, message",
    [
        ((0, 1), "--init_layers: 0, 1 are 2 layers; expected 3, one for each layer of the model"),
        ((0, 1, 2, 3), "--init_layers: 0, 1, 2, 3 are 4 layers; expected 3"),
        ((0, 12, 13), r"--init_layers: .*deep.ckpt has no layer 12, 13; expected some of 0, 1, 2"),
        ((0, 1, -1), "has no layer -1;"),
    ],
)
def test_wrong_layers_are_named(graph, twelve_layers, layers, message):
    with pytest.raises(CheckpointError, match=message):
        plan_restore(make(deep(3)), twelve_layers, layers=layers)


def test_layers_under_a_strategy(twelve_layers):
    with tf.Graph().as_default(), tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        strategy = tf.distribute.get_strategy()

        def replica():
            variables = make(deep(2))
            plan_restore(variables, twelve_layers, layers=(4, 9)).apply()
            return [variable.read_value() for variable in variables]

        values = strategy.extended.call_for_each_replica(replica)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            got = [float(value.flat[0]) for value in session.run(values)]
    assert got == [100, 4, 4, 9, 9, 100]


RANDOM = {"bert/embeddings/token_type_embeddings": [2, 4], "bert/pooler/dense/bias": [4]}


@pytest.mark.parametrize(
    "allowed",
    [list(RANDOM), ["bert/embeddings", "bert/pooler/"], ["bert"]],
    ids=["names", "scopes", "all"],
)
def test_what_may_start_at_random(graph, checkpoint, allowed):
    plan = plan_restore(make({**MODEL, **RANDOM}), checkpoint, allow_random=allowed)
    assert tuple(plan.sources) == tuple(MODEL)
    assert plan.initialized == tuple(RANDOM)


def test_all_that_stays_random_has_to_be_allowed(graph, checkpoint):
    with pytest.raises(CheckpointError, match=r"lacks 1 .*random: bert/pooler/dense/bias; --allow"):
        plan_restore(
            make({**MODEL, **RANDOM}), checkpoint, allow_random=["bert/embeddings", "bert/pool"]
        )


def test_other_shapes_may_start_at_random_too(graph, checkpoint):
    variables = make({**MODEL, "bert/embeddings/word_embeddings": [6, 4]})
    words = "bert/embeddings/word_embeddings"
    plan = plan_restore(variables, checkpoint, allow_random=[words])
    assert plan.initialized == (words,)
    assert words in plan.unused


@pytest.mark.parametrize(
    "allowed, message",
    [
        ("bert/poler", "--allow_random_init: the model has no variable or scope 'bert/poler'"),
        ("bert/pool", "the model has no variable or scope 'bert/pool'"),
        ("", "the model has no variable or scope ''"),
        ("bert/encoder", "model.ckpt has all variables of 'bert/encoder'"),
        ("bert/embeddings/word_embeddings", "has all variables of"),
    ],
)
def test_what_allows_nothing_is_an_error(graph, checkpoint, allowed, message):
    variables = make({**MODEL, "bert/pooler/dense/bias": [4]})
    with pytest.raises(CheckpointError, match=message):
        plan_restore(variables, checkpoint, allow_random=["bert/pooler", allowed])


def test_a_folder_means_its_latest_checkpoint(graph, checkpoint, tmp_path):
    assert plan_restore(make(MODEL), str(tmp_path)).checkpoint == checkpoint


def test_other_shapes_are_named(graph, checkpoint):
    variables = make({**MODEL, "bert/embeddings/word_embeddings": [6, 4]})
    with pytest.raises(
        CheckpointError,
        match=r"word_embeddings is float32 \[6, 4\] in the model and float32 \[5, 4\] in the check",
    ):
        plan_restore(variables, checkpoint)


def test_other_types_are_named(graph, checkpoint):
    variables = [tf.get_variable("bert/embeddings/word_embeddings", [5, 4], tf.float16)]
    with pytest.raises(
        CheckpointError,
        match=r"word_embeddings is float16 \[5, 4\] in the model and float32 \[5, 4\] in the check",
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
        CheckpointError,
        match=r"lacks 3 .*bert/encoder/layer_2/\* \(2\), bert/pooler/dense/bias; --allow_random",
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
@pytest.mark.parametrize(
    "content, what",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 411577189\n", "a Git"),
        (b"<!DOCTYPE html><title>404</title>" + b" " * 500, "a web page"),
    ],
    ids=["pointer", "page"],
)
def test_what_stands_for_a_file_of_a_checkpoint_is_named(
    graph, checkpoint, tmp_path, suffix, content, what
):
    (tmp_path / f"model.ckpt{suffix}").write_bytes(content)
    variables = make(MODEL)
    for read in (read_variables, lambda prefix: plan_restore(variables, prefix)):
        with pytest.raises(CheckpointError) as caught:
            read(checkpoint)
        assert str(caught.value).startswith(f"{checkpoint}{suffix}: {what}")


def test_a_checkpoint_of_objects_is_named(graph, tmp_path):
    variables = make({"word_embeddings": [5, 4], "kernel": [4, 4]})
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        saved = tf.train.Checkpoint(
            model=tf.train.Checkpoint(**{"a": variables[0]}), b=variables[1]
        )
        prefix = saved.save(str(tmp_path / "ckpt"), session)
    for read in (check_readable, lambda prefix: plan_restore(make(MODEL), prefix)):
        with pytest.raises(CheckpointError) as caught:
            read(prefix)
        assert str(caught.value).startswith(f"{prefix}: a checkpoint of TensorFlow 2 that holds")
        assert "tf.compat.v1.train.Saver" in str(caught.value)


def test_reading_some_variables(checkpoint):
    only = ["cls/predictions/output_bias", "no/such", "global_step"]
    assert sorted(read_variables(checkpoint, only=only)) == [only[0], only[2]]
    assert list(read_variables(checkpoint, False, only)) == [only[0]]


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_one_file_of_a_checkpoint(graph, checkpoint, suffix):
    with pytest.raises(CheckpointError, match="one of the files of a checkpoint"):
        plan_restore(make(MODEL), checkpoint + suffix)


def test_check_readable_reads_what_no_model_wants(checkpoint, tmp_path):
    check_readable(checkpoint)
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[-1] ^= 1  # of the last variable: the global step
    data.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match=f"{checkpoint}: broken checkpoint: global_step"):
        check_readable(checkpoint)


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"\xff",
        b"no such field",
        b'model_checkpoint_path: "a"',
        b'model_checkpoint_path: "a\\0"',
    ],
)
def test_a_folder_whose_state_names_nothing_means_its_only_checkpoint(
    graph, checkpoint, tmp_path, state
):
    (tmp_path / "checkpoint").write_bytes(state)
    assert plan_restore(make(MODEL), str(tmp_path)).checkpoint == checkpoint
    for path in tmp_path.glob("model.ckpt*"):
        path.unlink()
    with pytest.raises(CheckpointError, match="no checkpoint in this folder"):
        plan_restore([], str(tmp_path))


def test_missing_checkpoints(graph, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in this folder"):
        plan_restore(make(MODEL), str(tmp_path))
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        get_assignment_map_from_checkpoint([], str(tmp_path / "model.ckpt"))
    with pytest.raises(CheckpointError, match=r"/model\.ckpt: no such checkpoint"):
        check_readable(str(tmp_path / "model.ckpt"))


def test_googles_assignment_map(graph, checkpoint):
    tvars = make({"cls/predictions/output_bias": [5], "output_weights": [2, 4]})
    assignment_map, names = get_assignment_map_from_checkpoint(tvars, checkpoint)
    assert assignment_map == {"cls/predictions/output_bias": "cls/predictions/output_bias"}
    assert names == {"cls/predictions/output_bias": 1, "cls/predictions/output_bias:0": 1}
    tf.train.init_from_checkpoint(checkpoint, assignment_map)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert (session.run(tvars[0]) == 1).all()
