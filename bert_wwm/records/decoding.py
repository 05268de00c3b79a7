"""Records to the values of their fields."""

from google.protobuf.message import DecodeError

from bert_wwm.compat import tf
from bert_wwm.core.errors import DataError


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
