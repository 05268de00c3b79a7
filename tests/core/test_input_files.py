"""Input files that change before a run has finished."""

import os

import pytest

from bert_wwm.core import files, folders, input_files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.shards import Shards


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a").write_text("text\n")
    return str(tmp_path / "a")


def shift_time(path, seconds):
    time = os.stat(path).st_mtime_ns + seconds * 10**9
    os.utime(path, ns=(time, time))


def replace(path):
    with open(f"{path}.new", "w") as stream:
        stream.write("another text\n")
    os.replace(f"{path}.new", path)


CHANGES = {
    "longer": lambda path: open(path, "a").write("more"),
    "touched": lambda path: shift_time(path, 1),
    "older": lambda path: shift_time(path, -1),
    "replaced": replace,
}


def read_from_a_bucket(path):
    files.read_bytes(f"file://{path}")


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(
    "read",
    [
        files.read_bytes,
        lambda path: next(files.read_lines(path)),
        input_files.note,
        lambda path: input_files.describe_inputs([path]),
        lambda path: (files.read_bytes(path), shift_time(path, 5), files.read_bytes(path)),
        pytest.param(read_from_a_bucket, marks=pytest.mark.slow),
    ],
    ids=["whole", "the first line", "by a library", "described", "twice", "from a bucket"],
)
def test_a_file_that_changed_is_named(path, read, change):
    message = f"{path}: changed while it was read, from 5 bytes of 20"
    with pytest.raises(DataError, match=message), input_files.noting():
        read(path)
        change(path)


def test_files_that_stay_as_they_are_pass(path):
    with input_files.noting():
        files.read_bytes(path)
        input_files.check_unchanged()
    with input_files.noting():  # another run
        replace(path)
        files.read_bytes(path)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: files.write_text(path, "longer than it was"),
        lambda path: files.move(path, f"{path}.moved"),
        files.remove,
        os.unlink,
    ],
    ids=["written", "moved", "removed", "removed by another process"],
)
def test_a_program_may_change_its_own_files(path, write):
    with input_files.noting():
        files.read_bytes(path)
        write(path)


def test_what_is_in_the_output_folder_is_no_input(path):
    folder = os.path.dirname(path)
    with input_files.noting(folder):
        files.read_bytes(path)
        replace(path)
    changed = pytest.raises(DataError, match="changed while it was read")
    with changed, input_files.noting(folder[:-1]):  # another one
        files.read_bytes(path)
        replace(path)


def test_nothing_is_noted_outside_of_programs(path):
    files.read_bytes(path)
    replace(path)
    input_files.check_unchanged()


def test_a_folder_is_not_published_if_an_input_changed(path, tmp_path):
    with input_files.noting():
        files.read_bytes(path)
        whole = folders.replaced(str(tmp_path / "new"))
        with pytest.raises(DataError, match="changed while it was read"), whole as new:
            open(os.path.join(new, "b"), "w").close()
            replace(path)
        assert os.listdir(tmp_path) == ["a"]
        input_files.forget(path)


def test_no_shard_is_published_if_an_input_changed(path, tmp_path):
    with input_files.noting():
        run = {"input": input_files.describe_inputs([path])}
        changed = pytest.raises(DataError, match="changed while it was read")
        with changed, Shards([str(tmp_path / "b")], run) as shards:
            shards.append([b"text"], {})
            replace(path)
            shards.finish({}, [{}])
        assert not (tmp_path / "b").exists()
        input_files.forget(path)
    run = {"input": input_files.describe_inputs([path])}
    with pytest.raises(ConfigError, match=r"was made with input .*; expected .* or --overwrite"):
        Shards([str(tmp_path / "b")], run).__enter__()
