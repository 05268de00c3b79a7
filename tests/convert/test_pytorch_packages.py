"""HFL's packages for PyTorch: bert_config.json, pytorch_model.bin and vocab.txt, as .zip too."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import random_models as models
import torch

from bert_wwm.convert import hugging_face, safetensors_file
from bert_wwm.core.errors import ToolkitError

WEIGHTS = "pytorch_model.bin"


@pytest.fixture
def model():
    return models.random_model(models.config())


@pytest.fixture
def package(model, tmp_path):
    """The folder of a package."""
    folder = tmp_path / "package"
    hugging_face.write_folder(str(folder), model)
    weights = folder / "model.safetensors"
    tensors = safetensors_file.read(str(weights))
    torch.save({n: torch.tensor(np.array(t)) for n, t in tensors.items()}, folder / WEIGHTS)
    (folder / "bert_config.json").write_text(json.dumps(model.config), encoding="utf-8")
    for path in folder.iterdir():
        if path.name not in ("bert_config.json", WEIGHTS, "vocab.txt"):
            path.unlink()
    return folder


def pack(package, within=""):
    path = package.parent / "chinese_wwm_pytorch.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
        for file in package.iterdir():
            stream.write(file, within + file.name)
            stream.writestr(f"__MACOSX/{within}._{file.name}", b"\0")
    return str(path)


def refusal(path):
    with pytest.raises(ToolkitError) as caught:
        hugging_face.read_folder(str(path))
    return str(caught.value)


def test_a_folder(model, package):
    found = hugging_face.read_folder(str(package))
    models.assert_same_weights(found.tensors, model.tensors)
    assert {name: found.config[name] for name in model.config} == model.config
    assert found.vocabulary == model.vocabulary and found.do_lower_case


@pytest.mark.parametrize("within", ["", "chinese_wwm_pytorch/"])
def test_an_archive(model, package, within):
    found = hugging_face.read_folder(pack(package, within))
    models.assert_same_weights(found.tensors, model.tensors)
    assert found.vocabulary == model.vocabulary


@pytest.mark.parametrize("name", ["bert_config_rbt3.json", "macbert_base_config.json"])
def test_other_names_of_the_configuration(model, package, name):
    (package / "bert_config.json").rename(package / name)
    (package / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    found = hugging_face.read_folder(str(package))
    models.assert_same_weights(found.tensors, model.tensors)
    assert not found.do_lower_case


def test_config_json_comes_first(package):
    (package / "config.json").write_text('{"model_type": "roberta"}')
    assert "config.json: a model of type roberta" in refusal(package)


def test_several_configurations_are_none(package):
    (package / "lert_config.json").write_text("{}")
    assert refusal(package) == (
        f"{package}/config.json: no such file; expected the configuration of a BERT"
    )


def cut_weights(package):
    path = package / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])
    return f"{WEIGHTS}: is broken; expected the weights of a model"


def spoil_config(package):
    (package / "bert_config.json").write_text("{")
    return "bert_config.json:1: broken at column 2"


def lose_vocabulary(package):
    (package / "vocab.txt").unlink()
    return "vocab.txt: no such file"


def change_config(package):
    path = package / "bert_config.json"
    path.write_text(path.read_text().replace('"intermediate_size": 12', '"intermediate_size": 16'))
    return " the weights don't fit the configuration"


@pytest.mark.parametrize("spoil", [cut_weights, spoil_config, lose_vocabulary, change_config])
def test_errors_name_the_archive_not_where_it_is_unpacked(package, spoil, tmp_path, monkeypatch):
    expected = spoil(package)
    path = pack(package, "inner/")
    (tmp_path / "unpacked").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "unpacked"))
    error = refusal(path)
    assert error.startswith(f"{path}/inner") and expected in error
    assert "unpacked" not in error and not list((tmp_path / "unpacked").iterdir())


def test_weights_of_an_archive_are_widened(package):
    state = torch.load(package / WEIGHTS, weights_only=True)
    torch.save({name: tensor.bfloat16() for name, tensor in state.items()}, package / WEIGHTS)
    found = hugging_face.read_folder(pack(package))
    assert f"{len(found.tensors)} tensors of type bfloat16 became float32" in found.notes


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_in_an_archive_runs_no_code(package, tmp_path):
    trap = tmp_path / "made by the pickle"
    (package / WEIGHTS).write_bytes(pickle.dumps(Runs(str(trap))))
    error = refusal(pack(package))
    assert f".zip/{WEIGHTS}: is broken, or holds more than tensors" in error
    assert not trap.exists()


def test_a_path_out_of_the_archive_is_written_within_it(model, package, tmp_path):
    path = pack(package)
    with zipfile.ZipFile(path, "a") as stream:
        stream.writestr("../../trap", b"x")
    models.assert_same_weights(hugging_face.read_folder(path).tensors, model.tensors)
    assert not list(tmp_path.rglob("trap"))
