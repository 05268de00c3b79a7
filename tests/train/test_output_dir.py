"""Folders of something else are refused as --output_dir, with the way to start from them."""

import numpy as np
import pytest

from bert_wwm.core.errors import CheckpointError
from bert_wwm.model.checkpoint import write_variables
from bert_wwm.train.start import check_start

STEP = {"global_step": np.int64(5)}
ENCODER = {"bert/weights": np.ones(2, np.float32)}
PRETRAINED = {**ENCODER, "cls/predictions/output_bias": np.zeros(2, np.float32), **STEP}
CLASSIFIER = {**ENCODER, "output_weights": np.ones(2, np.float32), **STEP}
READER = {**ENCODER, "cls/squad/output_weights": np.ones(2, np.float32), **STEP}


@pytest.mark.parametrize(
    "name, variables, for_task",
    [
        ("bert_model.ckpt", ENCODER, False),
        ("bert_model.ckpt", ENCODER, True),
        ("model.ckpt", PRETRAINED, False),
        ("model.ckpt-5", ENCODER, False),
        ("model.ckpt-5", CLASSIFIER, False),
        ("model.ckpt-5", READER, False),
        ("model.ckpt-5", PRETRAINED, True),
    ],
)
@pytest.mark.parametrize("state", [True, False])
def test_other_weights_are_refused(tmp_path, name, variables, for_task, state):
    prefix = f"{tmp_path}/{name}"
    write_variables(prefix, variables)
    if state:
        (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{name}"\n')
    with pytest.raises(CheckpointError) as error:
        check_start(str(tmp_path), None, for_task)
    assert str(error.value) == (
        f"{prefix}: weights of another program; expected a new folder as --output_dir, and "
        f"--init_checkpoint={prefix} to start from them"
    )


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "tf_model.h5"],
)
def test_a_folder_of_hugging_face_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=f"{name}: weights of another program; .*to_tf"):
        check_start(str(tmp_path), None, for_task=True)


def test_a_checkpoint_in_another_folder_is_named(tmp_path):
    write_variables(f"{tmp_path}/old/model.ckpt-5", PRETRAINED)
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{tmp_path}/old/model.ckpt-5"\n')
    with pytest.raises(CheckpointError, match=f"in another folder; .*={tmp_path}/old/model.ckpt-5"):
        check_start(str(folder), None, for_task=False)


def test_own_weights_are_gone_on_with(tmp_path):
    """A missing --init_checkpoint matters only as long as the folder has no checkpoint."""
    for name, variables, for_task in (
        ("pretraining", PRETRAINED, False),
        ("classifier", CLASSIFIER, True),
        ("reader", READER, True),
    ):
        folder = tmp_path / name
        with pytest.raises(CheckpointError, match="/none: no such checkpoint"):
            check_start(str(folder), f"{tmp_path}/none", for_task)
        write_variables(f"{folder}/model.ckpt-5", variables)
        (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-5"\n')
        check_start(f"{folder}/", f"{tmp_path}/none", for_task)


def test_a_broken_checkpoint_is_left_to_the_training(tmp_path):
    (tmp_path / "model.ckpt-5.index").write_bytes(b"x")
    check_start(str(tmp_path), None, for_task=False)
