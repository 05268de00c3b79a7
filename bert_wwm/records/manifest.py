"""What records were made with, beside the records; the trainer compares and refuses."""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import read_object
from bert_wwm.core.shards import base_name, manifest_path

FORMAT = 2
_SIZES = ("records", "bytes")  # of each file
# Where a run has the values that it expects of its records.
_SOURCES = {
    "max_seq_length": "--max_seq_length",
    "max_predictions_per_seq": "--max_predictions_per_seq",
    "vocab_size": "vocab_size of --bert_config_file",
    "vocab_sha256": "the SHA-256 of --vocab_file",
    "strategy": "--masking_strategy",
    "do_lower_case": "do_lower_case of the model, by its flag or its files,",
}
# What the files of one run share.
_SHARED = (
    "strategy pairing labels vocab_sha256 do_lower_case tokenizer max_instances_per_seq".split()
)


@dataclasses.dataclass
class Manifest:
    """Facts about a set of records; None where they were packed of ones that had no manifest."""

    strategy: str | None  # name of the masking strategy
    pairing: str | None  # how sequences were made of documents
    labels: list[str]  # fields of further labels of each prediction
    max_seq_length: int  # tokens of a sequence
    max_predictions_per_seq: int  # pieces to predict in a sequence, at most
    vocab_size: int | None  # number of pieces
    vocab_sha256: str | None  # SHA-256 of the pieces, one a line
    do_lower_case: bool | None  # casing of the tokenizer
    tokenizer: str | None  # ``google`` or ``hfl``
    segmenter: dict[str, object] | None  # what cut the sentences into words
    flags: dict[str, object]  # all flags of the run
    counts: dict[str, object]  # what was counted
    files: dict[str, dict[str, int]]  # records and bytes of each file, by base name
    # What decides the records' bytes, compared when the same run is started again.
    run: dict[str, dict[str, object]]
    max_instances_per_seq: int = 1  # more where they are packed
    format: int = FORMAT  # version of this format

    @classmethod
    def load(cls, path: str) -> "Manifest":
        """Reads a manifest. Raises DataError where it can't be understood."""
        try:
            values = read_object(path)
            found = values.get("format", FORMAT)
            if found != FORMAT:  # its fields differ too
                raise DataError(f"{path}: has format {found}; expected format {FORMAT}")
            manifest = cls(**values)
        except TypeError as error:  # fields are missing, or unknown
            raise DataError(f"{path}: not a manifest of records ({error})") from None
        for name, kind in get_type_hints(cls).items():
            kinds = get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
            if type(getattr(manifest, name)) not in [get_origin(one) or one for one in kinds]:
                raise DataError(f"{path}: not a manifest of records ({name} is broken)")
        for name, entry in manifest.files.items():
            sizes = [entry.get(key) for key in _SIZES] if isinstance(entry, dict) else [None]
            if not all(type(size) is int and size >= 0 for size in sizes):
                raise DataError(f"{path}: not a manifest of records (files: {name!r} is broken)")
        return manifest

    def check_vocabulary(self, path: str, sha256: str) -> None:
        """Raises ConfigError where a vocabulary is not the one that the records were made with."""
        if self.vocab_sha256 not in (None, sha256):
            raise ConfigError(
                f"{path}: the records were made with a vocabulary of SHA-256 {self.vocab_sha256}, "
                f"but --vocab_file has {sha256}"
            )


def check(record_paths: Sequence[str], expected: Mapping[str, Any]) -> list[str]:
    """Compares the manifests of records with what a run expects, and with each other.

    ``expected`` are values of fields of the manifest; None where the run takes what comes. Returns
    the files that have no manifest, made by google-research/bert or by hand.

    Raises:
        ConfigError: they were made with other settings; both values are named.
        DataError: a file is shorter or longer than it was when it was written.
    """
    manifests: dict[str, Manifest] = {}
    without = []
    for path in record_paths:
        where = manifest_path(path)
        if where not in manifests:
            if not files.exists(where):
                without.append(path)
                continue
            manifests[where] = Manifest.load(where)
            _compare(where, manifests[where], expected)
        _check_size(path, where, manifests[where])
    _check_agreement(manifests)
    return without


def read_packing(record_paths: Sequence[str]) -> tuple[int, float]:
    """Returns how many instances a sequence has, at most and on average, by the manifests.

    Both are 1 where no manifest says that they are packed.
    """
    most, instances, rows = 1, 0, 0
    for where in dict.fromkeys(map(manifest_path, record_paths)):
        manifest = Manifest.load(where) if files.exists(where) else None
        if manifest and manifest.max_instances_per_seq > 1:
            counts = [manifest.counts.get(name) for name in ("instances", "rows")]
            if not all(type(count) is int and count > 0 for count in counts):
                raise DataError(f"{where}: not a manifest of packed records (counts are broken)")
            most = max(most, manifest.max_instances_per_seq)
            instances, rows = instances + counts[0], rows + counts[1]
    return most, instances / rows if rows else 1.0


def _compare(path: str, manifest: Manifest, expected: Mapping[str, Any]) -> None:
    for name, want in expected.items():
        have = getattr(manifest, name)
        if None not in (want, have) and want != have:
            raise ConfigError(
                f"{path}: the records were made with {name} = {have}, but {_SOURCES[name]} is "
                f"{want}; make them anew, or train with what they were made with"
            )


def _check_size(path: str, where: str, manifest: Manifest) -> None:
    entry = manifest.files.get(base_name(path))
    if entry is None:
        raise ConfigError(
            f"{path}: is not among the files that {where} lists; it was left there by another run"
        )
    if files.size(path) != entry["bytes"]:
        raise DataError(
            f"{path}: has {files.size(path)} bytes, but its manifest says {entry['bytes']}; "
            "it was truncated or changed after it was written"
        )


def _check_agreement(manifests: dict[str, Manifest]) -> None:
    known: dict[str, tuple[str, Any]] = {}  # the first path of each fact, and its value
    for path, manifest in manifests.items():
        for name in _SHARED:
            other = getattr(manifest, name)
            if other is None:
                continue
            first, mine = known.setdefault(name, (path, other))
            if mine != other:
                raise ConfigError(
                    f"{path}: the records were made with {name} = {other}, those of {first} with "
                    f"{mine}; train on records of one kind"
                )
