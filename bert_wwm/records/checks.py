"""Records held against what a model expects, before they end up in its graph."""

from collections.abc import Mapping, Sequence

from google.protobuf.message import DecodeError

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.records.framing import read_records
from bert_wwm.records.schema import Schema

Limits = dict[str, int]

_LABELS = {inventory.feature: len(inventory.labels) for inventory in INVENTORIES.values()}
# A sequence is of two segments, or of one, whatever the model's type_vocab_size is.
_NUM_SEGMENTS = 2


def find_limits(schema: Schema, vocab_size: int) -> Limits:
    """Returns the highest value of each field of records for pretraining; the lowest is 0."""
    length = next(field.length for field in schema if field.name == "input_ids")
    counts = {
        "input_ids": vocab_size,
        "input_mask": 2,
        "segment_ids": _NUM_SEGMENTS,
        "masked_lm_positions": length,
        "masked_lm_ids": vocab_size,
        "masked_lm_weights": 2,
        "next_sentence_labels": 2,
        "instance_starts": length,
        "target_positions": length,
        **_LABELS,
    }
    return {field.name: counts[field.name] - 1 for field in schema}


def decode_features(record: bytes, path: str) -> dict[str, list[float]]:
    """Returns the values of a record by the names of its fields."""
    try:
        example = tf.train.Example.FromString(record)
    except DecodeError as error:
        raise DataError(
            f"{path}: a record is no tf.train.Example ({error}); expected pretraining records"
        ) from None
    return {
        name: list(getattr(feature, feature.WhichOneof("kind") or "int64_list").value)
        for name, feature in example.features.feature.items()
    }


def check_features(
    features: Mapping[str, Sequence[float]], schema: Schema, limits: Limits, where: str
) -> None:
    """Compares a record with a schema and the ranges of its fields; raises ConfigError."""
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
