"""Output in shards that grow by steps, and go on where they were when the run was interrupted.

Until all is done the shards are in a hidden folder, ``.NAME.unfinished``, beside the first output
(for output in a bucket: in the current folder), so that no pattern takes a half-written shard for a
whole one. A journal there says how far each of them is. It is written after the shards have reached
the disk, so that whatever happens in between (kill -9, a full disk, a power cut) is cut off again
when the run goes on.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

from bert_wwm.core import files, input_files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import read_object, write_json
from bert_wwm.core.lock import locked
from bert_wwm.core.same_run import check_same_run

_MANIFEST = re.compile(r"manifest\..*\.json$")
_SHARD = re.compile(r"-\d{5}-of-(\d{5})$")
_JOURNAL, _SUM = "journal.json", "sha256"
_COMMIT_SHARE = 0.05  # of the time; to wait for the disk costs milliseconds a shard

Json = dict[str, Any]


class Shards:
    """The shards of a run. Use it as a context; leaving it early keeps what was committed.

    Manifests beside them, which say what they are, are written last. ``run`` is all that decides
    what the shards hold, ready for JSON: a dictionary of dictionaries, whose keys name the
    differences in an error message. ``finished`` is true where shards of this very run are there.
    Raises ConfigError where files of another run or origin are there, or a process writes them.
    """

    def __init__(self, paths: Sequence[str], run: Json, overwrite: bool = False):
        self._paths = list(paths)
        self._manifests = {path: manifest_path(path) for path in paths}
        names = [base_name(path) for path in paths]
        self._run = json.loads(json.dumps({**run, "output": {"files": names}}))
        self._overwrite = overwrite
        self._work = _work_folder(paths[0])
        # The sizes of the shards and the state behind them, together: they change in one step.
        self._done: tuple[list[int], Json | None] = ([0] * len(paths), None)
        self._shards: list[IO[bytes]] = []
        self._stack = contextlib.ExitStack()
        self._next_commit = 0.0
        self.finished = False

    @property
    def state(self) -> Json | None:
        """What the run needs to go on behind what was appended last; None at the beginning."""
        return self._done[1]

    def __enter__(self) -> "Shards":
        self.finished = not self._overwrite and self._is_there()
        if self.finished:
            return self
        with contextlib.ExitStack() as stack:
            stack.enter_context(locked(self._work))
            journal = None if self._overwrite else self._read_journal()
            if journal is not None:
                self._compare(journal["run"], f"the unfinished run in {self._work}")
                self._done = (journal["sizes"], journal["state"])
                self._overwrite = journal["overwrite"]
                if journal["manifest"] is not None:
                    self._publish(journal["manifest"])
                    self.finished = True
                elif not self._overwrite:
                    self._refuse_others()
            if not self.finished:
                self._open()
                self._commit()
            self._stack = stack.pop_all()
        return self

    def discard(self) -> None:
        """Forgets what was appended: there is nothing to finish."""
        self._done = (self._done[0], None)

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):  # such as a full disk, which has been told already
            if self.state is not None and not self.finished:
                self._commit()
        with self._stack:
            for shard in self._shards:
                with contextlib.suppress(OSError):
                    shard.close()
            if self.state is None and not self.finished:
                shutil.rmtree(self._work, ignore_errors=True)  # nothing to go on from

    def append(self, payloads: Sequence[bytes], state: Json) -> None:
        """Appends to each shard; after a step that is lost all goes on with the state before it."""
        for shard, payload in zip(self._shards, payloads):
            shard.write(payload)
        sizes = [size + len(payload) for size, payload in zip(self._done[0], payloads)]
        self._done = (sizes, state)
        if time.monotonic() >= self._next_commit:
            self._commit()

    def written(self, number: int, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Yields what was appended to a shard so far, in chunks."""
        self._shards[number].flush()
        with open(self._place(number), "rb") as shard:
            while chunk := shard.read(chunk_bytes):
                yield chunk

    def finish(self, manifest: Json, of_files: Sequence[Json]) -> None:
        """Gives all shards their names, and writes the manifests.

        Raises DataError if an input file has changed; nothing is written then.
        """
        input_files.check_unchanged()
        entries = {
            path: {**entry, "bytes": size}
            for path, entry, size in zip(self._paths, of_files, self._done[0])
        }
        complete = {**manifest, "files": entries, "run": self._run}
        self._commit(complete)
        self.finished = True  # if it is interrupted from here on, the journal knows all
        for shard in self._shards:
            shard.close()
        self._publish(complete)

    def _publish(self, complete: Json) -> None:
        """Also where that was interrupted: what has its name already has left the folder."""
        for place in dict.fromkeys(self._manifests.values()):
            if files.exists(place):
                for path in set(listed_files(place)).difference(self._paths):
                    files.remove(path)  # an earlier run wrote it and this one doesn't
                files.remove(place)
        for number, path in enumerate(self._paths):
            if os.path.exists(self._place(number)):
                files.move(self._place(number), path)
        write_manifests(complete)
        shutil.rmtree(self._work)

    def _is_there(self) -> bool:
        """Tells whether the run was finished before, and raises where another one was."""
        if os.path.exists(os.path.join(self._work, _JOURNAL)):
            return False
        there = []
        for path, place in self._manifests.items():
            if files.exists(place):
                manifest = _load_manifest(place)
                self._compare(manifest.get("run", {}), place)
                entry = manifest.get("files", {}).get(base_name(path), {})
                if not files.exists(path) or files.size(path) != entry.get("bytes"):
                    raise ConfigError(
                        f"{path}: is not as {place} describes it; --overwrite makes it anew"
                    )
                there.append(path)
            elif files.exists(path):
                raise ConfigError(
                    f"{path}: is there already, and no manifest tells what it is; --overwrite "
                    "replaces it"
                )
        for path in self._paths:
            if there and path not in there:
                raise ConfigError(
                    f"{path}: is not there, though {there[0]} of the same run is; --overwrite "
                    "makes all anew"
                )
        return bool(there)

    def _refuse_others(self) -> None:
        for path in self._paths:
            if files.exists(path):
                raise ConfigError(
                    f"{path}: came to be there while this run was interrupted; expected no file of "
                    "that name, or --overwrite, which begins again"
                )

    def _compare(self, other: Json, where: str) -> None:
        check_same_run(_flat(other), _flat(self._run), where, "another output, or --overwrite")

    def _place(self, number: int) -> str:
        return os.path.join(self._work, f"{number:05d}")

    def _open(self) -> None:
        """Opens the shards, without what was appended after the last commit."""
        for number, size in enumerate(self._done[0]):
            shard = open(self._place(number), "ab")
            self._shards.append(shard)
            if shard.tell() < size:
                raise DataError(
                    f"{shard.name}: is shorter than the journal beside it says; --overwrite begins "
                    "again"
                )
            shard.truncate(size)

    def _read_journal(self) -> Json | None:
        path = os.path.join(self._work, _JOURNAL)
        if not os.path.exists(path):
            return None
        journal = _load(path)
        if journal.pop(_SUM, None) != _sum(journal):
            raise DataError(
                f"{path}: is not as the interrupted run left it; --overwrite begins again"
            )
        return journal

    def _commit(self, manifest: Json | None = None) -> None:
        begun = time.monotonic()
        for shard in self._shards:
            shard.flush()
            os.fsync(shard.fileno())
        journal = {
            "run": self._run,
            "sizes": self._done[0],
            "state": self._done[1],
            "overwrite": self._overwrite,
            "manifest": manifest,
        }
        journal = json.loads(json.dumps(journal))  # as it is read again: keys are strings
        text = json.dumps({**journal, _SUM: _sum(journal)})
        files.write_text(os.path.join(self._work, _JOURNAL), text)
        now = time.monotonic()
        self._next_commit = now + (now - begun) / _COMMIT_SHARE


