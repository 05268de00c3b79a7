"""Weights of every form that Hugging Face's libraries write, and broken ones in a sentence."""

import json
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
import random_models as models
import torch
import transformers
from safetensors import safe_open

from bert_wwm.convert import hf_weights, hugging_face, names, safetensors_file
from bert_wwm.core.errors import CheckpointError, DataError

CLASSES = [
    "BertForPreTraining",
    "BertModel",
    "BertForMaskedLM",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertForQuestionAnswering",
    "BertForNextSentencePrediction",
]
FORMS = {
    "safetensors": {},
    "safetensors, sharded": {"max_shard_size": "2KB"},
    "bin": {"safe_serialization": False},
    "bin, sharded": {"safe_serialization": False, "max_shard_size": "2KB"},
}


def original(name):
    torch.manual_seed(3)
    values = models.config(hidden_act="gelu")
    return getattr(transformers, name)(transformers.BertConfig(**values, num_labels=2))


def as_google(state, prefix=""):
    """What the conversion should give: each tensor by the table's name and in its layout."""
    found = {}
    for name, tensor in state.items():
        google = names.to_google(prefix + name)
        if google:
            transposed = names.find_row(google).transposed
            found[google] = np.ascontiguousarray(tensor.T if transposed else tensor)
    return found


def read(folder):
    (folder / "vocab.txt").write_text("\n".join(models.PIECES), encoding="utf-8")
    return hugging_face.read_folder(str(folder))


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("form", FORMS)
def test_what_pytorch_classes_save(tmp_path, name, form):
    model = original(name)
    model.save_pretrained(tmp_path, **FORMS[form])
    if "sharded" in form:
        assert len(list(tmp_path.glob("*-of-*"))) > 1
    prefix = "bert." if name == "BertModel" else ""
    expected = as_google({k: v.numpy() for k, v in model.state_dict().items()}, prefix)
    found = read(tmp_path)
    models.assert_same_weights(found.tensors, expected)
    assert all(why.startswith("the same as") for why in found.skipped.values())


KERAS_CLASSES = [
    "TFBertForPreTraining",
    "TFBertModel",
    "TFBertForSequenceClassification",
    "TFBertForQuestionAnswering",
]


@pytest.fixture(scope="module")
def keras(golden, tmp_path_factory):
    """Folders that transformers' Keras classes wrote, with the weights of PyTorch's."""
    folder = tmp_path_factory.mktemp("keras")
    with zipfile.ZipFile(golden / "keras_classes.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("form", ["safetensors", "h5", "h5 sharded"])
@pytest.mark.parametrize("name", KERAS_CLASSES)
def test_what_keras_classes_save(keras, form, name):
    folder = keras / form / name
    assert not list(folder.glob("pytorch_model*"))
    found = read(folder)
    expected = read(keras / "pt" / name)
    models.assert_same_weights(found.tensors, expected.tensors)
    assert found.kind == expected.kind
    assert not found.skipped


@pytest.fixture
def folder(tmp_path):
    original("BertForPreTraining").save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(models.PIECES), encoding="utf-8")
    return tmp_path


def state_of(folder):
    return {n: torch.tensor(t) for n, t in hf_weights.read(str(folder)).tensors.items()}


def save(folder, state, **options):
    for path in folder.glob("*model*"):
        path.unlink()
    torch.save(state, folder / "pytorch_model.bin", **options)


