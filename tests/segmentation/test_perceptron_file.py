"""A perceptron's file that can be read is whole, and of any other the fault is said."""

import json
import pathlib
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from bert_wwm.core.errors import CheckpointError
from bert_wwm.segmentation import perceptron_file
from bert_wwm.segmentation.perceptron_file import Perceptron

_NER = Perceptron(
    ["O", "S-Ns"], {"2北": 3, "c": 2}, np.array([[0.5, -1], [2, 0], [1, 1e-9], [0, 3]], float)
)
_CWS = Perceptron(list("SBME"), {"BOS": 4}, np.arange(20, dtype=float).reshape(5, 4))


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    return str(tmp_path / "model.bin")


def _uncompressed(path: str) -> bytes:
    """Returns a file without its compression, so that each bit has a meaning."""
    content = pathlib.Path(path).read_bytes()
    head, mark = content[:-16].split(content[-16:])[0], content[-16:]
    block = content[len(head) + 16 : -16]
    for start in range(1, 5):  # after the number of records and the length
        try:
            record = zlib.decompress(block[start:], -15)
        except zlib.error:
            continue
        size = bytes([len(record) * 2 % 128 + 128, len(record) * 2 // 128])
        return head.replace(b"\x0edeflate", b"\x08null") + mark + b"\x02" + size + record + mark
    raise AssertionError


@pytest.mark.parametrize(("task", "model"), [("ner", _NER), ("cws", _CWS)])
def test_what_was_written_is_read(path: str, task: str, model: Perceptron) -> None:
    perceptron_file.write(path, task, model)
    found = perceptron_file.read(path, task)
    assert found.labels == model.labels
    assert list(found.features) == sorted(model.features)
    first = len(model.parameters) - len(model.features)
    np.testing.assert_array_equal(found.parameters[:first], model.parameters[:first])
    for name, number in model.features.items():
        row = found.parameters[found.features[name]]
        np.testing.assert_array_equal(row, model.parameters[number])


def test_the_numbers_of_features_do_not_matter(path: str) -> None:
    perceptron_file.write(path, "ner", _NER)
    first = pathlib.Path(path).read_bytes()
    swapped = Perceptron(_NER.labels, {"c": 3, "2北": 2}, _NER.parameters[[0, 1, 3, 2]])
    perceptron_file.write(path, "ner", swapped)
    assert pathlib.Path(path).read_bytes() == first


def test_parts_of_a_file_are_told(path: str) -> None:
    perceptron_file.write(path, "ner", _NER)
    for content in (pathlib.Path(path).read_bytes(), _uncompressed(path)):
        for size in range(0, len(content), 3):
            pathlib.Path(path).write_bytes(content[:size])
            with pytest.raises(CheckpointError, match=r"model\.bin: (damaged|missing)"):
                perceptron_file.read(path, "ner")
        pathlib.Path(path).write_bytes(content)
        assert perceptron_file.read(path, "ner").features.keys() == _NER.features.keys()


def test_any_bit_that_is_wrong_is_found_or_does_no_harm(path: str) -> None:
    perceptron_file.write(path, "ner", _NER)
    content = _uncompressed(path)
    found = 0
    schema = range(content.index(b"{"), content.rindex(b"}"))
    for position in range(len(content)):
        for bit in [0] if position in schema else range(8):
            flipped = bytes([content[position] ^ (1 << bit)])
            pathlib.Path(path).write_bytes(content[:position] + flipped + content[position + 1 :])
            try:
                model = perceptron_file.read(path, "ner")
            except CheckpointError as error:
                assert str(error).startswith(path)
                found += 1
                continue
            assert np.isfinite(model.parameters).all()
            assert model.parameters.shape[1] == len(model.labels) == 2
            assert all(0 <= n < len(model.parameters) for n in model.features.values())
    assert found > len(content)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda model: model._replace(labels=[]), "8 parameters for 0 labels"),
        (lambda model: model._replace(labels=["O", "A", "B"]), "8 parameters for 3 labels"),
        (lambda model: model._replace(labels=list("abcdefgh")), "parameters are missing"),
        (lambda model: model._replace(parameters=model.parameters / 0), "not finite"),
        (lambda model: model._replace(parameters=np.zeros([5_000_000, 2])), "decompresses to"),
    ],
)
@pytest.mark.filterwarnings("ignore:(divide|invalid)")
def test_models_that_cannot_be_are_told(
    path: str, change: Callable[[Perceptron], Perceptron], fault: str
) -> None:
    perceptron_file.write(path, "ner", change(_NER))
    with pytest.raises(CheckpointError, match=f"damaged.*{fault}"):
        perceptron_file.read(path, "ner")


@pytest.mark.parametrize("huge", [b"\xff" * 9 + b"\x01", b"\xfe\xff\xff\xff\x0f", b"\xff" * 12])
def test_huge_lengths_are_told(path: str, huge: bytes) -> None:
    perceptron_file.write(path, "ner", _NER)
    content = _uncompressed(path)
    start = content.index(b"\x04\x02c")  # the count of features and the first of them
    for position in (4, start, start + 1, start + 3):
        pathlib.Path(path).write_bytes(content[:position] + huge + content[position + 1 :])
        with pytest.raises(CheckpointError, match="damaged"):
            perceptron_file.read(path, "ner")


def test_another_task_is_told(path: str) -> None:
    perceptron_file.write(path, "ner", _NER)
    with pytest.raises(CheckpointError, match="not of the task pos"):
        perceptron_file.read(path, "pos")
    content = pathlib.Path(path).read_bytes()
    pathlib.Path(path).write_bytes(content.replace(json.dumps("map").encode(), b'"mop"'))
    with pytest.raises(CheckpointError, match="its record is of another kind"):
        perceptron_file.read(path, "ner")