def _work_folder(path: str) -> str:
    folder = "" if files.is_remote(path) else os.path.dirname(os.path.realpath(path))
    return os.path.join(folder, f".{_SHARD.sub('', base_name(path))}.unfinished")


def shard_paths(path: str, count: int) -> list[str]:
    """Returns the names of shards.

    Example:
        shard_paths("wiki.tfrecord", 64)[7] -> "wiki.tfrecord-00007-of-00064"
    """
    return [f"{path}-{number:05d}-of-{count:05d}" for number in range(count)]


def check_shard_names(paths: Sequence[str]) -> None:
    """Raises ConfigError where names are those of some shards of a set, and not of all.

    A set has one manifest, so one run has to write it.
    """
    sets: dict[tuple[str, str], str] = {}  # a path of each set
    for path in paths:
        if shard := _SHARD.search(path):
            sets.setdefault((path[: shard.start()], shard[1]), path)
    given = set(paths)
    for (name, number), path in sets.items():
        count = int(number)
        if not given.issuperset(shard_paths(name, count)):
            raise ConfigError(
                f"{path}: is one of {count:,} shards by its name; expected all of them in one "
                f"run, as by --num_output_shards={count}"
            )


def manifest_path(path: str) -> str:
    """Returns where the manifest of a file is.

    ``wiki.tfrecord`` is described by ``manifest.wiki.tfrecord.json``, and the shards
    ``wiki.tfrecord-00003-of-00064`` all by the same: a name that ``wiki.tfrecord*`` doesn't match,
    since google-research/bert's program would take it for records.
    """
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}manifest.{_SHARD.sub('', name)}.json"


