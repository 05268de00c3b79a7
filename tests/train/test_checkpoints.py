"""Checkpoints of a training that was killed at any moment, and the best of one."""

import json
import os
import pathlib
import shutil
import uuid

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError, ConfigError
from bert_wwm.train import checkpoints
from bert_wwm.train.checkpoints import BestCheckpoint, newest_readable

DATA = ".data-00000-of-00001"


@pytest.fixture
def log():
    return []


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A training's folder with the checkpoints 5, 10 and 100, whose weights are their steps."""
    folder = tmp_path_factory.mktemp("saved")
    with tf.Graph().as_default(), tf.Session() as session:
        weights = tf.get_variable("bert/weights", [50, 50])
        tf.get_variable("bert/weights/adam_m", [50, 50])
        step = tf.train.get_or_create_global_step()
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(sharded=True, save_relative_paths=True)
        for number in (5, 10, 100):
            weights.load(np.full([50, 50], number), session)
            step.load(number, session)
            saver.save(session, f"{folder}/model.ckpt", step)
    return folder


@pytest.fixture
def folder(saved: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of that folder."""
    return shutil.copytree(saved, tmp_path / "out")


def prefix(folder, step):
    return f"{folder}/model.ckpt-{step}"


def weight(checkpoint):
    values = tf.train.NewCheckpointReader(checkpoint).get_tensor("bert/weights")
    assert (values == values[0, 0]).all()
    return values[0, 0]


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


DAMAGES = {
    "cut data": lambda index, data: cut(data, 5000),
    "data without the last byte": lambda index, data: cut(data, data.stat().st_size - 1),
    "empty data": lambda index, data: cut(data, 0),
    "missing data": lambda index, data: data.unlink(),
    "flipped bit": lambda index, data: flip(data),
    "cut index": lambda index, data: cut(index, index.stat().st_size // 2),
    "index without the last byte": lambda index, data: cut(index, index.stat().st_size - 1),
    "empty index": lambda index, data: cut(index, 0),
    "flipped bit of the index": lambda index, data: flip(index),
}


def test_a_reader_takes_what_a_training_has_put_in_the_place(folder, saved, monkeypatch, log):
    for step in (10, 100):
        for file in folder.glob(f"model.ckpt-{step}.*"):
            file.unlink()
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-5"\n')
    check_readable = checkpoints.check_readable

    def check_while_training(prefix):
        monkeypatch.undo()
        for file in saved.glob("model.ckpt-10.*"):
            shutil.copy(file, folder)
        (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-10"\n')
        for file in sorted(folder.glob("model.ckpt-5.*"), reverse=True):
            file.unlink()  # the index first, as TensorFlow does
        check_readable(prefix)

    monkeypatch.setattr(checkpoints, "check_readable", check_while_training)
    assert newest_readable(str(folder), log.append, repair=False) == prefix(folder, 10)
    assert not log and not (folder / "broken").exists()


def damage(folder, step, how="cut data"):
    files = [pathlib.Path(prefix(folder, step) + ending) for ending in (".index", DATA)]
    DAMAGES[how](*files)


def names(folder):
    return sorted(os.listdir(folder))


def test_the_newest_is_taken_as_it_is(folder, log):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert newest_readable(str(folder), log.append) == prefix(folder, 100)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert log == []


@pytest.mark.parametrize("how", DAMAGES)
def test_of_a_broken_one_the_one_before_takes_the_place(folder, log, how):
    damage(folder, 100, how)
    left = [name for name in names(folder) if name.startswith("model.ckpt-100.")]
    assert newest_readable(str(folder), log.append) == prefix(folder, 10)
    assert tf.train.latest_checkpoint(str(folder)) == prefix(folder, 10)
    state = tf.train.get_checkpoint_state(str(folder))
    assert state.all_model_checkpoint_paths == [prefix(folder, 5), prefix(folder, 10)]
    assert names(folder / "broken") == left
    assert not any(name.startswith("model.ckpt-100") for name in names(folder))
    (line,) = log
    assert line.startswith(f"{prefix(folder, 100)}: broken checkpoint: ")
    assert line.endswith(f"; moved to {folder}/broken, and {prefix(folder, 10)} is taken instead")
    assert "\n" not in line

    log.clear()
    assert newest_readable(str(folder), log.append) == prefix(folder, 10)
    assert log == []


def test_what_tensorflow_was_writing_is_removed(folder):
    before = names(folder)
    (folder / "model.ckpt-105_temp").mkdir()
    (folder / "model.ckpt-105_temp" / f"part-00000-of-00001{DATA}.tempstate123").touch()
    number = uuid.uuid4().hex
    for name in ("checkpoint", "graph.pbtxt", "model.ckpt-105.meta"):
        (folder / f"{name}.tmp{number}").touch()
    (folder / "notes.tmp").touch()
    checkpoints.remove_leftovers(str(folder))
    assert sorted(names(folder)) == sorted([*before, "notes.tmp"])


def test_of_two_broken_ones_the_one_before_takes_the_place(folder, log):
    damage(folder, 100)
    damage(folder, 10, "missing data")
    assert newest_readable(str(folder), log.append) == prefix(folder, 5)
    assert tf.train.latest_checkpoint(str(folder)) == prefix(folder, 5)
    assert [line.partition(":")[0] for line in log] == [prefix(folder, 100), prefix(folder, 10)]
    assert {name.partition(".index")[0] for name in names(folder / "broken")} >= {
        "model.ckpt-10",
        "model.ckpt-100",
    }


def test_the_saver_goes_on_after_a_broken_one(folder, log):
    damage(folder, 100)
    newest_readable(str(folder), log.append)
    with tf.Graph().as_default(), tf.Session() as session:
        weights = tf.get_variable("bert/weights", [50, 50])
        tf.get_variable("bert/weights/adam_m", [50, 50])
        tf.train.get_or_create_global_step()
        saver = tf.train.Saver(max_to_keep=2, sharded=True, save_relative_paths=True)
        state = tf.train.get_checkpoint_state(str(folder))
        saver.restore(session, state.model_checkpoint_path)
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        assert (session.run(weights) == 10).all()
        saver.save(session, f"{folder}/model.ckpt", 100)
    assert [name for name in names(folder) if name.endswith(".index")] == [
        "model.ckpt-10.index",
        "model.ckpt-100.index",
    ]
    assert newest_readable(str(folder), log.append) == prefix(folder, 100)
    assert len(log) == 1


@pytest.mark.parametrize(
    "state",
    [
        None,
        b"",
        b"\xff\xfe",
        b"no such field {",
        b'model_checkpoint_path: "model.ckpt-7"\n',
        b'model_checkpoint_path: "/somewhere/else/model.ckpt-7"\n',
    ],
    ids=["missing", "empty", "no text", "no state", "stale", "of another folder"],
)
def test_without_a_state_the_highest_step_is_taken(folder, log, state):
    if state is None:
        (folder / "checkpoint").unlink()
    else:
        (folder / "checkpoint").write_bytes(state)
    assert newest_readable(str(folder), log.append) == prefix(folder, 100)
    assert tf.train.latest_checkpoint(str(folder)) == prefix(folder, 100)
    (line,) = log
    assert line.startswith(f"{folder}/checkpoint names ")
    assert line.endswith(f"; {prefix(folder, 100)} is taken")


def test_without_a_state_broken_ones_are_passed_over(folder, log):
    (folder / "checkpoint").write_bytes(b"")
    damage(folder, 100)
    assert newest_readable(str(folder), log.append) == prefix(folder, 10)
    assert tf.train.latest_checkpoint(str(folder)) == prefix(folder, 10)


def test_a_user_may_go_back(folder, log):
    tf.train.update_checkpoint_state(str(folder), "model.ckpt-10")
    assert newest_readable(str(folder), log.append) == prefix(folder, 10)
    assert log == []


def test_a_copied_folder_goes_on_by_itself(folder, log, tmp_path):
    tf.train.update_checkpoint_state(str(folder), prefix(folder, 10))  # an absolute path
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert newest_readable(str(copy), log.append) == prefix(copy, 10)
    assert tf.train.latest_checkpoint(str(copy)) == prefix(copy, 10)
    assert len(log) == 1


def test_relative_folders(folder, log, monkeypatch):
    monkeypatch.chdir(folder.parent)
    damage(folder, 100)
    assert newest_readable("out/", log.append) == "out/model.ckpt-10"
    assert tf.train.latest_checkpoint("out") == "out/model.ckpt-10"
    assert newest_readable("./out", log.append) == "./out/model.ckpt-10"
    assert len(log) == 1


def test_if_all_are_broken_nothing_is_changed(folder, log):
    for step, how in zip((5, 10, 100), ("flipped bit", "missing data", "empty index")):
        damage(folder, step, how)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match=f"{folder}: no checkpoint can be read") as caught:
        newest_readable(str(folder), log.append)
    assert all(prefix(folder, step) in str(caught.value) for step in (5, 10, 100))
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_folders_without_a_checkpoint(tmp_path, log):
    assert newest_readable(str(tmp_path / "missing"), log.append) is None
    assert newest_readable(str(tmp_path), log.append) is None
    (tmp_path / "model.ckpt-5_temp").mkdir()  # what a save that was killed leaves
    (tmp_path / f"model.ckpt-5{DATA}").write_bytes(b"1")
    assert newest_readable(str(tmp_path), log.append) is None
    (tmp_path / "checkpoint").write_bytes(b"")
    assert newest_readable(str(tmp_path), log.append) is None
    assert tf.train.latest_checkpoint(str(tmp_path)) is None
    (tmp_path / "checkpoint").write_bytes(b'model_checkpoint_path: "model.ckpt-7"\n')
    assert newest_readable(str(tmp_path), log.append) is None
    assert log == []


@pytest.mark.parametrize("results", [[], "x", {"loss": "x"}, {"loss": [1]}, {"loss": {}}])
def test_an_edited_best_is_named(folder, log, results):
    best = BestCheckpoint(str(folder), "loss", log.append)
    best.update({"loss": 1.0}, prefix(folder, 10))
    path = folder / "best" / "best.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "results": results}))
    with pytest.raises(CheckpointError, match=r"best\.json: not what an evaluation wrote"):
        BestCheckpoint(str(folder), "loss", log.append)


def test_a_state_that_names_another_folder_names_none(folder, tmp_path, log):
    tf.train.update_checkpoint_state(str(tmp_path), prefix(folder, 10))
    assert newest_readable(str(tmp_path), log.append) is None


def upload(folder, to):
    """Copies a training's folder to where only TensorFlow sees it, as in a bucket."""
    tf.gfile.MakeDirs(to)
    for path in folder.iterdir():
        tf.gfile.Copy(str(path), f"{to}/{path.name}", overwrite=True)


def test_buckets(folder, log):
    damage(folder, 100)
    upload(folder, "ram://newest/out")
    assert newest_readable("ram://newest/missing", log.append) is None
    assert newest_readable("ram://newest/out", log.append) == "ram://newest/out/model.ckpt-10"
    assert tf.train.latest_checkpoint("ram://newest/out") == "ram://newest/out/model.ckpt-10"
    assert tf.gfile.Exists("ram://newest/out/broken/model.ckpt-100.index")
    assert not tf.gfile.Glob("ram://newest/out/model.ckpt-100*")
    assert len(log) == 1


ACCURACY = "masked_lm_accuracy"


def results(accuracy, loss=2.0):
    return {
        "global_step": np.int64(7),
        "loss": np.float32(loss),
        ACCURACY: np.float32(accuracy),
        "next_sentence_loss": float("nan"),
    }


def files_of(step):
    return {f"model.ckpt-{step}{ending}" for ending in (".index", DATA)}


def check_best(folder, step):
    """The folder holds one checkpoint, whole, and nothing else."""
    assert set(names(folder / "best")) == {"checkpoint", "best.json", *files_of(step)}
    assert tf.train.latest_checkpoint(str(folder / "best")) == prefix(folder / "best", step)
    assert weight(prefix(folder / "best", step)) == step
    assert json.loads((folder / "best" / "best.json").read_text())["step"] == step


def test_the_best_is_kept(folder, log):
    best = BestCheckpoint(str(folder), ACCURACY, log.append)
    assert best.best is None
    assert best.update(results(0.25), prefix(folder, 5))
    check_best(folder, 5)
    assert best.update(results(0.5), prefix(folder, 10))
    check_best(folder, 10)
    assert not best.update(results(0.375), prefix(folder, 100))
    assert not best.update(results(0.5), prefix(folder, 100))
    check_best(folder, 10)
    assert best.best == json.loads((folder / "best" / "best.json").read_text())
    assert best.best == {
        "metric": ACCURACY,
        "value": 0.5,
        "step": 10,
        "checkpoint": "model.ckpt-10",
        "results": {"global_step": 7, "loss": 2.0, ACCURACY: 0.5, "next_sentence_loss": None},
    }
    assert log == [
        f"Best {ACCURACY} so far: 0.2500 at step 5; kept in {folder}/best",
        f"Best {ACCURACY} so far: 0.5000 at step 10, before 0.2500; kept in {folder}/best",
    ]
    assert dict(tf.train.list_variables(str(folder / "best"))) == {
        "bert/weights": [50, 50],
        "global_step": [],
    }
    assert tf.train.load_variable(str(folder / "best"), "global_step") == 10


def test_the_best_in_a_bucket(folder, log):
    upload(folder, "ram://best/out")
    best = BestCheckpoint("ram://best/out", ACCURACY, log.append)
    assert best.update(results(0.25), "ram://best/out/model.ckpt-5")
    assert BestCheckpoint("ram://best/out", ACCURACY, log.append).update(
        results(0.5), "ram://best/out/model.ckpt-10"
    )
    assert {name.rstrip("/") for name in tf.gfile.ListDirectory("ram://best/out/best")} == {
        "checkpoint",
        "best.json",
        *files_of(10),
    }
    latest = tf.train.latest_checkpoint("ram://best/out/best")
    assert latest == "ram://best/out/best/model.ckpt-10"
    assert weight(latest) == 10


def test_of_losses_the_lowest_is_best(folder, log):
    best = BestCheckpoint(str(folder), "loss", log.append)
    assert best.update(results(0.1, 3.0), prefix(folder, 5))
    assert not best.update(results(0.9, 3.5), prefix(folder, 10))
    assert best.update(results(0.1, 2.5), prefix(folder, 100))
    check_best(folder, 100)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_never_best(folder, log, value):
    best = BestCheckpoint(str(folder), ACCURACY, log.append)
    assert not best.update(results(value), prefix(folder, 5))
    assert not (folder / "best").exists()
    assert best.update(results(0.1), prefix(folder, 10))
    assert not best.update(results(value), prefix(folder, 100))
    check_best(folder, 10)


def test_a_restart_goes_on_comparing(folder, log):
    BestCheckpoint(str(folder), ACCURACY, log.append).update(results(0.5), prefix(folder, 10))
    best = BestCheckpoint(str(folder), ACCURACY, log.append)
    assert not best.update(results(0.4), prefix(folder, 100))
    check_best(folder, 10)
    assert best.update(results(0.6), prefix(folder, 100))
    check_best(folder, 100)


def test_another_metric_compares_with_the_kept_results(folder, log):
    BestCheckpoint(str(folder), ACCURACY, log.append).update(results(0.5, 2.0), prefix(folder, 10))
    best = BestCheckpoint(str(folder), "loss", log.append)
    assert not best.update(results(0.6, 2.5), prefix(folder, 100))
    assert best.update(results(0.1, 1.5), prefix(folder, 100))
    with pytest.raises(
        ConfigError,
        match=f"best.json: unknown metric 'sop_loss'; known: loss, {ACCURACY}, next_sentence_loss",
    ):
        BestCheckpoint(str(folder), "sop_loss", log.append)


def test_of_other_scores_the_highest_is_best(folder, log):
    best = BestCheckpoint(str(folder), "f1", log.append)
    assert best.update({"f1": 66.5}, prefix(folder, 10))
    assert not best.update({"f1": 66.4}, prefix(folder, 100))


def test_an_unknown_metric(folder, log):
    best = BestCheckpoint(str(folder), "masked_accuracy", log.append)
    with pytest.raises(
        ConfigError,
        match=f"'masked_accuracy'; known: loss, {ACCURACY}, next_sentence_loss$",
    ):
        best.update(results(0.5), prefix(folder, 10))


class KilledError(Exception):
    """Stands for a kill: nothing catches it."""


def kill_at(monkeypatch, module, name, call):
    """Lets a function raise at its call of that number, counted from 0."""
    original = getattr(module, name)
    calls = []

    def killing(*args, **kwargs):
        calls.append(args)
        if len(calls) > call:
            raise KilledError
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, killing)


