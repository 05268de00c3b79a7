"""Which checkpoint the path of a prefix, a release, a run or a copied folder means."""

import shutil

import numpy as np
import pytest

from bert_wwm.core.errors import CheckpointError
from bert_wwm.model.checkpoint import write_variables
from bert_wwm.model.checkpoint_path import resolve


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_variables(str(folder / "any.ckpt"), {"bert/weights": np.ones(2, np.float32)})
    return folder


@pytest.fixture
def save(files, tmp_path):
    """Writes the files of checkpoints; returns the folder."""

    def write(*prefixes, **states):
        for prefix in prefixes:
            (tmp_path / prefix).parent.mkdir(parents=True, exist_ok=True)
            for file in files.iterdir():
                shutil.copy(file, f"{tmp_path / prefix}{file.name[len('any.ckpt') :]}")
        for folder, name in states.items():
            path = tmp_path / folder.replace("root", ".") / "checkpoint"
            path.write_text(f'model_checkpoint_path: "{name}"\n')
        return tmp_path

    return write


def test_a_prefix_is_taken_as_it_is(save):
    folder = save("bert_model.ckpt", "other.ckpt")
    assert resolve(f"{folder}/other.ckpt") == f"{folder}/other.ckpt"


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_file_named_checkpoint_decides(save, slash):
    folder = save("model.ckpt-1", "model.ckpt-2", root="model.ckpt-1")
    assert resolve(f"{folder}{slash}") == f"{folder}/model.ckpt-1"


@pytest.mark.parametrize("named", [None, "/of/another/machine/bert_model.ckpt", "gone.ckpt"])
def test_a_release_holds_one_checkpoint(save, named):
    folder = save("bert_model.ckpt", **({"root": named} if named else {}))
    assert resolve(str(folder)) == f"{folder}/bert_model.ckpt"


def test_a_copied_folder_means_its_own_files(save):
    folder = save("old/model.ckpt-1", "new/model.ckpt-1", "new/model.ckpt-2")
    (folder / "new" / "checkpoint").write_text(
        f'model_checkpoint_path: "{folder}/old/model.ckpt-1"'
    )
    assert resolve(f"{folder}/new") == f"{folder}/new/model.ckpt-1"


def test_a_checkpoint_elsewhere_is_found_where_it_is_named(save):
    folder = save("old/model.ckpt-1")
    (folder / "new").mkdir()
    (folder / "new" / "checkpoint").write_text(
        f'model_checkpoint_path: "{folder}/old/model.ckpt-1"'
    )
    assert resolve(f"{folder}/new") == f"{folder}/old/model.ckpt-1"


def test_of_a_run_the_best_is_meant(save):
    folder = save("model.ckpt-8", "best/model.ckpt-2", root="model.ckpt-8", best="model.ckpt-2")
    assert resolve(str(folder)) == f"{folder}/best/model.ckpt-2"
    assert resolve(f"{folder}/best") == f"{folder}/best/model.ckpt-2"
    assert resolve(f"{folder}/model.ckpt-8") == f"{folder}/model.ckpt-8"
    shutil.rmtree(folder / "best")
    (folder / "best").mkdir()
    assert resolve(str(folder)) == f"{folder}/model.ckpt-8"


def test_several_checkpoints_are_listed(save):
    folder = save("a.ckpt", "b.ckpt", root="c.ckpt")
    with pytest.raises(CheckpointError, match=r"several checkpoints \(a.ckpt, b.ckpt\)"):
        resolve(str(folder))


def test_a_folder_of_several_runs_names_one(save):
    folder = save("rate_1_seed_2/best/model.ckpt-1", "rate_1_seed_3/best/model.ckpt-1")
    for run in folder.iterdir():
        (run / "best" / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"')
    with pytest.raises(CheckpointError, match=rf"such as {folder}/rate_1_seed_2$"):
        resolve(str(folder))


def test_missing_and_unreadable_paths_are_named(tmp_path):
    (tmp_path / "checkpoint").write_bytes(b"")
    for path, message in (
        (tmp_path, "no checkpoint in this folder$"),
        (tmp_path / "none.ckpt", "none.ckpt: no such checkpoint$"),
        (tmp_path / "x.ckpt.index", "one of the files of a checkpoint"),
        ("a/run[1]/model.ckpt", r"TensorFlow can't read checkpoints at a path with \[...\]"),
        ("a\\b", "or a backslash; expected a path without"),
    ):
        with pytest.raises(CheckpointError, match=message):
            resolve(str(path))


@pytest.mark.parametrize(
    "name", ["a[1]", "a[b]c", "a\\b", "a]b", "a[b", "a*b", "a?b", "a{b}", "北 京"]
)
def test_exactly_what_tensorflow_cannot_read_is_refused(save, name):
    from bert_wwm.compat import tf
    from bert_wwm.core.files import is_pattern

    folder = save(f"{name}/model.ckpt-1") / name
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"')
    assert is_pattern(str(folder)) == (tf.train.latest_checkpoint(str(folder)) is None)
