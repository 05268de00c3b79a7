"""The results of programs, in a form to compare, and files that are not whole."""

import gzip
import json
import os
import pathlib
import re
import zlib
from collections.abc import Callable

import numpy as np

Result = dict[str, bytes]
_FOLDER = b"FOLDER"
# Of a training: files without times. Curves and TensorBoard's events have these too.
_OF_TRAINING = re.compile(
    r".*\.(tsv|txt|conll)|.*/(best/best|labels)\.json|.*(predictions|null_odds)\.json"
)
_PNG_END = b"IEND\xaeB`\x82"


def visible_files(folder: pathlib.Path) -> list[str]:
    """Returns the names of files, relative to the folder, without hidden ones."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        within = pathlib.Path(place).relative_to(folder)
        found += [str(within / name) for name in names if not name.startswith(".")]
    return sorted(found)


def all_files(folder: pathlib.Path) -> Result:
    """Returns every file byte by byte; the folder's own name is left out of them."""
    own_name = os.fsencode(folder)
    return {
        name: (folder / name).read_bytes().replace(own_name, _FOLDER)
        for name in visible_files(folder)
    }


def training(folder: pathlib.Path) -> Result:
    """Returns the newest weights, the best ones, and what was predicted and evaluated."""
    names = [name for name in visible_files(folder) if _OF_TRAINING.fullmatch(name)]
    found = {name: (folder / name).read_bytes() for name in names}
    for place in ("model", "model/best"):
        if (folder / place / "checkpoint").exists():
            found[place] = _weights(str(folder / place))
    return found


def exports(folder: pathlib.Path) -> Result:
    """Returns the files of the newest version; all versions have the same ones."""
    versions = sorted((folder / "export").iterdir(), key=lambda path: int(path.name))
    found = all_files(versions[-1])
    for version in versions:
        if list(found) != visible_files(version):
            return {}
    return found


def word_finder(folder: pathlib.Path) -> Result:
    """Returns what a perceptron finds in text; its files have an order that changes."""
    from bert_wwm.segmentation import ltp
    from torture.inputs import TAGGED

    words = [line.replace(" ", "") for line in TAGGED.splitlines()]
    model = ltp.load(str(folder / "ltp"), parallelism=False)
    return {"tags": repr(model.annotate(words, ("pos", "ner"))).encode()}


def adapted(folder: pathlib.Path) -> Result:
    """Returns the adapted model and the summary of a whole adaptation."""
    found = {}
    for name in ("hugging_face/model.safetensors", "summary.txt"):
        found[name] = (folder / "model" / name).read_bytes().replace(os.fsencode(folder), _FOLDER)
    return found


def describe_difference(found: Result, expected: Result) -> str:
    """Returns which files differ; empty if none does."""
    missing = [f"{name} is missing" for name in expected if name not in found]
    more = [f"{name} should not be there" for name in found if name not in expected]
    different = [
        f"{name} differs" for name in expected if found.get(name, expected[name]) != expected[name]
    ]
    return ", ".join([*missing, *more, *different])


def describe_broken_files(folder: pathlib.Path) -> str:
    """Returns which visible files are not whole; empty if all are."""
    broken = []
    for name in visible_files(folder):
        check = _CHECKS.get(os.path.splitext(name)[1])
        if check:
            try:
                check(folder / name)
            except (ValueError, OSError, EOFError, zlib.error, RuntimeError, KeyError) as error:
                broken.append(f"{name} is not whole ({type(error).__name__})")
    return ", ".join(broken)


def _weights(folder_or_prefix: str) -> bytes:
    """Returns all variables of a checkpoint, the optimizer's too."""
    from bert_wwm.compat import tf

    try:
        reader = tf.train.load_checkpoint(folder_or_prefix)
        names = sorted(reader.get_variable_to_shape_map())
        return b"".join(name.encode() + reader.get_tensor(name).tobytes() for name in names)
    except tf.errors.OpError as error:
        raise ValueError(error.message) from None


def _check_index(path: pathlib.Path) -> None:
    _weights(str(path.with_suffix("")))


def _check_png(path: pathlib.Path) -> None:
    if not path.read_bytes().endswith(_PNG_END):
        raise ValueError


def _check_safetensors(path: pathlib.Path) -> None:
    from bert_wwm.convert import safetensors_file
    from bert_wwm.core.errors import ToolkitError

    try:
        safetensors_file.read(str(path))
    except ToolkitError as error:
        raise ValueError(str(error)) from None


_CHECKS: dict[str, Callable[[pathlib.Path], object]] = {
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".npy": np.load,
    ".gz": lambda path: gzip.decompress(path.read_bytes()),
    ".png": _check_png,
    ".index": _check_index,
    ".safetensors": _check_safetensors,
}
