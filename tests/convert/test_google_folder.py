"""Checkpoints are read whole, and written so that the same tensors are the same bytes."""

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.convert.google_folder import read_checkpoint
from bert_wwm.core.errors import CheckpointError
from bert_wwm.model.checkpoint import write_variables

TENSORS = {
    "bert/pooler/dense/kernel": np.arange(12, dtype=np.float32).reshape(3, 4),
    "bert/pooler/dense/bias": np.array([np.nan, -0.0, 1e-45, np.inf], np.float32),
    "cls/half": np.ones([2], np.float16),
}
STATE = {
    "bert/pooler/dense/kernel/adam_m": np.ones([3, 4], np.float32),
    "bert/pooler/dense/kernel/lamb_v": np.ones([3, 4], np.float32),
    "bert/pooler/dense/kernel/Momentum": np.ones([3, 4], np.float32),
    "bert/pooler/dense/kernel/RMSProp_1": np.ones([3, 4], np.float32),
    "bert/pooler/dense/kernel/ExponentialMovingAverage": np.ones([3, 4], np.float32),
    "bert/pooler/dense/kernel/of_another/optimizer": np.ones([3, 4], np.float32),
    "loss_scale": np.array(2, np.float32),
    "loss_scale/skipped_steps": np.array(2, np.int64),
    "good_steps": np.array(2, np.int64),
    "save_counter/.ATTRIBUTES/VARIABLE_VALUE": np.array(2, np.int64),
    "global_step": np.array(7, np.int64),
}


@pytest.fixture
def prefix(tmp_path):
    prefix = str(tmp_path / "bert_model.ckpt")
    write_variables(prefix, {**STATE, **TENSORS})
    return prefix


def same(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert (tensor.dtype, tensor.shape) == (other[name].dtype, other[name].shape)
        assert tensor.tobytes() == other[name].tobytes()


def test_there_and_back(prefix):
    tensors, state = read_checkpoint(prefix)
    same(tensors, TENSORS)
    same(state, STATE)


def test_files(prefix, tmp_path):
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"}


def test_same_bytes(prefix, tmp_path):
    write_variables(str(tmp_path / "other"), dict(reversed([*TENSORS.items(), *STATE.items()])))
    for end in ("index", "data-00000-of-00001"):
        assert (tmp_path / f"other.{end}").read_bytes() == (
            tmp_path / f"bert_model.ckpt.{end}"
        ).read_bytes()


def test_a_folder_as_trainings_leave_it(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable("bert/x", [2, 2], initializer=tf.ones_initializer())
        step = tf.train.get_or_create_global_step()
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model.ckpt"), step)
        assert variable.op.name == "bert/x"
    tensors, state = read_checkpoint(str(tmp_path))
    assert list(tensors) == ["bert/x"] and list(state) == ["global_step"]


def test_google_researchs_way_in(prefix):
    """init_from_checkpoint, as its run_pretraining.py calls it."""
    with tf.Graph().as_default(), tf.Session() as session:
        kernel = tf.get_variable("bert/pooler/dense/kernel", [3, 4])
        tf.train.init_from_checkpoint(prefix, {kernel.op.name: kernel.op.name})
        session.run(tf.global_variables_initializer())
        assert (session.run(kernel) == TENSORS["bert/pooler/dense/kernel"]).all()


def test_saver_reads_it(prefix):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.get_variable("global_step", [], tf.int64, tf.zeros_initializer())
        tf.train.Saver([step]).restore(session, prefix)
        assert session.run(step) == 7


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "no index", "no data"])
def test_broken(prefix, tmp_path, damage):
    index, data = (
        tmp_path / "bert_model.ckpt.index",
        tmp_path / "bert_model.ckpt.data-00000-of-00001",
    )
    whole = data.read_bytes()
    if damage == "flipped":
        data.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    elif damage == "cut":
        data.write_bytes(whole[:-1])
    elif damage == "empty":
        index.write_bytes(b"")
    else:
        (index if damage == "no index" else data).unlink()
    with pytest.raises(CheckpointError, match=r"no such checkpoint|broken checkpoint"):
        read_checkpoint(prefix)


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="can't be written"):
        write_variables(str(tmp_path / "file" / "model.ckpt"), TENSORS)
