"""Weights as Hugging Face's libraries have written them over the years, as PyTorch names them."""

import os
import pickle
import re
import struct
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from bert_wwm.convert import safetensors_file
from bert_wwm.core import stand_ins
from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.core.json_files import read_json

# What Hugging Face's classes have no place for, by Google's names: heads of LERT and PERT.
SIDE_FILE = "tf_heads.safetensors"
# Where sentence-transformers keeps what comes after BERT.
MODULES = "modules.json"
INDEX = ".index.json"
_ZIP_MAGIC = b"PK\x03\x04"
# What Keras puts before the names: the layer of the file, and the model.
_KERAS_MODEL = re.compile(r"^(.*/)?tf_bert[^/]*/")
_KERAS_ENDS = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias"}
# What PyTorch raises for bytes that are none of a whole pickle.
_PICKLE_ERRORS = (
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    ArithmeticError,
    struct.error,
)
_OLD_ENDS = {".LayerNorm.gamma": ".LayerNorm.weight", ".LayerNorm.beta": ".LayerNorm.bias"}
_FILE_NAME = re.compile(r"[^/\\]*[^/\\.][^/\\]*")
_MAX_RATIO = 20  # of compression; weights are hardly compressible
_BASE = ("embeddings.", "encoder.", "pooler.")
_BASE_MODEL = "bert."
# Every BERT has them, under this name alone.
_POSITIONS = "embeddings.position_embeddings.weight"


class Weights(NamedTuple):
    """What a folder holds."""

    tensors: dict[str, np.ndarray]  # by PyTorch's names and in its layout
    origins: dict[str, str]  # the name of each as it is in the files
    notes: list[str]  # what one should know of the files, in sentences


def choose(names: list[str]) -> list[str]:
    """Returns, of the names of a folder's files, the weights to read: one form of them.

    Of several files there it is the index, to which ``model-*`` and the like belong.
    """
    forms = (form for name in READERS for form in (name, name + INDEX))
    return [form for form in forms if form in names][:1]


def read(folder: str) -> Weights:
    """Reads the weights in a folder: safetensors rather than pickles, these rather than Keras's."""
    present = sorted(os.listdir(folder))
    found = choose(present)
    if not found:
        raise DataError(f"{folder}: holds no weights; expected {', '.join(READERS)}")
    path = os.path.join(folder, found[0])
    unread = [name for name in present if name != found[0] and choose([name])]
    notes = [f"{name} is not read, as {found[0]} lies beside it" for name in unread]
    if MODULES in present:
        notes.append(
            f"{MODULES}: what sentence-transformers computes after BERT (1_Pooling, 2_Dense) is "
            "not converted"
        )
    stored: dict[str, np.ndarray] = {}
    for part in _find_shards(path) if path.endswith(INDEX) else [path]:
        stand_ins.refuse(part)
        if not os.path.getsize(part):
            raise DataError(f"{part}: is empty; expected weights")
        for name, tensor in READERS[found[0].removesuffix(INDEX)](part).items():
            if name in stored and not is_identical(stored[name], tensor):
                raise DataError(f"{part}: {name} is in another shard too, with other values")
            stored[name] = tensor
    return _as_pytorch(stored, path, notes)


def is_identical(one: np.ndarray, other: np.ndarray) -> bool:
    """True where two tensors are the same, bit for bit."""
    is_alike = one.dtype == other.dtype and one.shape == other.shape
    return one is other or (is_alike and one.tobytes() == other.tobytes())


def _find_shards(path: str) -> list[str]:
    """Returns the paths of the files that an index names."""
    try:
        shards = sorted(set(read_json(path)["weight_map"].values()))
        outside = [shard for shard in shards if not _FILE_NAME.fullmatch(shard)]
    except (KeyError, TypeError, AttributeError):
        shards, outside = [], []
    if not shards:
        raise DataError(f"{path}: is broken; expected an index of weights in JSON")
    if outside:
        raise DataError(f"{path}: names {outside[0]!r}; expected files of the same folder")
    folder, name = os.path.split(path)
    missing = [shard for shard in shards if not os.path.isfile(os.path.join(folder, shard))]
    if missing:
        raise DataError(
            f"{folder}: lacks {list_few(missing)}, of {len(shards)} parts that {name} names"
        )
    return [os.path.join(folder, shard) for shard in shards]


def _read_pickle(path: str) -> dict[str, np.ndarray]:
    """Reads a ``pytorch_model.bin``; of what pickles can hold, PyTorch lets pass tensors alone."""
    try:
        import torch
    except ImportError:
        raise ConfigError(
            f"{path}: only PyTorch reads this format, and it is not installed; expected "
            "model.safetensors, or `pip install torch`"
        ) from None
    with open(path, "rb") as stream:
        is_zip = stream.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats
            stored = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError:
        raise DataError(
            f"{path}: is broken, or holds more than tensors, which could run programs; it is not "
            "read"
        ) from None
    except _PICKLE_ERRORS:
        raise DataError(f"{path}: is broken; expected the weights of a model") from None
    others = [type(stored).__name__]
    if isinstance(stored, Mapping):
        others = [str(n) for n, tensor in stored.items() if not isinstance(tensor, torch.Tensor)]
    if others:
        raise DataError(
            f"{path}: holds {list_few(others)}, which is no tensor; expected tensors by name, as "
            "of model.state_dict()"
        )
    tensors = {}
    for name, tensor in stored.items():
        try:
            if tensor.dtype == torch.bfloat16:
                bits = tensor.detach().view(torch.int16)
                tensors[str(name)] = bits.numpy().view(ml_dtypes.bfloat16)
            else:
                tensors[str(name)] = tensor.detach().numpy()
        except (TypeError, RuntimeError):
            raise DataError(
                f"{path}: {name} is a tensor of type {tensor.dtype} and layout {tensor.layout}, "
                "which can't be read; expected plain numbers"
            ) from None
    return tensors


