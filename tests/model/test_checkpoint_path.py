"""Which checkpoint the path of a prefix, a release, a run or a copied folder means."""

import pathlib
import shutil

import numpy as np
import pytest

from bert_wwm.core.errors import CheckpointError
from bert_wwm.model import checkpoint, checkpoint_path
from bert_wwm.model.checkpoint import read_variables, write_variables
from bert_wwm.model.checkpoint_path import find_newest, read_newest, resolve


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


@pytest.fixture
def train_on(save, monkeypatch):
    """Lets a training save step 2 and remove step 1 when the latter is opened; counts the reads."""

    def arm(folder, moment):
        opened = []
        open_checkpoint = checkpoint._open

        def remove():
            for file in pathlib.Path(folder).glob("model.ckpt-1.*"):
                file.unlink()

        def open_while_training(prefix):
            opened.append(prefix)
            if len(opened) > 1:
                return open_checkpoint(prefix)
            name = pathlib.Path(folder).relative_to(save()).as_posix()
            save(f"{name}/model.ckpt-2", **{name.replace(".", "root"): "model.ckpt-2"})
            if moment == "before":
                remove()
            reader = open_checkpoint(prefix)
            remove()
            return reader

        monkeypatch.setattr(checkpoint, "_open", open_while_training)
        return opened

    return arm


@pytest.mark.parametrize("moment", ["before", "half way"])
@pytest.mark.parametrize("place", [".", "best"])
def test_a_checkpoint_removed_meanwhile_is_followed_by_the_next(
    save, train_on, capsys, place, moment
):
    root = save(f"{place}/model.ckpt-1", **{place.replace(".", "root"): "model.ckpt-1"})
    folder = (root / place).as_posix()
    opened = train_on(folder, moment)
    assert set(read_variables(str(root))) == {"bert/weights"}
    assert opened == [f"{folder}/model.ckpt-1", f"{folder}/model.ckpt-2"]
    assert capsys.readouterr().out == (
        f"{opened[0]} could not be read; {opened[1]} has taken its place, and is read instead\n"
    )


@pytest.mark.parametrize("moment", ["before", "half way"])
def test_a_checkpoint_that_was_named_has_no_next_one(save, train_on, moment):
    folder = save("model.ckpt-1", root="model.ckpt-1").as_posix()
    opened = train_on(folder, moment)
    with pytest.raises(CheckpointError, match=r"model.ckpt-1: no such checkpoint$"):
        read_variables(f"{folder}/model.ckpt-1")
    assert opened == [f"{folder}/model.ckpt-1"]


def test_an_error_that_is_not_due_to_a_training_is_raised_at_once(save):
    folder = save("model.ckpt-1", root="model.ckpt-1")
    read = []

    def fail(prefix):
        read.append(prefix)
        raise CheckpointError("does not fit")

    with pytest.raises(CheckpointError, match=r"^does not fit$"):
        read_newest(lambda: find_newest(str(folder)), fail)
    assert read == [f"{folder}/model.ckpt-1"]


def test_a_training_that_removes_every_checkpoint_too_soon_is_an_error():
    names, lines = iter("abcdefghijklmnop"), []

    def fail(prefix):
        raise CheckpointError("gone")

    with pytest.raises(CheckpointError, match=r"^k: the 10 checkpoints before it were removed"):
        read_newest(lambda: next(names), fail, lines.append)
    assert len(lines) == 10


def test_the_file_checkpoint_may_change_while_the_folder_is_listed(save, monkeypatch):
    folder = save("model.ckpt-1", root="model.ckpt-1")
    named = checkpoint_path.named_checkpoint

    def name_then_train(place):
        monkeypatch.undo()
        before = named(place)
        save("model.ckpt-2", "model.ckpt-3", root="model.ckpt-3")
        for file in folder.glob("model.ckpt-1.*"):
            file.unlink()
        return before

    monkeypatch.setattr(checkpoint_path, "named_checkpoint", name_then_train)
    assert find_newest(str(folder)) == f"{folder}/model.ckpt-3"
