"""Folders and archives with a TensorFlow checkpoint, and those with Hugging Face's weights."""

import zipfile

import pytest

from bert_wwm.convert import forms
from bert_wwm.convert.forms import Forms
from bert_wwm.core.errors import ConfigError, DataError

INDEX, BIN = "bert_model.ckpt.index", "pytorch_model.bin"


@pytest.fixture(params=["folder", "zip"])
def make(request, tmp_path):
    """Makes a folder or an archive with empty files of some names; returns its path."""

    def make(*names):
        folder, archive = tmp_path / "model", tmp_path / "model.zip"
        folder.mkdir()
        with zipfile.ZipFile(archive, "w") as stream:
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).touch()
                stream.writestr(name, b"")
        return str(archive if request.param == "zip" else folder)

    return make


@pytest.mark.parametrize(
    "names, expected",
    [
        ([BIN, "bert_config.json", "vocab.txt"], Forms([], [BIN])),
        (["a/" + BIN, "a/vocab.txt"], Forms([], ["a/" + BIN])),
        ([BIN, "2_Dense/" + BIN], Forms([], [BIN])),
        (["a/" + BIN, "b/model.safetensors"], Forms([], ["a/" + BIN, "b/model.safetensors"])),
        ([INDEX, "bert_model.ckpt.meta", "vocab.txt"], Forms([INDEX], [])),
        (["a/" + INDEX, BIN], Forms(["a/" + INDEX], [BIN])),
        (["model.safetensors.index.json"], Forms([], ["model.safetensors.index.json"])),
        (["__MACOSX/" + BIN, "." + BIN, ".git/" + INDEX, "config.json"], Forms([], [])),
    ],
)
def test_what_is_held(make, names, expected):
    assert forms.find(make(*names)) == expected


def test_each_flag_takes_its_form(make):
    path = make(INDEX, BIN)
    forms.check_flag("tf_checkpoint", path)
    forms.check_flag("hf_model", path)


def test_weights_of_hugging_face_are_no_checkpoint(make):
    path = make("a/" + BIN, "a/config.json")
    forms.check_flag("hf_model", path)
    with pytest.raises(ConfigError) as caught:
        forms.check_flag("tf_checkpoint", path)
    assert str(caught.value).startswith(f"--tf_checkpoint={path}: holds a/{BIN}, weights of")
    assert str(caught.value).endswith(f"; expected --hf_model={path}")


def test_a_checkpoint_is_no_model_of_hugging_face(make):
    path = make("a/" + INDEX)
    forms.check_flag("tf_checkpoint", path)
    with pytest.raises(ConfigError) as caught:
        forms.check_flag("hf_model", path)
    expected = path if path.endswith(".zip") else f"{path}/a/bert_model.ckpt"
    assert str(caught.value).startswith(f"--hf_model={path}: holds a/{INDEX}, a TensorFlow")
    assert str(caught.value).endswith(f"; expected --tf_checkpoint={expected}")


@pytest.mark.parametrize("flag", ["tf_checkpoint", "hf_model"])
def test_prefixes_and_names_on_the_hub_pass(flag, tmp_path):
    forms.check_flag(flag, "hfl/chinese-roberta-wwm-ext")
    forms.check_flag(flag, str(tmp_path / "bert_model.ckpt"))


def test_a_broken_archive_is_named(tmp_path):
    path = tmp_path / "model.zip"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"model\.zip: broken archive"):
        forms.find(str(path))
    with pytest.raises(DataError, match=r"none\.zip: no such file"):
        forms.find(str(tmp_path / "none.zip"))


def test_the_folder_of_weights(tmp_path):
    assert forms.folder_of_weights(str(tmp_path)) == str(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / BIN).touch()
    assert forms.folder_of_weights(str(tmp_path)) == str(tmp_path / "a" / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / BIN).touch()
    with pytest.raises(DataError, match=r"several folders hold weights \(a/b, c\)"):
        forms.folder_of_weights(str(tmp_path))
    (tmp_path / BIN).touch()
    assert forms.folder_of_weights(str(tmp_path)) == str(tmp_path)
