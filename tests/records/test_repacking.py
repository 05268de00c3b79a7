import numpy as np
import pytest
from packed_instances import count_instances

from bert_wwm.core.errors import DataError
from bert_wwm.records.checks import decode_features
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import read_records
from bert_wwm.records.repacking import Packer, Window, pack_schema
from bert_wwm.records.schema import pretraining_schema

LABELS = ["pos_labels", "target_positions"]
SCHEMA = pretraining_schema(32, 4, True, LABELS)
PACKER = Packer(SCHEMA, 1, seed=1, compress=bytes)
PATH = "a.tfrecord"


def make_features(count=20):
    """Instances of 8 to 16 tokens with 1 or 2 predictions each."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(8, 17, [count, 1])
    used = (np.arange(32) < lengths).astype(int)
    weights = (np.arange(4) < rng.integers(1, 3, [count, 1])).astype(np.float32)
    return {
        "input_ids": rng.integers(1, 40, [count, 32]) * used,
        "input_mask": used,
        "segment_ids": (np.arange(32) >= 4) * used,
        "masked_lm_positions": rng.integers(0, 8, [count, 4]) * (weights > 0),
        "masked_lm_ids": rng.integers(1, 40, [count, 4]) * (weights > 0),
        "masked_lm_weights": weights,
        "pos_labels": rng.integers(0, 20, [count, 4]) * (weights > 0),
        "target_positions": rng.integers(0, 8, [count, 4]) * (weights > 0),
        "next_sentence_labels": rng.integers(0, 2, [count, 1]),
    }


def window_of(features, schema=SCHEMA):
    """The second window of a file."""
    return Window(PATH, (0, 1), encode_examples(features, schema))


def decode(records):
    return [decode_features(record, PATH) for record in records]


def test_records_hold_the_same_instances_packed(tmp_path):
    window = window_of(make_features())
    output = PACKER(window)
    path = tmp_path / "packed"
    path.write_bytes(output.payloads[0])
    rows = list(read_records(str(path)))
    assert output.records == [len(rows)] == [output.counts.rows]
    assert len(rows) < 20 == output.counts.instances
    assert count_instances(decode(rows)) == count_instances(decode(window.records))
    for field in pack_schema(SCHEMA):
        assert {len(row[field.name]) for row in decode(rows)} == {field.length}


@pytest.mark.parametrize(
    "field, values, message",
    [
        ("input_mask", [1] * 4 + [0] + [1] * 4 + [0] * 23, "a broken input_mask; expected ones"),
        ("input_mask", [0] * 32, "a broken input_mask; expected ones and then zeros"),
        ("masked_lm_weights", [0, 1, 0, 0], "a broken masked_lm_weights; expected ones and then"),
        ("masked_lm_positions", [16, 0, 0, 0], "a broken masked_lm_positions; expected places of"),
        ("target_positions", [31, 0, 0, 0], "a broken target_positions; expected places of its"),
    ],
)
def test_a_record_that_is_broken_is_named_by_its_number(field, values, message):
    features = make_features()
    features[field][7] = values
    with pytest.raises(DataError, match=f"^a.tfrecord: record 2055 has {message}"):
        PACKER(window_of(features))


def test_a_record_of_another_kind_is_named_by_its_number():
    window = window_of(make_features())
    other = make_features(1)
    del other["next_sentence_labels"]
    without = window_of(other, pretraining_schema(32, 4, False, LABELS))
    with pytest.raises(DataError, match="record 2068 has 0 values of next_sentence_labels; expe"):
        PACKER(window._replace(records=window.records + without.records))
