"""Records held against what a model expects, before they end up in its graph."""

from collections.abc import Mapping, Sequence

from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.records.decoding import decode_features
from bert_wwm.records.framing import read_records
from bert_wwm.records.limits import Limits
from bert_wwm.records.schema import Schema


def check_features(
    features: Mapping[str, Sequence[float]], schema: Schema, limits: Limits, where: str
) -> None:
    """Compares a record with a schema and the ranges of its fields.

    Raises:
        ConfigError: a field is missing or has another length, or a value is out of its range.
    """
    for field in schema:
        found = len(features.get(field.name, ()))
        if found != field.length:
            raise ConfigError(
                f"{where} has {found} values of {field.name}, but the flags ask for "
                f"{field.length}; train with what the records were made with"
            )
        for value in features[field.name]:
            if not 0 <= value <= limits[field.name]:  # nor NaN
                raise ConfigError(
                    f"{where} has {value} in {field.name}; expected 0 to "
                    f"{limits[field.name]}, by the model's configuration and the flags"
                )


def check_records(
    paths: Sequence[str], schema: Schema, limits: Limits, first_only: bool = False
) -> None:
    """Reads files, and compares each record; ``first_only`` just the first of each file."""
    for path in paths:
        for number, record in enumerate(read_records(path)):
            where = f"{path}: record {number}"
            check_features(decode_features(record, path), schema, limits, where)
            if first_only:
                break


def read_field_names(paths: Sequence[str]) -> list[str]:
    """Returns the names of the fields of the first record. Raises DataError if there is none."""
    for path in paths:
        for record in read_records(path):
            return sorted(decode_features(record, path))
    raise DataError(f"{list_few(paths)}: no record; expected files that hold some")
