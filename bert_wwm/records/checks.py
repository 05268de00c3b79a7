"""Records held against what a model expects, before they end up in its graph."""

from typing import List, Mapping, Sequence

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.records.decoding import decode_features
from bert_wwm.records.framing import read_records
from bert_wwm.records.schema import Schema


def check_features(
    features: Mapping[str, Sequence[float]], schema: Schema, vocab_size: int, where: str
) -> None:
    """Compares a record with a schema and a vocabulary.

    Args:
        features: the values of the record.
        schema: the fields it should have.
        vocab_size: ids have to be below it.
        where: the file and the record, for the message.

    Raises:
        ConfigError: a field is missing or has another length, or an id is out of the vocabulary.
    """
    for field in schema:
        found = len(features.get(field.name, ()))
        if found != field.length:
            raise ConfigError(
                f"{where} has {found} values of {field.name}, but the flags ask for "
                f"{field.length}; train with what the records were made with"
            )
    highest = max(features["input_ids"])
    if highest >= vocab_size:
        raise ConfigError(
            f"{where} has id {highest}, but the vocabulary has {vocab_size} pieces; they belong to "
            "different vocabularies"
        )


def check_records(
    paths: Sequence[str], schema: Schema, vocab_size: int, first_only: bool = False
) -> None:
    """Reads files, and compares each record; ``first_only`` just the first of each file.

    Raises:
        ConfigError: a record does not fit.
        DataError: a file is broken.
    """
    for path in paths:
        for number, record in enumerate(read_records(path)):
            where = f"{path}: record {number}"
            check_features(decode_features(record, path), schema, vocab_size, where)
            if first_only:
                break


def fields_of(paths: Sequence[str]) -> List[str]:
    """Returns the names of the fields of the first record. Raises DataError if there is none."""
    for path in paths:
        for record in read_records(path):
            return sorted(decode_features(record, path))
    raise DataError(f"{', '.join(paths)}: no record; expected files that hold some")
