import contextlib
import json
import os
import pathlib
import shutil
import tempfile
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_wwm.core import files, shards
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.shards import Shards, base_name, find_shards, manifest_path, shard_paths

RUN = {"flag": {"seed": 1, "name": "字"}, "input": {"a.txt": "5 bytes", os.fsdecode(b"\xd6"): ""}}
STEPS = [[b"a", b"", b"ccc"], [b"", b"\x00" * 9, b""], [b"d\n", b"e", b"f"], [b"", b"", b"\xff"]]
MANIFEST = "manifest.out.json"
WHOLE = [b"ad\n", b"\x00" * 9 + b"e", b"cccf\xff"]


class Interruption(Exception):
    """Not one of ours."""


def write(paths, until=None, run=RUN, overwrite=False):
    """Makes the steps that are missing, or those until one; returns how many it had to make."""
    steps = [[payloads[number % 3] for number in range(len(paths))] for payloads in STEPS]
    with Shards(paths, run, overwrite) as output:
        if output.finished:
            return None
        first = output.state["steps"] if output.state else 0
        for number in range(first, len(steps)):
            if number == until:
                raise Interruption
            output.append(steps[number], {"steps": number + 1})
        if until == len(steps):
            raise Interruption
        output.finish({"made": "by a test"}, [{"records": n} for n in range(len(paths))])
        return len(steps) - first


