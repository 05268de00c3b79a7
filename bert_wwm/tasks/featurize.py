"""Turns examples into features: in parallel, and only if that hasn't been done before."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bert_wwm.core import files, input_files
from bert_wwm.core.progress import Progress
from bert_wwm.core.workers import map_blocks
from bert_wwm.tasks.features import FeatureTable, concatenated

_FORMAT = 1  # of the files that keep features
_CHUNK = 2000  # examples that a worker takes at a time
_FEW_CHARACTERS = 3_000_000  # below that a process starts slower than it works


class Featurizer:
    """What makes features of a kind of examples; it is sent to worker processes."""

    def describe(self) -> dict[str, object]:
        """Returns, as JSON knows it, all that the features depend on besides the examples."""
        raise NotImplementedError

    def __call__(self, examples: Sequence[Any], first: int) -> FeatureTable:
        """Returns the features of examples in a row; ``first`` is the number of the first one."""
        raise NotImplementedError


class _Work:
    """What a worker does with a chunk: the number of its first example, and the examples."""

    def __init__(self, featurizer: Featurizer):
        self._featurizer = featurizer

    def __call__(self, chunk: tuple[int, list[Any]]) -> FeatureTable:
        first, examples = chunk
        return self._featurizer(examples, first)


def featurize(
    featurizer: Featurizer,
    examples: Sequence[Any],
    num_workers: int,
    cache_dir: str | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> tuple[FeatureTable, str]:
    """Returns the features of examples, in their order, and ``features_key`` of them.

    They are stored in a file of ``cache_dir`` (None: nowhere) whose name is a hash of all that they
    depend on: the examples, the vocabulary, lengths and so on. So another run, with another seed or
    model, finds them. ``num_workers`` is the maximum number of processes.
    """
    key = features_key(featurizer, examples)
    if cache_dir is None:
        return _make(featurizer, examples, num_workers), key
    path = os.path.join(cache_dir, f"{key}.npz")
    if files.exists(path):
        try:
            table = FeatureTable.from_bytes(files.read_bytes(path))
            input_files.forget(path)  # another run may write the same again
            return table, key
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
            log(f"{path}: broken, and made anew")
    table = _make(featurizer, examples, num_workers)
    files.make_folder(cache_dir)
    files.write_bytes(path, table.to_bytes())
    return table, key


def _make(featurizer: Featurizer, examples: Sequence[Any], num_workers: int) -> FeatureTable:
    chunks = list(_chunks(examples))
    if num_workers == 1 or len(chunks) == 1 or _num_characters(examples) < _FEW_CHARACTERS:
        results: Iterator[FeatureTable] = map(_Work(featurizer), chunks)
    else:
        workers = min(num_workers, len(chunks))
        results = (table for _, table in map_blocks(_Work(featurizer), chunks, workers))
    tables = []
    with Progress("features", total=len(chunks)) as progress:
        for table in results:
            tables.append(table)
            progress.update(len(tables))
    return concatenated(tables)


def _chunks(examples: Sequence[Any]) -> Iterator[tuple[int, list[Any]]]:
    for first in range(0, len(examples), _CHUNK):
        yield first, list(examples[first : first + _CHUNK])


def _num_characters(examples: Sequence[Any]) -> int:
    fields = (field for example in examples for field in example)
    return sum(len(field) for field in fields if isinstance(field, (str, tuple)))


def features_key(featurizer: Featurizer, examples: Sequence[Any]) -> str:
    """Returns a hash of all that features depend on, as hexadecimal digits."""
    digest = hashlib.sha256(json.dumps([_FORMAT, featurizer.describe()]).encode("utf-8"))
    for example in examples:
        digest.update(repr(example).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]
