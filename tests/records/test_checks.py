import numpy as np
import pytest

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.records.checks import check_records, fields_of
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import frame
from bert_wwm.records.schema import pretraining_schema

SCHEMA = pretraining_schema(max_seq_length=6, max_predictions_per_seq=2)
LONGER = pretraining_schema(max_seq_length=8, max_predictions_per_seq=2)


@pytest.fixture
def path(tmp_path):
    """A record of length 6 with id 0, and one of length 8 with id 1."""
    path = tmp_path / "a"
    records = []
    for number, schema in enumerate((SCHEMA, LONGER)):
        features = {field.name: np.full((1, field.length), number) for field in schema}
        records += encode_examples(features, schema)
    path.write_bytes(b"".join(map(frame, records)))
    return str(path)


def test_a_record_of_another_length_is_named_with_both_values(path):
    check_records([path], SCHEMA, vocab_size=1, first_only=True)
    with pytest.raises(
        ConfigError, match="record 1 has 8 values of input_ids, but the flags ask for 6"
    ):
        check_records([path], SCHEMA, vocab_size=2)
    with pytest.raises(
        ConfigError, match="record 0 has 6 values of input_ids, but the flags ask for 8"
    ):
        check_records([path], LONGER, vocab_size=2)


def test_a_record_without_a_field_is_named(path):
    schema = pretraining_schema(6, 2, labels=["pos_labels"])
    with pytest.raises(ConfigError, match="record 0 has 0 values of pos_labels, but the flags ask"):
        check_records([path], schema, vocab_size=1)


def test_an_id_out_of_the_vocabulary_is_named(path):
    with pytest.raises(ConfigError, match="record 0 has id 0, but the vocabulary has 0 pieces"):
        check_records([path], SCHEMA, vocab_size=0)


def test_fields_are_those_of_the_first_record_and_files_without_any_are_refused(path, tmp_path):
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    assert fields_of([str(empty), path]) == sorted(field.name for field in SCHEMA)
    with pytest.raises(DataError, match="empty: no record"):
        fields_of([str(empty)])
