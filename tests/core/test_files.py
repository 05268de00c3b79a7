import errno
import gzip
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core import files, input_files
from bert_wwm.core.errors import DataError


def write(path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def test_lines_end_at_newlines_alone(tmp_path):
    path = write(tmp_path / "a.txt", "\ufeff一\r\n二\u2028三\x85\x0b四\n\n五".encode())
    assert list(files.read_lines(path)) == ["一", "二\u2028三\x85\x0b四", "", "五"]


@pytest.mark.parametrize(
    "content, lines",
    [
        ("\ufeff一\r\r二\u2028三\r", ["一", "", "二\u2028三"]),
        ("一\r二", ["一", "二"]),
        ("一\r", ["一"]),
        ("一", ["一"]),
        ("", []),
        ("一\r二\n", ["一\r二"]),
        ("一\r二\n三\r四", ["一\r二", "三\r四"]),
        ("\n一\r二", ["", "一\r二"]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_carriage_returns_end_lines_where_there_is_no_newline(tmp_path, content, lines, packed):
    data = content.encode()
    path = write(tmp_path / "a.txt", gzip.compress(data) if packed else data)
    assert list(files.read_lines(path)) == lines
    assert files.ends_lines_by_returns(path) == ("\r" in content and "\n" not in content)


def test_invalid_utf8_is_named_by_the_line_that_a_return_ends(tmp_path):
    path = write(tmp_path / "a.txt", b"a\rb\r\xff")
    with pytest.raises(DataError, match=r"a\.txt:3: byte 0xff at column 1 "):
        list(files.read_lines(path))


def test_gzip_is_decompressed(tmp_path):
    path = write(tmp_path / "a.txt.gz", gzip.compress("一\n二\n".encode()))
    assert list(files.read_lines(path)) == ["一", "二"]


@pytest.mark.parametrize("keep", [10, 40])
def test_broken_gzip_is_named(tmp_path, keep):
    whole = gzip.compress(os.urandom(200).hex().encode())
    path = write(tmp_path / "a.gz", whole[:keep])
    with pytest.raises(DataError, match=r"a\.gz:\d+: broken gzip data"):
        list(files.read_lines(path))


def test_compression_is_told_by_the_content_not_by_the_name(tmp_path):
    plain = write(tmp_path / "a.gz", "一\n".encode())
    packed = write(tmp_path / "b.txt", gzip.compress("一\n".encode()))
    for path, expected in ((plain, False), (packed, True)):
        assert files.is_gzip(path) is expected
        assert list(files.read_lines(path)) == ["一"]
        assert files.read_bytes(path) == "一\n".encode()
    assert files.text_size(plain) == files.size(plain)
    assert files.text_size(packed) == len("一\n".encode())
    members = gzip.compress("一\n".encode() * 500) + gzip.compress(b"abc\n" * 900)
    assert files.text_size(write(tmp_path / "d", members)) == 500 * 4 + 900 * 4
    for content in b"", b"\x1f", b"\x1f\x8b":
        path = write(tmp_path / "c", content)
        assert not files.is_gzip(path)
        assert files.read_bytes(path) == content


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20))
def test_chunks_are_those_of_the_whole_of_several_gzip_files(parts, size):
    whole = b"".join(parts)
    with tempfile.TemporaryDirectory() as folder:
        plain = write(pathlib.Path(folder, "a"), b"x" + whole)
        packed = write(pathlib.Path(folder, "b"), b"".join(map(files.compress, [b"x", *parts])))
        expected = [(b"x" + whole)[n : n + size] for n in range(0, len(whole) + 1, size)]
        assert list(files.read_chunks(plain, size)) == expected
        assert list(files.read_chunks(packed, size)) == expected


def test_compression_gives_the_same_bytes_every_time(monkeypatch):
    first = files.compress(b"text")
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert files.compress(b"text") == first
    assert gzip.decompress(first + files.compress(b" and more")) == b"text and more"


def test_broken_gzip_is_named_in_chunks_too(tmp_path):
    path = write(tmp_path / "a.gz", files.compress(os.urandom(200))[:100])
    with pytest.raises(DataError, match=r"a\.gz: broken gzip data"):
        list(files.read_chunks(path, 10))


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


def test_what_killed_processes_left_is_removed_by_the_next_that_writes_the_file(tmp_path):
    path = str(tmp_path / "a.[b]")
    code = (
        "import os, sys; from bert_wwm.core import files\n"
        "with files.atomic_path(sys.argv[1]) as path: os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, path]).returncode == -signal.SIGKILL
    (left,) = os.listdir(tmp_path)
    others = [".a.[b].txt", ".a.[b].long_name.tmp", ".c.abcdefgh.tmp"]
    for name in others:
        (tmp_path / name).touch()
    with files.atomic_path(path) as first, files.atomic_path(path) as second:
        for temporary in (first, second):  # of processes that run
            pathlib.Path(temporary).write_text("new")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "a.[b]"])
    assert left not in others


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


def test_a_pipe_is_named_and_not_waited_for(tmp_path):
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    for use in (
        lambda: files.find([path]),
        lambda: files.open_raw(path),
        lambda: files.sha256(path),
    ):
        with pytest.raises(DataError, match=f"^{path}: a pipe or a device, which can be read only"):
            use()


def test_brackets_of_a_folder_are_no_pattern(tmp_path):
    for folder in ("run[1]", "run1"):
        for name in ("a-1", "a-2", "b"):
            files.write_text(str(tmp_path / folder / name), "")
    pattern = f"{tmp_path}/run[1]/a-*"
    assert files.find([pattern]) == [f"{tmp_path}/run[1]/a-{number}" for number in (1, 2)]
    assert files.find([f"{tmp_path}/ru[n]1/a-[2]"]) == [f"{tmp_path}/run1/a-2"]


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


def test_names_that_are_not_utf8_are_read_from_json_as_they_were(tmp_path):
    name = os.fsdecode(b"\xd6\xd0.txt")
    path = str(tmp_path / name)
    files.write_text(path, json.dumps({name: "\ud83d 中"}, ensure_ascii=False))
    assert json.loads(pathlib.Path(path).read_text("utf-8")) == {name: "\ud83d 中"}


def test_a_file_is_moved_over_another_in_one_step(tmp_path):
    path = write(tmp_path / "a", b"new")
    to = tmp_path / "deep" / "b"
    files.move(path, str(to))
    assert to.read_bytes() == b"new" and not os.path.exists(path)
    files.move(write(tmp_path / "a", b"newer"), str(to))
    assert to.read_bytes() == b"newer"
    (tmp_path / "link").symlink_to(to)
    files.move(write(tmp_path / "a", b"newest"), str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink() and to.read_bytes() == b"newest"


def test_a_file_is_moved_to_another_file_system(tmp_path, monkeypatch):
    rename = os.replace

    def replace(source, target):
        if os.path.dirname(source) != os.path.dirname(target):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    path = write(tmp_path / "a", b"new")
    to = tmp_path / "deep" / "b"
    monkeypatch.setattr(shutil, "copyfile", fails)
    with pytest.raises(OSError, match="full"):
        files.move(path, str(to))
    assert os.listdir(tmp_path / "deep") == [] and os.path.exists(path)
    monkeypatch.undo()
    monkeypatch.setattr(os, "replace", replace)
    files.move(path, str(to))
    assert to.read_bytes() == b"new" and not os.path.exists(path)


def fails(*arguments):
    raise OSError("full")


def test_a_file_is_moved_into_a_bucket(tmp_path):
    path = write(tmp_path / "a", b"new")
    (tmp_path / "bucket").mkdir()
    to = f"file://{tmp_path}/bucket/b"
    files.write_text(to, "old")
    files.move(path, to)
    assert os.listdir(tmp_path / "bucket") == ["b"] and not os.path.exists(path)
    assert files.read_bytes(to) == b"new"
    assert files.size(to) == 3
    local = input_files.read_version(str(tmp_path / "bucket" / "b"))
    assert abs(input_files.read_version(to).modified - local.modified) < 1e9
    with pytest.raises(FileNotFoundError):
        files.size(f"{to}.gone")


def test_what_cannot_be_written_is_told_before(tmp_path):
    files.check_writable(str(tmp_path / "a"))
    files.check_writable("gs://bucket/a")
    for path, message in ((str(tmp_path), "is no regular file"), ("a/", "no name of a file")):
        with pytest.raises(DataError, match=f"{message}; expected the name of a file to write"):
            files.check_writable(path)


def test_a_full_disk_leaves_no_half_file(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # To write past a limit fails as on a full disk: first a part is written.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            files.write_bytes(str(tmp_path / "a"), bytes(150_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())
