import gzip
import os

import pytest

from bert_wwm.core import files
from bert_wwm.core.errors import DataError


def write(path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def test_lines_end_at_newlines_alone(tmp_path):
    path = write(tmp_path / "a.txt", "\ufeff一\r\n二\u2028三\x85\x0b四\n\n五".encode())
    assert list(files.read_lines(path)) == ["一", "二\u2028三\x85\x0b四", "", "五"]


def test_gzip_is_decompressed(tmp_path):
    path = write(tmp_path / "a.txt.gz", gzip.compress("一\n二\n".encode()))
    assert list(files.read_lines(path)) == ["一", "二"]


@pytest.mark.parametrize("keep", [10, 40])
def test_broken_gzip_is_named(tmp_path, keep):
    whole = gzip.compress(os.urandom(200).hex().encode())
    path = write(tmp_path / "a.gz", whole[:keep])
    with pytest.raises(DataError, match=r"a\.gz:\d+: broken gzip data"):
        list(files.read_lines(path))


def test_text_that_only_claims_to_be_gzip_is_named(tmp_path):
    path = write(tmp_path / "a.gz", b"plain text")
    with pytest.raises(DataError, match=r"a\.gz:1: broken gzip data"):
        list(files.read_lines(path))


def test_invalid_utf8_is_named_by_line_and_column(tmp_path):
    path = write(tmp_path / "a.txt", "好\n好".encode() + b"\xff\n")
    with pytest.raises(DataError, match=r"a\.txt:2: byte 0xff at column 4 is not UTF-8"):
        list(files.read_lines(path))


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.txt: no such file"):
        list(files.read_lines(str(tmp_path / "nothing.txt")))
    with pytest.raises(DataError, match="is a folder"):
        list(files.read_lines(str(tmp_path)))


def test_find_sorts_and_drops_repetitions(tmp_path):
    paths = [write(tmp_path / name, b"") for name in ("b.txt", "a.txt", "c.dat")]
    found = files.find([str(tmp_path / "*.txt"), paths[1], paths[2]])
    assert found == [paths[1], paths[0], paths[2]]


def test_find_names_the_pattern_without_a_file(tmp_path):
    with pytest.raises(DataError, match=r"\*\.txt: no such file"):
        files.find([str(tmp_path / "*.txt")])


def test_atomic_path_keeps_the_old_file_where_writing_fails(tmp_path):
    path = write(tmp_path / "a.txt", b"old")
    with pytest.raises(RuntimeError), files.atomic_path(path) as temporary:
        with open(temporary, "w") as stream:
            stream.write("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == ["a.txt"]
    assert files.read_bytes(path) == b"old"


def test_a_folder_is_not_written_over(tmp_path):
    with pytest.raises(DataError, match="is no regular file; expected the name of a file to write"):
        files.write_text(str(tmp_path), "text")


def test_a_link_stays_a_link(tmp_path):
    target = tmp_path / "target.txt"
    target.write_text("old")
    (tmp_path / "link.txt").symlink_to(target)
    files.write_text(str(tmp_path / "link.txt"), "new")
    assert (tmp_path / "link.txt").is_symlink() and target.read_text() == "new"


def test_a_bucket_is_written_in_one_step_too(tmp_path):
    path = f"file://{tmp_path}/a.txt"  # TensorFlow's file system, as gs:// is
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.atomic_path(path) as temporary:
        files.write_text(temporary, "half")
        raise RuntimeError
    assert os.listdir(tmp_path) == ["a.txt"]
    assert list(files.read_lines(path)) == ["old"]
    assert files.find([f"file://{tmp_path}/*"]) == [path]
    files.remove(path)
    with pytest.raises(DataError, match=r"a\.txt: no such file"):
        files.read_bytes(path)


def test_a_name_with_brackets_is_found(tmp_path):
    path = write(tmp_path / "a[1].txt", b"")
    assert files.find([path]) == [path]
    with pytest.raises(DataError, match="is a folder; expected the path or glob"):
        files.find([str(tmp_path)])


def test_one_file_has_many_names(tmp_path):
    assert files.same(str(tmp_path / "a"), str(tmp_path / "b" / ".." / "a"))
    assert not files.same(str(tmp_path / "a"), str(tmp_path / "b"))


def test_write_text_makes_folders_and_replaces(tmp_path):
    path = str(tmp_path / "deep" / "a.txt")
    files.write_text(path, "一")
    files.write_text(path, "二\n")
    assert files.read_bytes(path).decode() == "二\n"
    assert files.size(path) == 4
    assert os.stat(path).st_mode & 0o444