def test_old_names(folder):
    """Files of 2019: gamma and beta, and buffers."""
    expected = read(folder).tensors
    state = state_of(folder)
    for name in [name for name in state if ".LayerNorm." in name]:
        old = name.replace(".weight", ".gamma").replace(".bias", ".beta")
        state[old] = state.pop(name)
    state["bert.embeddings.position_ids"] = torch.arange(24).expand(1, -1)
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"]
    save(folder, state)
    found = read(folder)
    models.assert_same_weights(found.tensors, expected)
    assert found.skipped == {
        "bert.embeddings.position_ids": "no weights: the numbers of the positions",
        "cls.predictions.decoder.weight": "the same as bert.embeddings.word_embeddings.weight",
    }


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "_orig_mod.", "bert.", "module.bert.", "encoder.", "a.module."]
)
def test_the_prefix_of_a_model_within_another_is_removed(folder, prefix):
    expected = read(folder).tensors
    state = state_of(folder)
    save(folder, {prefix + name: tensor for name, tensor in state.items()})
    found = read(folder)
    models.assert_same_weights(found.tensors, expected)
    assert found.origins["bert/pooler/dense/bias"] == f"{prefix}bert.pooler.dense.bias"
    note = f"the prefix {prefix} was removed from the names of {len(state)} tensors"
    assert [each for each in found.notes if "prefix" in each] == [note]


@pytest.mark.parametrize("prefix", ["model.", "module.bert.", "bert.bert."])
def test_the_prefix_of_an_encoder_alone_is_removed(folder, prefix):
    """Its names lack ``bert.``, and a head of the model around it has names of its own."""
    expected = {n: t for n, t in read(folder).tensors.items() if n.startswith("bert/")}
    state = {n[len("bert.") :]: t for n, t in state_of(folder).items() if n.startswith("bert.")}
    head = {"classifier.weight": torch.ones(2, 8), "classifier.bias": torch.zeros(2)}
    save(folder, {**{prefix + name: tensor for name, tensor in state.items()}, **head})
    found = read(folder)
    assert not found.tensors.pop("output_bias").any() and found.tensors.pop("output_weights").all()
    models.assert_same_weights(found.tensors, expected)
    removed = prefix[: -len("bert.")] if prefix.endswith("bert.") else prefix
    note = f"the prefix {removed} was removed from the names of {len(state)} tensors"
    assert note in found.notes


def test_prefixes_of_several_encoders_stay(folder):
    state = state_of(folder)
    save(folder, {f"{side}.{n}": t for n, t in state.items() for side in ("query", "passage")})
    with pytest.raises(CheckpointError, match="has weights of 0 layers"):
        read(folder)


@pytest.mark.parametrize("name", hf_weights.READERS)
@pytest.mark.parametrize(
    "content, what",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "a Git LFS pointer"),
        (b"<!doctype html>\n<title>404</title>", "a web page"),
    ],
)
def test_what_stands_for_weights_is_named(folder, name, content, what):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: {what}"):
        read(folder)


def test_the_old_format_of_pickles(folder):
    expected = read(folder).tensors
    save(folder, state_of(folder), _use_new_zipfile_serialization=False)
    assert (folder / "pytorch_model.bin").read_bytes()[:2] != b"PK"
    models.assert_same_weights(read(folder).tensors, expected)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_sixteen_bits_are_widened(folder, kind, form):
    model = original("BertForPreTraining").to(getattr(torch, kind))
    for path in folder.glob("*model*"):
        path.unlink()
    model.save_pretrained(folder, safe_serialization=form == "safetensors")
    wide = model.to(torch.float32).state_dict()
    found = read(folder)
    models.assert_same_weights(found.tensors, as_google({k: v.numpy() for k, v in wide.items()}))
    assert any(f"of type {kind}" in note and "became float32" in note for note in found.notes)


def test_double_precision_would_lose(folder):
    state = {name: tensor.double() for name, tensor in state_of(folder).items()}
    save(folder, state)
    with pytest.raises(Exception, match=r"is float64; expected float32, float16 or bfloat16"):
        read(folder)


def test_safetensors_before_pickles(folder):
    (folder / "pytorch_model.bin").write_bytes(b"never looked at")
    (folder / "tf_model.h5").write_bytes(b"nor this")
    assert read(folder).tensors


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.1, 0.5, 0.9999])
def test_safetensors_cut_short(folder, share):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"model\.safetensors: is (cut short|empty)"):
        read(folder)


