"""What records were made with, beside the records; the trainer compares and refuses.

``tf_examples.tfrecord`` is described by ``tf_examples.tfrecord.manifest.json``, the shards
``wiki.tfrecord-00003-of-00064`` all by ``wiki.tfrecord.manifest.json``.
"""

import dataclasses
import json
import re
from typing import Dict, List, Optional, Sequence

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError

FORMAT = 1
_SUFFIX = ".manifest.json"
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")


@dataclasses.dataclass
class Manifest:
    """Facts about a set of records.

    Attributes:
        strategy: name of the masking strategy.
        max_seq_length: tokens of a sequence.
        max_predictions_per_seq: pieces to predict in a sequence, at most.
        vocab_size: number of pieces.
        vocab_sha256: SHA-256 of the pieces, one a line.
        do_lower_case: casing of the tokenizer.
        tokenizer: ``google`` or ``hfl``.
        segmenter: what cut the sentences into words.
        flags: all flags of the run.
        counts: what was counted.
        files: records and bytes of each file, by base name.
        format: version of this format.
    """

    strategy: str
    max_seq_length: int
    max_predictions_per_seq: int
    vocab_size: int
    vocab_sha256: str
    do_lower_case: bool
    tokenizer: str
    segmenter: Dict[str, object]
    flags: Dict[str, object]
    counts: Dict[str, object]
    files: Dict[str, Dict[str, int]]
    format: int = FORMAT

    def save(self, path: str) -> None:
        """Writes the manifest as JSON."""
        text = json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=2)
        files.write_text(path, text + "\n")

    @classmethod
    def load(cls, path: str) -> "Manifest":
        """Reads a manifest. Raises DataError where it can't be understood."""
        try:
            values = json.loads(files.read_bytes(path).decode("utf-8"))
            manifest = cls(**values)
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}: not a manifest of records ({error})") from None
        if not isinstance(manifest.files, dict) or not isinstance(manifest.flags, dict):
            raise DataError(f"{path}: not a manifest of records (files or flags are missing)")
        if manifest.format != FORMAT:
            raise DataError(f"{path}: has format {manifest.format}; expected format {FORMAT}")
        return manifest

    def check_vocabulary(self, path: str, sha256: str) -> None:
        """Raises ConfigError where a vocabulary is not the one that the records were made with."""
        if sha256 != self.vocab_sha256:
            raise ConfigError(
                f"{path}: the records were made with a vocabulary of SHA-256 {self.vocab_sha256}, "
                f"but --vocab_file has {sha256}"
            )


def manifest_path(record_path: str) -> str:
    """Returns where the manifest of a file of records is."""
    return _SHARD.sub("", record_path) + _SUFFIX


def base_name(path: str) -> str:
    """The last part of a path, local or in a bucket."""
    return path.rsplit("/", 1)[-1]


def find_records(patterns: Sequence[str]) -> List[str]:
    """Returns the files of records that patterns name; ``wiki.tfrecord*`` leaves manifests out.

    Raises:
        DataError: a pattern names no file of records.
    """
    found = [path for path in files.find(patterns) if not path.endswith(_SUFFIX)]
    if not found:
        raise DataError(f"{','.join(patterns)}: names only manifests; expected files of records")
    return found


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What a run expects of its records; None where it takes what comes.

    Attributes:
        max_seq_length: ``--max_seq_length``.
        max_predictions_per_seq: ``--max_predictions_per_seq``.
        vocab_size: of the model's configuration.
        vocab_sha256: of ``--vocab_file``.
        strategy: ``--masking_strategy``.
    """

    max_seq_length: int
    max_predictions_per_seq: int
    vocab_size: int
    vocab_sha256: Optional[str] = None
    strategy: Optional[str] = None


def check(record_paths: Sequence[str], expected: Expectation) -> List[str]:
    """Compares the manifests of records with what a run expects, and with each other.

    Args:
        record_paths: files of records.
        expected: what the run expects.

    Returns:
        The files that have no manifest, made by google-research/bert or by hand.

    Raises:
        ConfigError: they were made with other settings; both values are named.
        DataError: a file is shorter or longer than it was when it was written.
    """
    manifests: Dict[str, Manifest] = {}
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


_SOURCES = {
    "max_seq_length": "--max_seq_length",
    "max_predictions_per_seq": "--max_predictions_per_seq",
    "vocab_size": "vocab_size of --bert_config_file",
    "vocab_sha256": "the SHA-256 of --vocab_file",
    "strategy": "--masking_strategy",
}


def _compare(path: str, manifest: Manifest, expected: Expectation) -> None:
    for name, source in _SOURCES.items():
        want, have = getattr(expected, name), getattr(manifest, name)
        if want is not None and want != have:
            raise ConfigError(
                f"{path}: the records were made with {name} = {have}, but {source} is {want}; "
                "make them anew, or train with what they were made with"
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


def _check_agreement(manifests: Dict[str, Manifest]) -> None:
    """The files of one run share a vocabulary and a strategy."""
    first: Optional[str] = None
    for path, manifest in manifests.items():
        first = first or path
        for name in ("strategy", "vocab_sha256", "do_lower_case", "tokenizer"):
            mine, other = getattr(manifests[first], name), getattr(manifest, name)
            if mine != other:
                raise ConfigError(
                    f"{path}: the records were made with {name} = {other}, those of {first} with "
                    f"{mine}; train on records of one kind"
                )