def contents(folder):
    """What is in a folder and those in it, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file()
    }


@contextlib.contextmanager
def commits(share):
    """With a large share every step is committed; with a small one none."""
    with mock.patch.object(shards, "_COMMIT_SHARE", share):
        yield


@pytest.fixture
def paths(tmp_path):
    return shard_paths(str(tmp_path / "out"), 3)


def test_shards_hold_what_was_appended_and_a_manifest_says_what_they_are(paths, tmp_path):
    assert write(paths) == 4
    names = [os.path.basename(path) for path in paths]
    found = contents(tmp_path)
    manifest = json.loads(found.pop(MANIFEST))
    assert found == dict(zip(names, WHOLE))
    assert manifest["made"] == "by a test"
    assert manifest["files"] == {
        name: {"records": number, "bytes": len(whole)}
        for number, (name, whole) in enumerate(zip(names, WHOLE))
    }
    assert RUN.items() <= manifest["run"].items()


@settings(deadline=None, max_examples=12)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["left", "killed"]), st.sampled_from([0, 1])),
        max_size=5,
    )
)
def test_left_or_killed_at_any_steps_the_files_are_the_same(interruptions):
    with tempfile.TemporaryDirectory() as folder:
        whole = shard_paths(f"{folder}/whole/out", 3)
        write(whole)
        paths = shard_paths(f"{folder}/left/out", 3)
        for until, how, commits_all in interruptions:
            with commits(1e9 if commits_all else 1e-9):
                (leave if how == "left" else kill)(paths, until)
            # Nothing that looks finished is not.
            assert all(name.startswith(".out.unfinished") for name in contents(f"{folder}/left"))
        write(paths)
        assert contents(f"{folder}/left") == contents(f"{folder}/whole")


def leave(paths, until):
    with contextlib.suppress(Interruption):
        write(paths, max(until, steps_done(paths)))


def kill(paths, until):
    """Leaves the folder as it is when the process dies: what is buffered is lost."""
    work = pathlib.Path(paths[0]).parent / ".out.unfinished"
    copy = work.with_name("copy")

    def die(self, *exception):
        shutil.copytree(work, copy)
        original(self, *exception)

    original = Shards.__exit__
    with mock.patch.object(Shards, "__exit__", die):
        leave(paths, until)
    shutil.rmtree(work, ignore_errors=True)
    copy.rename(work)


def steps_done(paths):
    with contextlib.suppress(FileNotFoundError):
        journal = pathlib.Path(paths[0]).parent / ".out.unfinished" / "journal.json"
        state = json.loads(journal.read_text())["state"]
        return state["steps"] if state else 0
    return 0


def test_a_run_that_is_left_loses_nothing(paths):
    with commits(1e-9):
        leave(paths, 3)
    assert write(paths) == 1


def test_a_run_that_is_killed_loses_what_was_not_committed(paths):
    with commits(1e-9):
        kill(paths, 3)
    assert write(paths) == 4


def test_with_every_commit_nothing_is_lost_by_a_kill(paths):
    with commits(1e9):
        kill(paths, 3)
    assert write(paths) == 1


def test_a_run_that_was_left_before_its_first_step_leaves_nothing(paths, tmp_path):
    leave(paths, 0)
    assert os.listdir(tmp_path) == []


def test_what_is_discarded_is_gone(paths, tmp_path):
    with Shards(paths, RUN) as output:
        output.append(STEPS[0], {})
        output.discard()
    assert os.listdir(tmp_path) == []


def test_a_finished_run_is_left_as_it_is(paths, tmp_path):
    write(paths)
    before = {path: os.stat(path).st_mtime_ns for path in paths}
    assert write(paths) is None
    assert {path: os.stat(path).st_mtime_ns for path in paths} == before
    assert len(os.listdir(tmp_path)) == 4


@pytest.mark.parametrize("until", [2, None])
@pytest.mark.parametrize(
    "change, message",
    [
        ({"flag": {"seed": 2, "name": "字"}}, "was made with flag seed = 1, this run has 2"),
        ({"flag": {"seed": 1}}, "was made with flag name = 字, this run has None"),
        (
            {"input": {"a.txt": "5 bytes", "b": ""}},
            "was made with input b = None, this run has ; expe",
        ),
        ({"vocabulary": {"sha256": "a"}}, "was made with vocabulary sha256 = None, this run has a"),
    ],
)
def test_another_run_is_refused_and_the_difference_named(paths, tmp_path, until, change, message):
    with contextlib.suppress(Interruption):
        write(paths, until)
    before = contents(tmp_path)
    with pytest.raises(ConfigError) as error:
        write(paths, run={**RUN, **change})
    place = ".out.unfinished" if until else MANIFEST
    assert f"{tmp_path}/{place}: {message}" in str(error.value)
    assert contents(tmp_path) == before
    write(paths)
    assert [pathlib.Path(path).read_bytes() for path in paths] == WHOLE


@pytest.mark.parametrize("until", [2, None])
def test_the_same_run_with_other_outputs_is_refused(tmp_path, until):
    first, second = str(tmp_path / "a"), str(tmp_path / "b")
    with contextlib.suppress(Interruption):
        write([first, second], until)
    for paths in [first], [first, str(tmp_path / "c")], [first, second, str(tmp_path / "c")]:
        with pytest.raises(ConfigError, match=r"was made with output files = .*'a', 'b'"):
            write(paths)


@pytest.mark.parametrize("until", [2, None])
def test_overwrite_begins_anew(paths, tmp_path, until):
    other = {**RUN, "flag": {}}
    with contextlib.suppress(Interruption):
        write(paths, until, other)
    assert write(paths, overwrite=True) == 4
    assert [pathlib.Path(path).read_bytes() for path in paths] == WHOLE
    assert len(os.listdir(tmp_path)) == 4
    assert write(paths) is None


def test_of_a_longer_run_that_is_overwritten_nothing_is_left(paths):
    leave(paths, 4)
    with Shards(paths, RUN, overwrite=True) as output:
        output.append([b"1", b"", b"3"], {})
        output.finish({}, [{}] * 3)
    assert [pathlib.Path(path).read_bytes() for path in paths] == [b"1", b"", b"3"]


@pytest.mark.parametrize(
    "name", ["../victim", "/victim", "", ".", "..", "victim", "out-00000-of-00003/../../victim"]
)
def test_a_manifest_removes_nothing_that_no_run_could_have_written(paths, tmp_path, name):
    """Manifests travel with records, and may say anything."""
    folder = tmp_path / "records"
    paths = [str(folder / base_name(path)) for path in paths]
    write(paths, run={})
    victims = [tmp_path / "victim", folder / "victim"]
    for victim in victims:
        victim.write_bytes(b"precious")
    place = folder / MANIFEST
    manifest = json.loads(place.read_text())
    name = str(victims[0]) if name == "/victim" else name
    manifest["files"] = {name: {}, "out-00000-of-00009": {}}
    place.write_text(json.dumps(manifest))
    (folder / "out-00000-of-00009").write_bytes(b"of an earlier run")
    write(paths, overwrite=True)
    assert [victim.read_bytes() for victim in victims] == [b"precious"] * 2
    assert not (folder / "out-00000-of-00009").exists()


@pytest.mark.parametrize("files_of_it", [None, [], ["out-00000-of-00003"], "out-00000-of-00003", 3])
def test_a_manifest_without_files_describes_none(files_of_it, tmp_path):
    (tmp_path / MANIFEST).write_text(json.dumps({"files": files_of_it}))
    assert shards.listed_files(str(tmp_path / MANIFEST)) == []


def test_an_overwriting_run_leaves_what_was_there_until_it_is_finished(paths, tmp_path):
    write(paths, run={**RUN, "flag": {}})
    before = contents(tmp_path)
    with pytest.raises(Interruption):
        write(paths, 3, overwrite=True)
    assert before.items() < contents(tmp_path).items()
    assert write(paths) == 1  # goes on without the flag
    assert write(paths) is None


def test_files_of_another_origin_are_refused_and_overwritten_only_if_wanted(paths, tmp_path):
    pathlib.Path(paths[1]).write_bytes(b"precious")
    with pytest.raises(ConfigError, match="00001-of-00003: is there already, and no manifest"):
        write(paths)
    assert contents(tmp_path) == {"out-00001-of-00003": b"precious"}
    write(paths, overwrite=True)
    assert [pathlib.Path(path).read_bytes() for path in paths] == WHOLE


@pytest.mark.parametrize("change", ["removed", "longer"])
def test_a_shard_that_is_not_as_its_manifest_says_is_refused(paths, change):
    write(paths)
    if change == "removed":
        os.unlink(paths[1])
    else:
        pathlib.Path(paths[1]).write_bytes(WHOLE[1] + b"x")
    with pytest.raises(ConfigError, match=rf"00001-of-00003: is not as .*{MANIFEST} describes"):
        write(paths)
    assert write(paths, overwrite=True) == 4


@pytest.mark.parametrize("missing", [0, 1])
def test_a_file_that_is_gone_with_its_manifest_is_missed(tmp_path, missing):
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    write(paths)
    os.unlink(paths[missing])
    os.unlink(manifest_path(paths[missing]))
    with pytest.raises(ConfigError, match=r"is not there, though .* of the same run is; --overwr"):
        write(paths)
    write(paths, overwrite=True)
    assert [pathlib.Path(path).read_bytes() for path in paths] == WHOLE[:2]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": null}', "\x00"])
def test_a_broken_manifest_is_named_and_overwritten(paths, tmp_path, text):
    write(paths)
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises((ConfigError, DataError), match=rf"{MANIFEST}:.* --overwrite"):
        write(paths)
    assert write(paths, overwrite=True) == 4
    assert write(paths) is None


def test_another_process_is_refused(paths, tmp_path):
    with Shards(paths, RUN) as output:
        output.append(STEPS[0], {"steps": 1})
        for overwrite in False, True:
            with pytest.raises(ConfigError, match="unfinished: another process is writing there"):
                write(paths, overwrite=overwrite)
        output.append(STEPS[1], {"steps": 2})
    assert write(paths) == 2
    assert [pathlib.Path(path).read_bytes() for path in paths] == WHOLE


def counted(function, limit, calls):
    """A function that is interrupted at a call of that number."""

    def wrapper(*arguments, **options):
        calls.append(arguments)
        if len(calls) == limit:
            raise Interruption
        return function(*arguments, **options)

    return wrapper


@pytest.mark.parametrize("moment", range(1, 11))
def test_interrupted_while_it_publishes_the_next_run_goes_on_with_that(tmp_path, moment):
    """Over two shards of an earlier run, neither of which is wanted any more."""
    write(shard_paths(str(tmp_path / "a"), 2), run={})
    paths = [str(tmp_path / name) for name in ("a-00000-of-00001", "b")]
    with pytest.raises(Interruption):
        write(paths, len(STEPS), overwrite=True)
    calls = []
    with contextlib.ExitStack() as stack:
        for module, name in (
            (files, "move"),
            (files, "remove"),
            (files, "write_text"),
            (shutil, "rmtree"),
        ):
            function = counted(getattr(module, name), moment, calls)
            stack.enter_context(mock.patch.object(module, name, function))
        with pytest.raises(Interruption):
            write(paths)
    write(paths)
    assert [pathlib.Path(path).read_bytes() for path in paths] == WHOLE[:2]
    assert set(os.listdir(tmp_path)) == {
        *map(base_name, paths),
        *(base_name(manifest_path(path)) for path in paths),
    }
    assert write(paths) is None


def test_what_is_left_of_a_folder_that_was_being_removed_does_not_matter(paths, tmp_path):
    write(paths)
    (tmp_path / ".out.unfinished").mkdir()
    (tmp_path / ".out.unfinished" / "lock").touch()
    assert write(paths) is None
    assert write(paths, overwrite=True) == 4
    assert len(os.listdir(tmp_path)) == 4


def test_surplus_shards_of_an_earlier_run_are_removed(tmp_path):
    write(shard_paths(str(tmp_path / "out"), 4), run={})
    (tmp_path / "other").write_bytes(b"")
    write(shard_paths(str(tmp_path / "out"), 3), overwrite=True)
    assert sorted(os.listdir(tmp_path)) == [
        MANIFEST,
        "other",
        "out-00000-of-00003",
        "out-00001-of-00003",
        "out-00002-of-00003",
    ]


def test_outputs_in_two_folders_have_a_manifest_each(tmp_path):
    paths = [str(tmp_path / folder / "out") for folder in ("x", "y/z")]
    with pytest.raises(Interruption):
        write(paths, 2)
    assert os.listdir(tmp_path) == ["x"]
    assert write(paths) == 2
    assert set(contents(tmp_path)) == {
        *(f"{folder}/{name}" for folder in ("x", "y/z") for name in ("out", MANIFEST)),
    }
    for path, whole in zip(paths, WHOLE):
        assert pathlib.Path(path).read_bytes() == whole
        manifest = json.loads(pathlib.Path(manifest_path(path)).read_text())
        assert list(manifest["files"]) == ["out"]
        assert manifest["files"]["out"]["bytes"] == len(whole)
    assert write(paths) is None


def test_a_bucket_gets_its_files_at_the_end_alone(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "bucket").mkdir()
    paths = shard_paths(f"file://{tmp_path}/bucket/out", 3)  # TensorFlow's file system, as gs:// is
    with pytest.raises(Interruption):
        write(paths, 2)
    assert os.listdir(tmp_path / "bucket") == []
    assert os.listdir(tmp_path / "here") == [".out.unfinished"]
    assert write(paths) == 2
    assert os.listdir(tmp_path / "here") == []
    found = contents(tmp_path / "bucket")
    assert [found[base_name(path)] for path in paths] == WHOLE
    assert set(found) == {*map(base_name, paths), MANIFEST}
    assert write(paths) is None
    with pytest.raises(ConfigError, match="was made with flag seed"):
        write(paths, run={**RUN, "flag": {"seed": 2}})
    fewer = shard_paths(f"file://{tmp_path}/bucket/out", 2)
    assert write(fewer, overwrite=True) == 4
    assert set(contents(tmp_path / "bucket")) == {*map(base_name, fewer), MANIFEST}


def test_a_link_stays_a_link_and_the_unfinished_run_is_beside_its_target(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "target")
    path = str(tmp_path / "out")
    with pytest.raises(Interruption):
        write([path], 2)
    assert os.listdir(tmp_path / "disk") == [".out.unfinished"]
    write([path])
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk" / "target").read_bytes() == WHOLE[0]


def test_an_unfinished_shard_that_is_too_short_is_named(paths, tmp_path):
    leave(paths, 3)
    os.truncate(tmp_path / ".out.unfinished" / "00001", 3)
    with pytest.raises(DataError, match="00001: is shorter than the journal beside it says"):
        write(paths)
    assert write(paths, overwrite=True) == 4


def test_a_broken_journal_is_named(paths, tmp_path):
    leave(paths, 3)
    (tmp_path / ".out.unfinished" / "journal.json").write_text("{")
    with pytest.raises(DataError, match=r"journal\.json:1: broken at .*; --overwrite begins again"):
        write(paths)
    assert write(paths, overwrite=True) == 4


def edits(value):
    """Yields a JSON value with one of its parts removed or of another type."""
    if isinstance(value, dict):
        for name in value:
            yield {key: value[key] for key in value if key != name}
            for edited in edits(value[name]):
                yield {**value, name: edited}
    if isinstance(value, list):
        for number in range(len(value)):
            yield value[:number] + value[number + 1 :]
            for edited in edits(value[number]):
                yield [*value[:number], edited, *value[number + 1 :]]
    for other in (None, True, -1, "x", [], {}, [[]], {"x": {}}):
        if type(other) is not type(value) or other != value:
            yield other


def test_an_edited_journal_is_named(paths, tmp_path):
    leave(paths, 3)
    journal = tmp_path / ".out.unfinished" / "journal.json"
    values = json.loads(journal.read_text())
    count = 0
    for edited in edits(values):
        journal.write_text(json.dumps(edited))
        with pytest.raises(DataError, match=r"journal\.json: .*; --overwrite begins again"):
            write(paths)
        count += 1
    assert count > 100
    journal.write_text(json.dumps(values))
    assert write(paths) == 1


def test_an_edited_manifest_is_named_or_says_the_same(paths, tmp_path):
    write(paths)
    place = tmp_path / MANIFEST
    for edited in edits(json.loads(place.read_text())):
        place.write_text(json.dumps(edited))
        with contextlib.suppress(ConfigError, DataError):
            assert write(paths) is None


def test_what_could_not_be_written_is_told_and_what_was_committed_is_kept(paths):
    with commits(1e9):
        leave(paths, 2)
    full = mock.patch("os.fsync", side_effect=OSError(28, "No space left on device"))
    with full, pytest.raises(OSError, match="No space left"):
        write(paths)
    assert write(paths) == 2
    assert [pathlib.Path(path).read_bytes() for path in paths] == WHOLE


def test_shards_share_a_manifest():
    assert shard_paths("x/wiki", 64)[3] == "x/wiki-00003-of-00064"
    assert manifest_path("x/wiki.tfrecord-00003-of-00064") == "x/manifest.wiki.tfrecord.json"
    assert manifest_path("gs://x/wiki.tfrecord") == "gs://x/manifest.wiki.tfrecord.json"
    assert manifest_path("wiki.tfrecord") == "manifest.wiki.tfrecord.json"


def test_globs_leave_manifests_and_unfinished_shards_out(paths, tmp_path):
    write(paths)
    leave([str(tmp_path / "other")], 2)
    assert find_shards([f"{tmp_path}/*"]) == paths
    assert files.find([f"{tmp_path}/out*"]) == paths  # as google-research/bert finds them
    with pytest.raises(DataError, match="names only manifests"):
        find_shards([str(tmp_path / "*.json")])


def test_the_names_of_a_set_are_compared_once():
    """Else the time grows with the square of their number."""
    paths = [*shard_paths("a", 300), *shard_paths("b", 200)]
    with mock.patch.object(shards, "shard_paths", side_effect=shard_paths) as made:
        shards.check_shard_names(paths)
    assert made.call_count == 2
    with pytest.raises(ConfigError, match=r"b-00000-of-00200: is one of 200 shards by its name"):
        shards.check_shard_names(paths[:-1])
