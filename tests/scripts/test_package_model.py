"""The program that makes release archives, as users run it."""

import json
import os
import pathlib
import zipfile

import launcher
import numpy as np
import pytest
from refusals import refusal

from bert_wwm.compat import tf
from bert_wwm.convert import archive, google_folder, names
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.checkpoint import plan_restore, write_variables

PROGRAM = "package_model.py"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(45))]
CONFIG = {
    "vocab_size": len(PIECES),
    "directionality": "bidi",  # keys in no order, one of them unknown: all stay as they are
    "hidden_size": 12,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
}
LERT_HEAD = {
    "cls/predictions/output_pos_layer/kernel": [12, 28],
    "cls/predictions/output_pos_layer/bias": [28],
}


def _make(folder: pathlib.Path, heads: dict[str, list]) -> pathlib.Path:
    """Makes a folder as a training leaves it, with the optimizer's slots."""
    folder.mkdir(parents=True)
    (folder / "bert_config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    rng = np.random.default_rng(1)
    parts = [names.ENCODER, names.POOLER, names.MASKED_LM]
    shapes = {**names.variables(CONFIG, parts), **heads}
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    slots = {f"{name}/{slot}": tensors[name] for name in tensors for slot in ("adam_m", "adam_v")}
    write_variables(str(folder / "model.ckpt-7"), {**tensors, **slots, "global_step": np.int64(7)})
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    return folder


def _flags(folder: pathlib.Path, checkpoint: str = "model.ckpt-7"):
    return [
        f"--tf_checkpoint={folder / checkpoint}",
        f"--bert_config_file={folder}/bert_config.json",
        f"--vocab_file={folder}/vocab.txt",
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return _make(tmp_path_factory.mktemp("training") / "run", {})


def test_the_same_bytes_twice(trained, tmp_path):
    """From other processes, folders and working folders; of the newest checkpoint of a folder."""
    copy = _make(tmp_path / "another" / "place", {})
    for flags in (
        [*_flags(copy, "."), "--name=wwm", f"--output_dir={tmp_path}/out"],
        [*_flags(trained), f"--output_file={tmp_path}/first.zip"],
    ):
        ran = launcher.run(f"scripts/{PROGRAM}", *flags)
        assert ran.stderr == ""
    assert os.listdir(tmp_path / "out") == ["chinese_wwm_L-3_H-12_A-2.zip"]
    data = (tmp_path / "out" / "chinese_wwm_L-3_H-12_A-2.zip").read_bytes()
    assert data == (tmp_path / "first.zip").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["another", "first.zip", "out"]

    with zipfile.ZipFile(tmp_path / "first.zip") as stream:
        stream.extractall(tmp_path / "unpacked")
    assert sorted(os.listdir(tmp_path / "unpacked")) == [
        "bert_config.json",
        "bert_model.ckpt.data-00000-of-00001",
        "bert_model.ckpt.index",
        "vocab.txt",
    ]
    for name in ("bert_config.json", "vocab.txt"):
        assert (tmp_path / "unpacked" / name).read_bytes() == (trained / name).read_bytes()
    prefix, config_file, _ = archive.find_model(str(tmp_path / "unpacked"))
    given, _ = google_folder.read_checkpoint(str(trained / "model.ckpt-7"))
    released, state = google_folder.read_checkpoint(prefix)
    assert state == {}
    assert released.keys() == given.keys()
    for name, tensor in given.items():
        assert released[name].tobytes() == tensor.tobytes()

    with tf.Graph().as_default():
        BertModel(BertConfig.from_json_file(config_file), False, tf.zeros([1, 4], tf.int32))
        plan = plan_restore(tf.trainable_variables(), prefix)
    assert plan.initialized == ()
    assert "\n60 tensors; 121 of the optimizer left out\n" in ran.stdout


def test_a_lert_is_named_so(tmp_path):
    folder = _make(tmp_path / "lert", LERT_HEAD)
    ran = launcher.run(f"scripts/{PROGRAM}", *_flags(folder), f"--output_file={tmp_path}/lert.zip")
    assert ran.stderr == ""
    weights, kind, *_ = ran.stdout.splitlines()
    assert weights.startswith("Weights from ")
    assert kind == "A LERT, by its heads pos: the files are named lert_*"
    with zipfile.ZipFile(tmp_path / "lert.zip") as stream:
        assert stream.namelist() == [
            "lert_config.json",
            "lert_model.ckpt.data-00000-of-00001",
            "lert_model.ckpt.index",
            "vocab.txt",
        ]


@pytest.mark.parametrize("broken", ["config", "vocabulary", "data", "checkpoint"])
def test_what_does_not_fit_is_one_sentence_and_leaves_nothing(tmp_path, broken):
    folder = _make(tmp_path / "run", {})
    expected = "fit"
    if broken == "config":
        values = {**CONFIG, "num_hidden_layers": 2}
        (folder / "bert_config.json").write_text(json.dumps(values), encoding="utf-8")
    elif broken == "vocabulary":
        with open(folder / "vocab.txt", "a", encoding="utf-8") as stream:
            stream.write("more\n")
        expected = "51 pieces"
    elif broken == "data":
        data = folder / "model.ckpt-7.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:1000])
        expected = "broken checkpoint"
    else:
        (folder / "model.ckpt-7.index").unlink()
        expected = "no such checkpoint"
    output = f"--output_file={tmp_path}/out/model.zip"
    assert expected in refusal(PROGRAM, *_flags(folder), output)
    assert not list(tmp_path.glob("out/*")) + list(tmp_path.glob("out/.*"))


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "expected one of --output_file and --output_dir"),
        (["--output_file=a.zip", "--output_dir=b", "--name=c"], "expected one of"),
        (["--output_dir=b"], "expected both or neither"),
        (["--output_file=a.zip", "--name=c"], "expected both or neither"),
        (["--output_dir=b", "--name=../c"], "--name=../c: expected letters"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(trained, flags, sentence):
    assert sentence in refusal(PROGRAM, *_flags(trained), *flags)


def test_an_archive_that_is_there_stays(trained, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"before")
    error = refusal(PROGRAM, *_flags(trained), f"--output_file={tmp_path}/a.zip")
    assert "is there already" in error
    assert (tmp_path / "a.zip").read_bytes() == b"before"
