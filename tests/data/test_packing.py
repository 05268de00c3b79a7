import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.data.packing import assign_rows, count_rows, find_max_instances, pack, unpack

LENGTH, PREDICTIONS = 64, 5


@given(
    st.lists(st.tuples(st.integers(3, LENGTH), st.integers(1, PREDICTIONS)), max_size=60),
)
def test_rows_have_room_for_their_instances(instances):
    lengths, predictions = zip(*instances) if instances else ((), ())
    rows = assign_rows(lengths, predictions, (LENGTH, PREDICTIONS, 4))
    assert sorted(n for row in rows for n in row) == list(range(len(instances)))
    for row in rows:
        assert 1 <= len(row) <= 4
        assert sum(lengths[n] for n in row) <= LENGTH
        assert sum(predictions[n] for n in row) <= PREDICTIONS
    # Where there is room for all predictions and instances, no two rows could be one.
    rows = assign_rows(lengths, predictions, (LENGTH, 10**6, 10**6))
    fullness = sorted(sum(lengths[n] for n in row) for row in rows)
    assert len(rows) < 2 or sum(fullness[:2]) > LENGTH


@pytest.mark.parametrize(
    "lengths, predictions, rows",
    [
        ([10, 40, 24, 54], [1, 1, 1, 1], [[3, 0], [1, 2]]),
        ([30, 30, 30, 30], [3, 2, 3, 2], [[0, 1], [2, 3]]),
        ([30, 20], [3, 3], [[0], [1]]),  # no room for the predictions
        ([8] * 6, [1] * 6, [[0, 1, 2, 3], [4, 5]]),  # nor for a fifth instance
        ([60, 50, 9, 4], [1] * 4, [[0, 3], [1, 2]]),  # the fullest row that still has room
        ([4, 4, 3], [1, 5, 1], [[0, 2], [1]]),  # the last one with room for a prediction
        ([], [], []),
    ],
)
def test_the_longest_goes_first_to_the_fullest_row(lengths, predictions, rows):
    assert assign_rows(lengths, predictions, (LENGTH, PREDICTIONS, 4)) == rows


def test_a_row_has_as_many_instances_as_its_length_allows():
    assert [find_max_instances(length) for length in (8, 31, 32, 128, 512)] == [1, 1, 2, 8, 32]


@pytest.mark.parametrize(
    "instances, per_row, parts, rows",
    [(32, 1.0, 8, 32), (32, 1.4, 1, 23), (32, 1.4, 8, 24), (20, 1.4, 8, 16), (3, 4.0, 8, 8)],
)
def test_parts_share_the_rows_of_a_batch_evenly(instances, per_row, parts, rows):
    assert count_rows(instances, per_row, parts) == rows


def test_instances_move_to_rows_with_all_they_have():
    features = {
        "input_ids": [[2, 9, 3, 0], [2, 8, 7, 3], [2, 3, 0, 0]],
        "input_mask": [[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]],
        "segment_ids": [[0, 0, 1, 0], [0, 1, 1, 1], [0, 1, 0, 0]],
        "masked_lm_positions": [[1, 0], [1, 2], [1, 0]],
        "masked_lm_ids": [[5, 0], [6, 7], [8, 0]],
        "masked_lm_weights": [[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]],
        "target_positions": [[2, 0], [3, 1], [0, 0]],
        "next_sentence_labels": [[1], [0], [1]],
    }
    wide = {
        name: np.pad(values, [(0, 0), (0, {4: 28, 2: 1}.get(len(values[0]), 0))])
        for name, values in features.items()
    }
    packed = pack(wide, pad=4)
    # 32 tokens have room for two instances, of which the second has another predicted than room.
    assert packed["instance_starts"].tolist() == [[0, 4], [0, 0]]
    assert packed["next_sentence_labels"].tolist() == [[0, 1], [1, 0]]
    ids = packed["input_ids"]
    assert ids[0, :8].tolist() == [2, 8, 7, 3, 2, 9, 3, 4] and set(ids[0, 7:].tolist()) == {4}
    assert ids[1, :3].tolist() == [2, 3, 4]
    assert packed["input_mask"].sum(axis=1).tolist() == [7, 2]
    assert packed["segment_ids"][0, :8].tolist() == [0, 1, 1, 1, 0, 0, 1, 0]
    assert packed["masked_lm_positions"].tolist() == [[1, 2, 5], [1, 0, 0]]
    assert packed["masked_lm_ids"].tolist() == [[6, 7, 5], [8, 0, 0]]
    assert packed["masked_lm_weights"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert packed["target_positions"].tolist() == [[3, 1, 6], [0, 0, 0]]

    rows = [{name: values[row].tolist() for name, values in packed.items()} for row in range(2)]
    unpacked = [instance for row in rows for instance in unpack(row, "")]
    before = [{name: values[n].tolist() for name, values in wide.items()} for n in (1, 0, 2)]
    assert unpacked == before
    assert unpack(before[0], "") == before[:1]


@pytest.mark.parametrize("starts", [[0, 5, 3], [0, 3, 3], [0, 7, 0]], ids=str)
def test_instances_of_a_row_begin_one_after_the_other_at_tokens(starts):
    row = {"input_mask": [1] * 7 + [0], "instance_starts": starts}
    with pytest.raises(DataError, match=r"a\.tfrecord record 3: instances begin at 0, .* 7 tokens"):
        unpack(row, "a.tfrecord record 3")


def test_no_instance_makes_no_row():
    shapes = {"input_ids": 64, "input_mask": 64, "masked_lm_positions": 5, "masked_lm_weights": 5}
    packed = pack({name: np.zeros((0, width), np.int32) for name, width in shapes.items()})
    assert {name: values.shape for name, values in packed.items()} == {
        "instance_starts": (0, 4),
        **{name: (0, width) for name, width in shapes.items()},
    }