def write_manifests(complete: Json) -> None:
    """Writes manifests, each with what is to be said of all files and the entries of its own."""
    by_place: dict[str, Json] = {}
    for path, entry in complete["files"].items():
        by_place.setdefault(manifest_path(path), {})[base_name(path)] = entry
    for place, entries in by_place.items():
        write_json(place, {**complete, "files": entries})


def listed_files(manifest: str) -> list[str]:
    """Returns the paths of the files that a manifest describes and a run could have written.

    Manifests travel with records, so their names aren't trusted: other names are ignored, such as
    those that lead out of the folder. A broken manifest describes none.
    """
    try:
        names = read_object(manifest).get("files")
    except DataError:
        return []
    folder, slash, place = manifest.rpartition("/")
    return [
        folder + slash + name
        for name in (names if isinstance(names, dict) else ())
        if name == base_name(name) and name not in ("", ".", "..") and manifest_path(name) == place
    ]


def find_shards(patterns: Sequence[str]) -> list[str]:
    """Returns the files that patterns name; ``records/*`` leaves manifests out."""
    found = [path for path in files.find(patterns) if not _MANIFEST.match(base_name(path))]
    if not found:
        raise DataError(f"{','.join(patterns)}: names only manifests; expected what they describe")
    return found


def base_name(path: str) -> str:
    """The last part of a path, local or in a bucket."""
    return path.rsplit("/", 1)[-1]


def _flat(run: Json) -> Json:
    return {f"{group} {key}": value for group, of in run.items() for key, value in of.items()}


def _sum(journal: Json) -> str:
    """Returns the hash of a journal, by which one that was edited is known."""
    return hashlib.sha256(json.dumps(journal, sort_keys=True).encode("ascii")).hexdigest()


def _load_manifest(path: str) -> Json:
    manifest = _load(path)
    for name in ("files", "run"):
        entries = manifest.get(name, {})
        if not isinstance(entries, dict) or not all(isinstance(e, dict) for e in entries.values()):
            raise DataError(f"{path}: {name} is broken; --overwrite begins again")
    return manifest


def _load(path: str) -> Json:
    try:
        return read_object(path)
    except DataError as error:
        raise DataError(f"{error}; --overwrite begins again") from None