STEPS = [
    pytest.param(checkpoints, "write_variables", 0, False, id="weights"),
    pytest.param(checkpoints.files, "write_text", 0, False, id="best.json"),
    pytest.param(checkpoints.files, "write_text", 1, True, id="state"),
    *(pytest.param(checkpoints.files, "remove", call, True, id=f"rm {call}") for call in range(2)),
]


@pytest.mark.parametrize("module, name, call, new", STEPS)
def test_a_kill_leaves_the_former_best_or_the_new_one(
    folder, log, monkeypatch, module, name, call, new
):
    best = BestCheckpoint(str(folder), ACCURACY, log.append)
    best.update(results(0.25), prefix(folder, 10))
    with monkeypatch.context() as patches:
        kill_at(patches, module, name, call)
        with pytest.raises(KilledError):
            best.update(results(0.5), prefix(folder, 100))
    latest = tf.train.latest_checkpoint(str(folder / "best"))
    assert weight(latest) == int(latest.rpartition("-")[2])

    best = BestCheckpoint(str(folder), ACCURACY, log.append)
    check_best(folder, 100 if new else 10)
    assert best.update(results(0.375), prefix(folder, 5)) is not new
    check_best(folder, 100 if new else 5)


def test_leftovers_of_a_kill_are_removed(folder, log):
    best = BestCheckpoint(str(folder), ACCURACY, log.append)
    best.update(results(0.25), prefix(folder, 10))
    leftovers = [
        f".model.ckpt-10{DATA}.x1.tmp",
        "model.ckpt-10.index.0f.tmp",
        f"model.ckpt-9{DATA}",
    ]
    for name in leftovers:
        (folder / "best" / name).write_bytes(b"half")
    (folder / "best" / "notes.txt").write_bytes(b"the user's own")
    BestCheckpoint(str(folder), ACCURACY, log.append)
    assert names(folder / "best") == sorted(["best.json", "checkpoint", "notes.txt", *files_of(10)])


