import os
import pathlib
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.records.framing import count_records, find_compression, frame, read_records

RECORDS = [b"a", b"bb", b"ccc"]
FRAMED = b"".join(map(frame, RECORDS))


@settings(deadline=None)
@given(st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=5), min_size=1, max_size=4))
def test_tensorflow_reads_them_and_we_read_what_tensorflow_wrote(parts):
    records = [record for part in parts for record in part]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a")
        framed = [b"".join(map(frame, part)) for part in parts]
        # Several gzip files put together are one.
        for whole, compression in (
            (b"".join(framed), ""),
            (b"".join(map(files.compress, framed)), "GZIP"),
        ):
            pathlib.Path(path).write_bytes(whole)
            assert find_compression(path) == compression
            assert list(read_records(path)) == records
            assert count_records(path) == len(records)
            options = tf.io.TFRecordOptions(compression_type=compression)
            assert list(tf.io.tf_record_iterator(path, options)) == records
            with tf.io.TFRecordWriter(path, options) as writer:
                for record in records:
                    writer.write(record)
            assert list(read_records(path)) == records
            if not compression:
                assert pathlib.Path(path).read_bytes() == whole


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    assert list(read_records(str(tmp_path / "a"))) == []
    assert count_records(str(tmp_path / "a")) == 0
    assert find_compression(str(tmp_path / "a")) == ""


@pytest.mark.parametrize("size", sorted(set(range(len(FRAMED))) - {0, 17, 35}))
def test_a_truncated_file_is_named_with_the_place(tmp_path, size):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(FRAMED[:size])
    number, offset = (0, 0) if size < 17 else (1, 17) if size < 35 else (2, 35)
    records = read_records(str(path))
    assert [next(records) for _ in range(number)] == RECORDS[:number]
    with pytest.raises(DataError) as error:
        next(records)
    assert str(error.value) == (
        f"{path}: record {number} at byte {offset} is truncated or corrupt; expected a whole "
        "TFRecord file: make it anew"
    )
    with pytest.raises(DataError) as error_of_count:
        count_records(str(path))
    assert str(error_of_count.value) == str(error.value)


@pytest.mark.parametrize("byte", range(17, 35))
@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_is_named_with_the_place(tmp_path, byte, bit):
    path = tmp_path / "a.tfrecord"
    content = bytearray(FRAMED)
    content[byte] ^= 1 << bit
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"a\.tfrecord: record 1 at byte 17 is trunc"):
        list(read_records(str(path)))


def test_damaged_compressed_files_are_named(tmp_path):
    path = tmp_path / "a.tfrecord"
    whole = files.compress(FRAMED) + files.compress(frame(os.urandom(500)))
    first = len(files.compress(FRAMED))
    for content, number, offset in (
        (whole[:-1], 4, 570),
        (whole[:-9], 3, 54),
        (whole[: first + 5], 3, 54),
        (whole[:first] + b"no gzip", 3, 54),
    ):
        path.write_bytes(content)
        message = f"a.tfrecord: record {number} at byte {offset} is tru"
        with pytest.raises(DataError, match=message):
            list(read_records(str(path)))
        with pytest.raises(DataError, match=message):
            count_records(str(path))
    for byte in range(12, first):
        content = bytearray(whole)
        content[byte] ^= 1
        path.write_bytes(bytes(content))
        with pytest.raises(DataError, match=r"a\.tfrecord: record \d at byte \d+ is truncated or"):
            list(read_records(str(path)))


def test_text_is_no_record(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("今天天气很不错。\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.txt: record 0 at byte 0 is truncated or corrupt"):
        list(read_records(str(path)))
    with pytest.raises(DataError, match=r"a\.txt: record 0 at byte 0 is truncated or corrupt"):
        count_records(str(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="nothing: no such file"):
        list(read_records(str(tmp_path / "nothing")))
