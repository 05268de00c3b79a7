import os

import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import DataError
from bert_wwm.records.io import ShardedWriter, decode_features, read_records


def write(*paths, records=(b"a", b"bb", b"ccc")):
    with ShardedWriter([str(path) for path in paths]) as writer:
        for record in records:
            writer.write(record)
    return writer


def test_records_go_to_the_files_in_turn(tmp_path):
    paths = [tmp_path / "a", tmp_path / "deep" / "b"]
    assert write(*paths).records == [2, 1]
    assert [list(read_records(str(path))) for path in paths] == [[b"a", b"ccc"], [b"bb"]]


def test_tensorflow_reads_them(tmp_path):
    write(tmp_path / "a")
    assert list(tf.io.tf_record_iterator(str(tmp_path / "a"))) == [b"a", b"bb", b"ccc"]


def test_a_run_that_fails_leaves_what_was_there(tmp_path):
    write(tmp_path / "a", records=[b"old"])
    with pytest.raises(RuntimeError), ShardedWriter([str(tmp_path / "a")]) as writer:
        writer.write(b"new")
        raise RuntimeError
    assert list(read_records(str(tmp_path / "a"))) == [b"old"]
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("size", [17 + 5, 17 + 18 + 10])
def test_a_truncated_file_is_named_with_the_place(tmp_path, size):
    path = tmp_path / "a.tfrecord"
    write(path)
    os.truncate(path, size)
    number, offset = (1, 17) if size < 17 + 18 else (2, 35)
    with pytest.raises(DataError, match=rf"a\.tfrecord: record {number} at byte {offset} is trunc"):
        list(read_records(str(path)))


@pytest.mark.parametrize("byte", [17, 17 + 12])
def test_a_flipped_bit_is_named_with_the_place(tmp_path, byte):
    path = tmp_path / "a.tfrecord"
    write(path)
    content = bytearray(path.read_bytes())
    content[byte] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"a\.tfrecord: record 1 at byte 17 is trunc"):
        list(read_records(str(path)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="nothing: no such file"):
        list(read_records(str(tmp_path / "nothing")))


def test_a_record_that_is_no_example_is_named():
    with pytest.raises(DataError, match=r"f: a record is no tf\.train\.Example"):
        decode_features(b"\xff\xff", "f")
