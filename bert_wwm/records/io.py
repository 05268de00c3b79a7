"""TFRecord files: written whole or not at all, read with the place of what is broken."""

import contextlib
from typing import Dict, Iterator, List, Sequence

from google.protobuf.message import DecodeError

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import DataError

_FRAME_BYTES = 16  # length (8), its checksum (4), checksum of the data (4)


class ShardedWriter:
    """Writes records to files in turn.

    The files get their names when the block ends well; until then, and where it raises, what
    stood there before is untouched.

    Example:
        with ShardedWriter(["a.tfrecord", "b.tfrecord"]) as writer:
            writer.write(record)
    """

    def __init__(self, paths: Sequence[str]):
        self.paths = list(paths)
        self.records: List[int] = [0] * len(self.paths)
        self._turn = 0

    def __enter__(self) -> "ShardedWriter":
        with contextlib.ExitStack() as stack:
            temporary = [stack.enter_context(files.atomic_path(path)) for path in self.paths]
            self._writers = [stack.enter_context(tf.io.TFRecordWriter(path)) for path in temporary]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception) -> None:
        try:
            self._stack.__exit__(*exception)
        except tf.errors.OpError as error:  # a full disk may show only now
            raise DataError(f"{self.paths[0]}: cannot be written: {error.message}") from None

    def write(self, record: bytes) -> None:
        """Appends a record to the file whose turn it is."""
        try:
            self._writers[self._turn].write(record)
        except tf.errors.OpError as error:
            raise DataError(
                f"{self.paths[self._turn]}: cannot be written: {error.message}"
            ) from None
        self.records[self._turn] += 1
        self._turn = (self._turn + 1) % len(self._writers)


def read_records(path: str) -> Iterator[bytes]:
    """Yields the records of a file.

    Raises:
        DataError: the file is missing, or broken: the message names the byte where.
    """
    offset = 0
    number = 0
    with contextlib.closing(_records(path)) as records:
        while True:
            try:
                record = next(records)
            except StopIteration:
                break
            except tf.errors.NotFoundError:
                raise DataError(f"{path}: no such file") from None
            except tf.errors.DataLossError:
                raise _broken(path, number, offset) from None
            yield record
            number += 1
            offset += _FRAME_BYTES + len(record)
    # TensorFlow takes a record that breaks off for the end of the file.
    if offset != files.size(path):
        raise _broken(path, number, offset)


def _broken(path: str, number: int, offset: int) -> DataError:
    return DataError(
        f"{path}: record {number} at byte {offset} is truncated or corrupt; expected a whole "
        "TFRecord file: make it anew"
    )


def _records(path: str) -> Iterator[bytes]:
    yield from tf.io.tf_record_iterator(path)


def decode_features(record: bytes, path: str) -> Dict[str, List[float]]:
    """Returns the values of a record by the names of its fields.

    Raises:
        DataError: the record is no ``tf.train.Example``.
    """
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