def _read_hdf5(path: str) -> dict[str, np.ndarray]:
    """Reads what TFBertModel and its like save."""
    import h5py

    tensors: dict[str, np.ndarray] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            _check_dataset(path, name, item)
            tensors[name] = item[()]

    def leads_away(name: str, link: Any) -> Any:
        return None if isinstance(link, h5py.HardLink) else name

    try:
        with h5py.File(path, "r") as stream:
            link = stream.visititems_links(leads_away)
            if link is not None:
                raise DataError(f"{path}: {link} is a link; expected weights in the file itself")
            stream.visititems(collect)
    # A SystemError is h5py's for a name that is not UTF-8.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SystemError):
        raise DataError(f"{path}: is broken; expected weights in HDF5") from None
    return tensors


def _check_dataset(path: str, name: str, dataset: Any) -> None:
    """Raises DataError unless a dataset of HDF5 holds its own numbers, all of them, in the file."""
    if dataset.external or dataset.is_virtual:
        raise DataError(f"{path}: {name} is stored in other files; expected weights in the file")
    stored = dataset.id.get_storage_size()
    most = stored * (_MAX_RATIO if dataset.compression else 1)
    if dataset.nbytes > most:
        raise DataError(
            f"{path}: {name} declares {dataset.nbytes:,} bytes, but the file stores {stored:,} of "
            "it; expected a whole file"
        )


# The forms of weights, in order of preference, by the name that a file has which holds all.
READERS: Mapping[str, Callable[[str], dict[str, np.ndarray]]] = {
    "model.safetensors": safetensors_file.read,
    "pytorch_model.bin": _read_pickle,
    "tf_model.h5": _read_hdf5,
}


def _as_pytorch(stored: Mapping[str, np.ndarray], path: str, notes: list[str]) -> Weights:
    """Gives tensors the names and layout of today's PyTorch classes.

    Keras has kernels [in, out], other names, and in HDF5 shared tensors several times; old PyTorch
    says gamma and beta; a BertModel lacks the prefix, and a model within another has one more.
    """
    renamed = {
        origin: _from_keras(origin, tensor) if origin.endswith(":0") else (origin, tensor)
        for origin, tensor in stored.items()
    }
    wrapper = _find_wrapper([name for name, _ in renamed.values()])
    if wrapper:
        count = sum(name.startswith(wrapper) for name, _ in renamed.values())
        notes.append(f"the prefix {wrapper} was removed from the names of {count} tensors")
    tensors: dict[str, np.ndarray] = {}
    origins: dict[str, str] = {}
    for origin, (name, tensor) in renamed.items():
        name = name.removeprefix(wrapper)
        for old, new in _OLD_ENDS.items():
            name = name.removesuffix(old) + new if name.endswith(old) else name
        if name.startswith(_BASE):
            name = f"bert.{name}"
        if not is_identical(tensors.setdefault(name, tensor), tensor):
            raise DataError(f"{path}: holds {origins[name]} and {origin}, which differ")
        origins.setdefault(name, origin)
    return Weights(tensors, origins, notes)


def _find_wrapper(names: Iterable[str]) -> str:
    """Returns the prefix that names have of a model within another one, or "".

    DataParallel's names begin with ``module.``, Lightning's with ``model.``, those of a compiled
    model with ``_orig_mod.``. Several encoders with different prefixes are not one BERT.
    """
    found = {name.removesuffix(_POSITIONS) for name in names if name.endswith(_POSITIONS)}
    prefix = found.pop() if len(found) == 1 else ""
    if prefix == _BASE_MODEL or prefix.endswith(f".{_BASE_MODEL}"):
        return prefix.removesuffix(_BASE_MODEL)
    return prefix if prefix.endswith(".") else ""


def _from_keras(name: str, tensor: np.ndarray) -> Any:
    """Returns PyTorch's name and layout of a tensor of a Keras model.

    Example:
        "bert/encoder/layer_._0/output/dense/kernel:0" [in, out]
        -> "bert.encoder.layer.0.output.dense.weight" [out, in]
    """
    scopes = _KERAS_MODEL.sub("", name.removesuffix(":0")).replace("layer_._", "layer/").split("/")
    scopes[0] = scopes[0].rpartition("___")[2]
    if scopes[-1] == "kernel":
        tensor = tensor.T
    return ".".join([*scopes[:-1], _KERAS_ENDS.get(scopes[-1], scopes[-1])]), tensor
