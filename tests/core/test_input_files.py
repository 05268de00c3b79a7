"""Input files that change while they are read."""

import os

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.core.input_files import check_unchanged, describe_inputs


@pytest.fixture
def paths(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text("text")
    return [str(tmp_path / name) for name in ("a", "b")]


def test_files_that_stay_as_they_are_pass(paths):
    check_unchanged(paths, describe_inputs(paths))


@pytest.mark.parametrize("change", ["longer", "touched", "replaced by an older one"])
def test_a_file_that_changed_is_named(paths, change):
    described = describe_inputs(paths)
    if change == "longer":
        with open(paths[1], "a") as stream:
            stream.write("more")
    else:
        shift = 10**9 if change == "touched" else -(10**9)
        time = os.stat(paths[1]).st_mtime_ns + shift
        os.utime(paths[1], ns=(time, time))
    with pytest.raises(DataError, match=f"^{paths[1]}: changed while it was read, from file 2, 4 "):
        check_unchanged(paths, described)