def test_a_kill_while_a_best_of_the_same_step_is_replaced(folder, log, monkeypatch):
    best = BestCheckpoint(str(folder), ACCURACY, log.append)
    best.update(results(0.25), prefix(folder, 10))
    with monkeypatch.context() as patches:
        kill_at(patches, checkpoints, "write_variables", 0)
        with pytest.raises(KilledError):
            best.update(results(0.5), prefix(folder, 10))
    assert tf.train.latest_checkpoint(str(folder / "best")) is None  # not a mixture of two
    best = BestCheckpoint(str(folder), ACCURACY, log.append)
    assert best.update(results(0.125), prefix(folder, 5))
    check_best(folder, 5)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b"\xff", b'{"checkpoint": 1}'])
def test_a_broken_account_of_the_best(folder, log, content):
    (folder / "best").mkdir()
    (folder / "best" / "best.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"best\.json: not what an evaluation wrote"):
        BestCheckpoint(str(folder), ACCURACY, log.append)


def test_checkpoints_that_are_not_there(folder, log):
    best = BestCheckpoint(str(folder), ACCURACY, log.append)
    with pytest.raises(CheckpointError, match=f"{prefix(folder, 7)}: no such checkpoint"):
        best.update(results(0.5), prefix(folder, 7))
    assert not (folder / "best").exists()
