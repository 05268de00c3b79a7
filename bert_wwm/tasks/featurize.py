"""Turns examples into features: in parallel, and only if that hasn't been done before."""

import functools
import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bert_wwm.core import files, input_files
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.progress import Progress
from bert_wwm.core.workers import map_blocks
from bert_wwm.tasks.features import FeatureTable, join_tables
from bert_wwm.text.bulk import BulkTokenizer, Pieces
from bert_wwm.text.tokenizer import Tokenizer

_FORMAT = 1  # of the files that keep features
_CHUNK = 2000  # examples that a worker takes at a time
_FEW_CHARACTERS = 3_000_000  # below that a process starts slower than it works


class Featurizer:
    """Makes features of a kind of examples; it is sent to worker processes."""

    kind: str  # this one and the next two are parts of ``describe``
    version = 1
    vocabulary_key = "vocabulary"
    shortest: int  # the minimum of max_seq_length
    shortest_holds: str  # in words, for the error

    def __init__(self, tokenizer: Tokenizer, max_seq_length: int):
        if max_seq_length < self.shortest:
            raise ConfigError(
                f"max_seq_length is {max_seq_length}; expected at least {self.shortest}: "
                f"{self.shortest_holds}"
            )
        self.tokenizer = tokenizer
        self.max_seq_length = max_seq_length
        self._bulk: BulkTokenizer | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_bulk": None}  # megabytes that are soon made again

    def describe(self) -> dict[str, object]:
        """Returns, as JSON, all that features depend on besides the examples; order counts."""
        return {
            "kind": self.kind,
            "version": self.version,
            self.vocabulary_key: self.tokenizer.vocabulary.sha256(),
            "do_lower_case": self.tokenizer.do_lower_case,
            "drop_category_c": self.tokenizer.drop_category_c,
            "max_seq_length": self.max_seq_length,
        }

    def tokenize(self, texts: Iterable[str]) -> Pieces:
        """Returns the pieces of texts, whose line ends count as spaces."""
        if self._bulk is None:
            self._bulk = BulkTokenizer(self.tokenizer)
        return self._bulk.tokenize([text.replace("\n", " ") for text in texts])

    def __call__(self, examples: Sequence[Any], first: int) -> FeatureTable:
        """Returns the features of examples in a row; ``first`` is the number of their first one."""
        raise NotImplementedError


def featurize(
    featurizer: Featurizer,
    examples: Sequence[Any],
    num_workers: int,
    cache_dir: str | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> tuple[FeatureTable, str]:
    """Returns the features of examples, in their order, and ``features_key`` of them.

    That key names the file of ``cache_dir`` (None: nowhere) which stores them, so another run, with
    another seed or model, finds them. ``num_workers`` is the maximum number of processes.
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
            log(f"{path}: broken, and made again")
    table = _make(featurizer, examples, num_workers)
    files.make_folder(cache_dir)
    files.write_bytes(path, table.to_bytes())
    return table, key


def _make(featurizer: Featurizer, examples: Sequence[Any], num_workers: int) -> FeatureTable:
    chunks = [
        (first, list(examples[first : first + _CHUNK])) for first in range(0, len(examples), _CHUNK)
    ]
    work = functools.partial(_featurize_chunk, featurizer)
    if num_workers == 1 or len(chunks) == 1 or _num_characters(examples) < _FEW_CHARACTERS:
        results: Iterator[FeatureTable] = map(work, chunks)
    else:
        workers = min(num_workers, len(chunks))
        results = (table for _, table in map_blocks(work, chunks, workers))
    tables = []
    with Progress("features", total=len(chunks)) as progress:
        for table in results:
            tables.append(table)
            progress.update(len(tables))
    return join_tables(tables)


def _featurize_chunk(featurizer: Featurizer, chunk: tuple[int, list[Any]]) -> FeatureTable:
    first, examples = chunk
    return featurizer(examples, first)


def _num_characters(examples: Sequence[Any]) -> int:
    fields = (field for example in examples for field in example)
    return sum(len(field) for field in fields if isinstance(field, (str, tuple)))


def features_key(featurizer: Featurizer, examples: Sequence[Any]) -> str:
    """Returns a hash of all that features depend on, as hexadecimal digits."""
    digest = hashlib.sha256(json.dumps([_FORMAT, featurizer.describe()]).encode("utf-8"))
    for example in examples:
        digest.update(repr(example).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]
