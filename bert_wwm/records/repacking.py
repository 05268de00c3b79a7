"""Packs the instances of existing records, google-research/bert's and HFL's among them.

N instances, S tokens of a sequence, P predictions of a sequence.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bert_wwm.core.errors import DataError
from bert_wwm.core.seeding import permutation, rng_for
from bert_wwm.data.counts import Counts
from bert_wwm.data.local import BlockOutput, deal_out
from bert_wwm.data.packing import find_max_instances, pack
from bert_wwm.data.sources import Source
from bert_wwm.records.checks import decode_features
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import frame, read_records
from bert_wwm.records.schema import FLOAT, LABELS, Schema, pretraining_schema

_WINDOW = 2048  # instances that are packed together
_FRAME_BYTES = 16  # of a record in a file, beside the record


class Window(NamedTuple):
    """Neighbouring records of a file."""

    path: str
    place: tuple[int, int]  # the number of the file, and of the window in it
    records: list[bytes]

    @property
    def size(self) -> int:
        """Bytes of the file, if it isn't compressed."""
        return sum(map(len, self.records)) + _FRAME_BYTES * len(self.records)


class RecordSource(Source):
    """Gives windows of records."""

    def runs(self, paths: Sequence[str]) -> list[list[str]]:
        return [[path] for path in paths]

    def read(self, run: int, paths: Sequence[str]) -> Iterator[Window]:
        (path,) = paths
        records = read_records(path)
        for number in itertools.count():
            window = list(itertools.islice(records, _WINDOW))
            if not window:
                return
            yield Window(path, (run, number), window)

    def blocks(self) -> dict[str, int]:
        return {"window": _WINDOW}


def find_schema(features: Mapping[str, Sequence[float]], path: str) -> Schema:
    """Returns the schema of records that are not packed, by the values of one."""
    lengths = [len(features.get(name, ())) for name in ("input_ids", "masked_lm_ids")]
    if not all(lengths):
        raise DataError(
            f"{path}: its first record has no input_ids or masked_lm_ids; expected records for "
            "pretraining"
        )
    if "instance_starts" in features:
        raise DataError(f"{path}: is packed already; expected records of single instances")
    labels = [label for label in LABELS if label in features]
    return pretraining_schema(*lengths, "next_sentence_labels" in features, labels)


def pack_schema(schema: Schema) -> Schema:
    """Returns the schema of what records of a schema are packed into."""
    lengths = {field.name: field.length for field in schema}
    return pretraining_schema(
        lengths["input_ids"],
        lengths["masked_lm_ids"],
        "next_sentence_labels" in lengths,
        [label for label in LABELS if label in lengths],
        find_max_instances(lengths["input_ids"]),
    )


@dataclasses.dataclass(frozen=True)
class Packer:
    """Packs windows, and deals the rows out to shards; can be pickled."""

    schema: Schema  # of the records that are read
    num_shards: int
    seed: int
    compress: Callable[[bytes], bytes]

    def __call__(self, window: Window) -> BlockOutput:
        features = self._decode(window)
        packed = pack(features)
        examples = encode_examples(packed, pack_schema(self.schema))
        order = permutation(rng_for(self.seed, *window.place), len(examples))
        framed = [frame(examples[index]) for index in order]
        dealt = deal_out(framed, self.num_shards, sum(window.place) % self.num_shards)
        labels = features.get("next_sentence_labels", np.zeros(0))
        counts = Counts(
            instances=len(window.records),
            rows=len(examples),
            tokens=int(features["input_mask"].sum()),
            predicted=int(features["masked_lm_weights"].sum()),
            pairs_labelled_1=int(labels.sum()),
        )
        payloads = [self.compress(b"".join(part)) if part else b"" for part in dealt]
        return BlockOutput(payloads, [len(part) for part in dealt], counts)

    def _decode(self, window: Window) -> dict[str, np.ndarray]:
        """Returns the fields of a window's records: [N, length of the field]."""
        decoded = [decode_features(record, window.path) for record in window.records]
        for number, values in enumerate(decoded):
            if "instance_starts" in values:
                self._refuse(window, number, "several instances", "a single one")
        features = {}
        for field in self.schema:
            rows = [values.get(field.name, ()) for values in decoded]
            for number, row in enumerate(rows):
                if len(row) != field.length:
                    self._refuse(window, number, f"{len(row)} values of {field.name}", field.length)
            kind = np.float32 if field.dtype == FLOAT else np.int64
            features[field.name] = np.array(rows, kind).reshape(-1, field.length)
        self._check(window, features)
        return features

    def _check(self, window: Window, features: Mapping[str, np.ndarray]) -> None:
        """Refuses records whose padding isn't behind all else, or predictions out of range."""
        ones, places = "ones and then zeros", "places of its tokens"
        mask, weights = features["input_mask"], features["masked_lm_weights"]
        lengths = mask.sum(axis=1, keepdims=True)
        used = np.arange(mask.shape[1]) < np.maximum(lengths, 1)
        predicted = np.arange(weights.shape[1]) < (weights > 0).sum(axis=1, keepdims=True)
        faults = {
            "input_mask": (ones, mask != used),
            "masked_lm_weights": (ones, weights != predicted),
        }
        for name in ("masked_lm_positions", "target_positions"):
            values = features.get(name, np.zeros_like(weights))
            faults[name] = (places, predicted & ((values < 0) | (values >= lengths)))
        for name, (expected, is_wrong) in faults.items():
            if is_wrong.any():
                number = int(is_wrong.any(axis=1).argmax())
                self._refuse(window, number, f"a broken {name}", expected)

    @staticmethod
    def _refuse(window: Window, number: int, found: str, expected: object) -> None:
        record = window.place[1] * _WINDOW + number
        raise DataError(f"{window.path}: record {record} has {found}; expected {expected}")
