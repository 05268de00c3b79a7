"""The instances of records, each for itself, whether several are packed into a row or not."""

import collections
from collections.abc import Iterable, Mapping, Sequence

Row = Mapping[str, Sequence[float]]
_POSITIONS = ("masked_lm_positions", "target_positions")


def count_instances(rows: Iterable[Row]) -> collections.Counter:
    """Returns how often each instance is in rows: its values without padding, by field."""
    return collections.Counter(instance for row in rows for instance in split_row(row))


def split_row(row: Row) -> list[tuple]:
    """Returns the instances of a row; positions are within each."""
    starts = [begin for n, begin in enumerate(row.get("instance_starts", [0])) if not n or begin]
    instances = []
    for number, (begin, end) in enumerate(zip(starts, [*starts[1:], sum(row["input_mask"])])):
        values = {name: tuple(row[name][begin:end]) for name in ("input_ids", "segment_ids")}
        if "next_sentence_labels" in row:
            values["next_sentence_labels"] = (row["next_sentence_labels"][number],)
        predicted = [
            n
            for n, position in enumerate(row["masked_lm_positions"])
            if row["masked_lm_weights"][n] and begin <= position < end
        ]
        for name in sorted(set(row) - {*values, "input_mask", "instance_starts"}):
            shift = begin if name in _POSITIONS else 0
            values[name] = tuple(row[name][n] - shift for n in predicted)
        instances.append(tuple(sorted(values.items())))
    return instances


def read_rows(paths: Iterable[str]) -> list[dict[str, list[float]]]:
    """Returns the fields of all records of files."""
    # Here, so that tests of the pure layers stay without TensorFlow.
    from bert_wwm.records.checks import decode_features
    from bert_wwm.records.framing import read_records

    return [decode_features(record, path) for path in paths for record in read_records(path)]
