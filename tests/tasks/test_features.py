import numpy as np
import pytest
from feature_tables import build_table

from bert_wwm.tasks.features import FeatureTable, join_tables, ranges

TABLE = build_table(
    {
        "input_ids": [[2, 7, 3], [2, 3], [2, 8, 9, 3]],
        "segment_ids": [[0] * 3, [0, 1], [0, 0, 1, 1]],
    },
    {"label_ids": [1, 0, 2]},
)


def test_a_batch_is_padded():
    batch = TABLE.batch(np.array([2, 1]), 5, ["input_ids", "segment_ids", "label_ids"], {})
    assert batch["input_ids"].tolist() == [[2, 8, 9, 3, 0], [2, 3, 0, 0, 0]]
    assert batch["input_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]]
    assert batch["segment_ids"].tolist() == [[0, 0, 1, 1, 0], [0, 1, 0, 0, 0]]
    assert batch["label_ids"].tolist() == [2, 0]
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int32)}


def test_padding_has_its_own_values():
    batch = TABLE.batch(np.array([1]), 3, ["segment_ids"], {"segment_ids": -1})
    assert batch["segment_ids"].tolist() == [[0, 1, -1]]


def test_what_is_kept_comes_back():
    again = FeatureTable.from_bytes(TABLE.to_bytes())
    assert again.lengths.tolist() == [3, 2, 4]
    assert again.of_tokens("input_ids", 2).tolist() == [2, 8, 9, 3]
    assert again.rows["label_ids"].tolist() == [1, 0, 2]


def test_tables_are_put_together():
    both = join_tables([TABLE, TABLE])
    assert len(both) == 6 and both.lengths.tolist() == [3, 2, 4, 3, 2, 4]
    assert both.of_tokens("input_ids", 5).tolist() == [2, 8, 9, 3]


@pytest.mark.parametrize("data", [b"", b"no archive", TABLE.to_bytes()[:-40]])
def test_broken_bytes_are_refused(data):
    import zipfile

    with pytest.raises((ValueError, KeyError, EOFError, zipfile.BadZipFile)):
        FeatureTable.from_bytes(data)


def test_ranges_come_one_behind_the_other():
    assert ranges(np.array([5, 0]), np.array([2, 3])).tolist() == [5, 6, 0, 1, 2]
    assert ranges(np.array([3, 7, 1]), np.array([0, 1, 0])).tolist() == [7]
    none = np.zeros(0, np.int64)
    assert ranges(none, none).tolist() == []
    assert np.issubdtype(ranges(none, none).dtype, np.integer)  # fit to index with
