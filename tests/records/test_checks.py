import pytest

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.records.checks import check_not_empty, check_records
from bert_wwm.records.encoding import encode_example
from bert_wwm.records.io import ShardedWriter
from bert_wwm.records.schema import pretraining_schema

SCHEMA = pretraining_schema(max_seq_length=6, max_predictions_per_seq=2)
LONGER = pretraining_schema(max_seq_length=8, max_predictions_per_seq=2)


@pytest.fixture
def path(tmp_path):
    """A record of length 6 with id 0, and one of length 8 with id 1."""
    path = str(tmp_path / "a")
    with ShardedWriter([path]) as writer:
        for number, schema in enumerate((SCHEMA, LONGER)):
            features = {field.name: [number] * field.length for field in schema}
            writer.write(encode_example(features, schema))
    return path


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


def test_an_id_out_of_the_vocabulary_is_named(path):
    with pytest.raises(ConfigError, match="record 0 has id 0, but the vocabulary has 0 pieces"):
        check_records([path], SCHEMA, vocab_size=0)


def test_files_without_a_record_are_refused(path, tmp_path):
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    check_not_empty([str(empty), path])
    with pytest.raises(DataError, match="empty: no record"):
        check_not_empty([str(empty)])