def header(entries, length=None):
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 8,
        b"\xff" * 8,
        b"\xff" * 80,
        header(b"not json"),
        header([1]),
        header({"a": 1}) + b"1234",
        header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}) + b"1234",
        header({"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}) + b"1234",
        header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}) + b"1234",
        header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}) + b"1234",
        header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}) + b"12345678",
        header({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}) + b"1234",
        header({"a": {"dtype": "F32", "shape": "1", "data_offsets": [0, 4]}}) + b"1234",
        header({"a": {"dtype": "U8", "shape": [1] * 101, "data_offsets": [0, 1]}}) + b"1",
        header({"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}) + b"1234",
    ],
)
def test_broken_safetensors(folder, data):
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(DataError, match=r"model\.safetensors: "):
        read(folder)


@pytest.mark.parametrize(
    "spans", [[(0, 8), (4, 12)], [(0, 8), (0, 8)], [(4, 12)], [(0, 4), (8, 12)]]
)
def test_safetensors_that_overlap_or_leave_gaps(tmp_path, spans):
    header = {
        str(number): {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
        for number, (begin, end) in enumerate(spans)
    }
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(12))
    with pytest.raises(DataError, match="is cut short, or no file of safetensors"):
        safetensors_file.read(str(path))


@pytest.mark.parametrize("kind", ["sparse", "float8", "quantized"])
def test_tensors_that_are_no_plain_numbers(folder, kind):
    tensor = {
        "sparse": lambda: torch.eye(4).to_sparse(),
        "float8": lambda: torch.ones(4).to(torch.float8_e4m3fn),
        "quantized": lambda: torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
    }[kind]()
    (folder / "model.safetensors").unlink()
    torch.save({"bert.pooler.dense.bias": tensor}, folder / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model\.bin: .*bias is a tensor of type|broken"):
        read(folder)


def test_safetensors_of_all_types_and_shapes(tmp_path):
    path = str(tmp_path / "a.safetensors")
    tensors = {
        kind: np.arange(6).reshape(2, 3).astype(kind)
        for kind in ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
    }
    tensors.update(scalar=np.float32(3) * np.ones(()), none=np.zeros([0, 3], np.float32))
    tensors["transposed"] = np.arange(6, dtype=np.float32).reshape(2, 3).T
    safetensors_file.write(path, tensors)
    contents = safetensors_file.read(path)
    with safe_open(path, "numpy") as stream:
        assert stream.metadata() == {"format": "pt"}
    assert contents.keys() == tensors.keys()
    for name, tensor in tensors.items():
        found = contents[name]
        assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
        assert (found == tensor).all()
    first = pathlib.Path(path).read_bytes()
    safetensors_file.write(path, dict(reversed(tensors.items())))
    assert pathlib.Path(path).read_bytes() == first


class Runs:
    """Unpickled, it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("how", ["pickle", "torch", "old torch"])
def test_a_pickle_that_runs_code(folder, how):
    trap = folder / "made by the pickle"
    state = {**state_of(folder), "trap": Runs(str(trap))}
    if how == "pickle":
        (folder / "model.safetensors").unlink()
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Runs(str(trap))))
    else:
        save(folder, state, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(DataError, match=r"holds more than tensors.* not read"):
        read(folder)
    assert not trap.exists()


@pytest.mark.parametrize("data", [b"junk", b"PK\x03\x04", b"PK\x03\x04" + b"\0" * 100, b""])
def test_broken_pickles(folder, data):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(data)
    with pytest.raises(DataError, match=r"pytorch_model\.bin: is (broken|empty)"):
        read(folder)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.99])
def test_pickles_cut_short(folder, zipped, share):
    save(folder, state_of(folder), _use_new_zipfile_serialization=zipped)
    path = folder / "pytorch_model.bin"
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"pytorch_model\.bin: is broken"):
        read(folder)


@pytest.mark.parametrize("stored", [[1, 2], {"epoch": 3}, {"model": {}}])
def test_pickles_of_something_else(folder, stored):
    save(folder, stored)
    with pytest.raises(DataError, match="expected tensors by name"):
        read(folder)


def test_broken_hdf5(folder):
    (folder / "model.safetensors").unlink()
    (folder / "tf_model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 20)
    with pytest.raises(DataError, match=r"tf_model\.h5: is broken"):
        read(folder)


def external(stream, secret):
    stream.create_dataset("a", (5,), "u1", external=[(str(secret), 0, 5)])


def virtual(stream, secret):
    layout = h5py.VirtualLayout((5,), "u1")
    layout[:] = h5py.VirtualSource(str(secret), "a", (5,))
    stream.create_virtual_dataset("a", layout)


def linked(stream, secret):
    stream["a"] = h5py.ExternalLink(str(secret), "/")


def soft(stream, secret):
    stream["a"] = h5py.SoftLink("/b")


def huge(stream, secret):
    stream.create_dataset("a", (10**12,), "f4", chunks=(10**6,))


def bomb(stream, secret):
    stream.create_dataset("a", data=np.zeros(10**7, "u1"), compression="gzip")


def test_a_name_in_hdf5_that_is_not_utf8_is_broken(folder):
    (folder / "model.safetensors").unlink()
    with h5py.File(folder / "tf_model.h5", "w") as stream:
        stream.create_dataset("bert_weights", data=np.zeros(3))
    data = (folder / "tf_model.h5").read_bytes()
    (folder / "tf_model.h5").write_bytes(data.replace(b"bert_weights", b"\xffert_weights"))
    with pytest.raises(DataError, match=r"tf_model\.h5: is broken"):
        read(folder)


@pytest.mark.parametrize(
    "make, message",
    [
        (external, "a is stored in other files"),
        (virtual, "a is stored in other files"),
        (linked, "a is a link; expected weights in the file itself"),
        (soft, "a is a link; expected weights in the file itself"),
        (huge, "a declares 4,000,000,000,000 bytes, but the file stores 0 of it"),
        (bomb, "a declares 10,000,000 bytes, but the file stores"),
    ],
)
def test_hdf5_gives_nothing_but_its_own_numbers(folder, tmp_path, make, message):
    secret = tmp_path / "secret"
    secret.write_bytes(b"12345")
    (folder / "model.safetensors").unlink()
    with h5py.File(folder / "tf_model.h5", "w") as stream:
        make(stream, secret)
    with pytest.raises(DataError, match=rf"tf_model\.h5: {message}"):
        read(folder)


@pytest.fixture
def sharded(folder):
    (folder / "model.safetensors").unlink()
    original("BertForPreTraining").save_pretrained(folder, max_shard_size="2KB")
    return folder


def test_missing_shards(sharded):
    gone = sorted(path.name for path in sharded.glob("*-of-*"))[1:3]
    for name in gone:
        (sharded / name).unlink()
    with pytest.raises(DataError, match=f"lacks {gone[0]}, {gone[1]}, of .* parts"):
        read(sharded)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "..", "", "a/b", "a\\b", 3])
def test_an_index_that_reaches_out(sharded, name):
    path = sharded / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["bert.pooler.dense.bias"] = name
    path.write_text(json.dumps(index))
    (sharded.parent / "x").write_bytes(b"")
    with pytest.raises(DataError, match=r"index\.json: (names .*same folder|is broken)"):
        read(sharded)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"weight_map": {}}', '{"weight_map": [1]}'])
def test_a_broken_index(sharded, text):
    (sharded / "model.safetensors.index.json").write_text(text)
    with pytest.raises(DataError, match=r"index\.json:(1:)? (is )?broken"):
        read(sharded)


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"holds no weights; expected model\.safetensors"):
        read(folder)


def test_reading_safetensors_needs_neither_torch_nor_tensorflow(folder):
    code = (
        "import sys; from bert_wwm.convert import hugging_face as h; "
        f"m = h.read_folder({str(folder)!r}); h.write_folder({str(folder / 'new')!r}, m); "
        "heavy = {'torch', 'tensorflow', 'transformers', 'h5py'} & set(sys.modules); "
        "assert m.tensors and not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=pathlib.Path(__file__).parents[2])
