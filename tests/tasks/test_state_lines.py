import json

import numpy as np
import pytest

from bert_wwm.tasks.state_lines import StateLines, json_rows


def google(values):
    return json.dumps([round(float(value), 6) for value in values])[1:-1].encode("ascii")


def neighbours(values):
    """Numbers, and those next to them on both sides, as float32 has them; of both signs."""
    values = np.asarray(values, np.float32)
    found = [values, np.nextafter(values, np.float32(9e9)), np.nextafter(values, np.float32(-9e9))]
    return np.concatenate([*found, *(-part for part in found)])


EDGES = [
    *(0, 1e-7, 4.9e-7, 5e-7, 1e-6, 1.5e-6, 9.9e-6, 1e-5, 9.95e-5, 9.9999e-5, 1e-4, 1.0001e-4),
    *(1e-3, 0.1, 0.5, 0.12, 0.123, 0.1234, 0.123456, 0.999999, 0.9999995, 1, 1.5, 9.999999, 10),
    *(99.5, 100, 128, 999.9999, 1e-38, 1e-45),
]
# Exactly between two numbers of six digits: multiples of 2**-7 that end in a five at the seventh.
TIES = np.arange(1, 4096, 2) / 128


@pytest.mark.parametrize("values", [EDGES, TIES], ids=["edges", "ties"])
def test_edges_are_those_of_python(values):
    values = neighbours(values)
    assert json_rows(values[None]) == [google(values)]


@pytest.mark.parametrize("scale", [1e-6, 1e-4, 0.02, 1.0, 20.0, 300.0])
def test_numbers_are_those_of_python(scale):
    rng = np.random.default_rng(int(scale * 1e6))
    values = (rng.standard_normal((20, 768)) * scale).astype(np.float32)
    assert json_rows(values) == [google(row) for row in values]


def test_every_float_between_two_is_that_of_python():
    """All numbers from 0.1 on, 100,000 of them."""
    begin = np.float32(0.1).view(np.int32)
    values = np.arange(begin, begin + 100_000, dtype=np.int32).view(np.float32).reshape(-1, 1000)
    assert json_rows(values) == [google(row) for row in values]


def test_large_numbers_and_such_as_are_none():
    values = np.ones((6, 5), np.float32)
    values[1, 2] = 1000
    values[2, 0] = -1.2345678e16
    values[3, 4] = np.inf
    values[4, 1] = np.nan
    found = json_rows(values)
    assert found == [google(row) for row in values]
    assert found[3].endswith(b"Infinity") and b"NaN" in found[4]


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (3, 1), (1, 70_000), (300, 768)])
def test_any_number_of_rows(shape):
    values = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    assert json_rows(values) == [google(row) for row in values]


def test_a_line_is_that_of_google():
    pieces = ["[PAD]", "[CLS]", "[SEP]", "使", '"', "\\", "##é", "😀"]
    ids = np.array([1, 3, 4, 5, 6, 7, 3, 2])
    states = np.random.default_rng(2).standard_normal((8, 2, 16)).astype(np.float32)
    # The very loop, but for the tokens, of google-research/bert's output.
    features = [
        {
            "token": pieces[token],
            "layers": [
                {"index": layer, "values": [round(float(x), 6) for x in states[i, j]]}
                for j, layer in enumerate([-1, 0])
            ],
        }
        for i, token in enumerate(ids)
    ]
    expected = json.dumps({"linex_index": 7, "features": features}) + "\n"
    lines = StateLines(pieces, [-1, 0])
    assert lines.line(7, ids, states).decode("ascii") == expected
    assert lines.line(7, ids, states).decode("ascii") == expected
