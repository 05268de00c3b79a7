"""Packs instances, several into one row of a record, so that little is padding; unpacks them too.

N instances, R rows, S tokens of a row, P predictions of a row, K instances of a row at most.
"""

import bisect
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from bert_wwm.core.errors import DataError
from bert_wwm.masking.sequences import positions

_OF_TOKENS = ("input_ids", "input_mask", "segment_ids")
_POSITIONS = ("masked_lm_positions", "target_positions")
_PAIR_LABEL = "next_sentence_labels"
_STARTS = "instance_starts"
_FEWEST_TOKENS = 16  # of the instances of a row on average, where it has as many as it may


def find_max_instances(max_seq_length: int) -> int:
    """Returns the most instances that are put into a row, K."""
    return max(1, max_seq_length // _FEWEST_TOKENS)


def count_rows(instances: int, instances_per_row: float, parts: int) -> int:
    """Returns the rows of a batch of so many instances; ``parts`` share them evenly."""
    return parts * max(1, round(instances / instances_per_row / parts))


def assign_rows(
    lengths: Sequence[int], predictions: Sequence[int], room: tuple[int, int, int]
) -> list[list[int]]:
    """Returns the instances of each row, by the tokens and the predictions of each instance.

    Best-fit decreasing: the longest instance first, each into the fullest row that has room for it.
    Among equal rows it is the one that got there last, so the result depends on nothing but the
    instances. ``room`` is what a row has room for: tokens, predictions, instances.
    """
    tokens, most_predictions, most_instances = room
    rows: list[list[int]] = []
    predicted: list[int] = []  # by the instances of each row
    rows_with: list[list[int]] = [[] for _ in range(tokens + 1)]  # by the tokens that they can take
    spaces = 0  # as bits: the numbers of tokens that some row can take
    for instance in sorted(range(len(lengths)), key=lambda instance: -lengths[instance]):
        length, wanted = lengths[instance], predictions[instance]
        space, row = tokens, len(rows)
        enough = spaces >> length << length
        while enough:
            lowest = enough & -enough
            last = rows_with[lowest.bit_length() - 1]
            if predicted[last[-1]] + wanted <= most_predictions:
                space, row = lowest.bit_length() - 1, last.pop()
                if not last:
                    spaces ^= lowest
                break
            enough ^= lowest
        else:
            rows.append([])
            predicted.append(0)
        rows[row].append(instance)
        predicted[row] += wanted
        if len(rows[row]) < most_instances and predicted[row] < most_predictions:
            rows_with[space - length].append(row)
            spaces |= 1 << (space - length)
    return rows


def pack(features: Mapping[str, np.ndarray], pad: int = 0) -> dict[str, np.ndarray]:
    """Packs instances, [N, length of the field], into rows, [R, length of the field].

    A row has its instances one after the other, then padding, of the id ``pad``; predictions
    likewise. ``instance_starts`` [R, K] is new: where each instance begins, and 0 after the last.
    ``next_sentence_labels`` becomes [R, K]. All positions are within the row.
    """
    length, most = features["input_ids"].shape[1], features["masked_lm_positions"].shape[1]
    max_instances = find_max_instances(length)
    lengths = features["input_mask"].sum(axis=1, dtype=np.int64)
    predictions = (features["masked_lm_weights"] > 0).sum(axis=1, dtype=np.int64)
    rows = assign_rows(lengths.tolist(), predictions.tolist(), (length, most, max_instances))

    order = np.array([instance for row in rows for instance in row], np.int64)
    counts = np.array([len(row) for row in rows], np.int64)
    row_of = np.repeat(np.arange(len(rows)), counts)
    firsts = np.repeat(np.cumsum(counts) - counts, counts)  # in this order, of each one's row

    def move(sizes: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where instances of some sizes begin in their rows; their values' places before, after."""
        sizes = sizes[order]
        begins = np.cumsum(sizes) - sizes
        begins -= begins[firsts]
        before, after = order * width, row_of * width + begins
        return begins, positions(before, sizes), positions(after, sizes)

    begins, *tokens = move(lengths, length)
    _, *predicted = move(predictions, most)
    slots = row_of * max_instances + np.arange(len(order)) - firsts
    begins = begins.astype(np.int32)
    shift = np.repeat(begins, predictions[order])

    def fill(width: int, places: np.ndarray, values: np.ndarray, rest: int = 0) -> np.ndarray:
        """[R, width]"""
        result = np.full(len(rows) * width, rest, values.dtype)
        result[places] = values
        return result.reshape(-1, width)

    packed = {_STARTS: fill(max_instances, slots, begins)}
    for name, values in features.items():
        flat = values.ravel()
        if name in _OF_TOKENS:
            rest = pad if name == "input_ids" else 0
            packed[name] = fill(length, tokens[1], flat[tokens[0]], rest)
        elif name == _PAIR_LABEL:
            packed[name] = fill(max_instances, slots, flat[order])
        else:
            moved = flat[predicted[0]]
            if name in _POSITIONS:
                moved = moved + shift
            packed[name] = fill(most, predicted[1], moved)
    return packed


def unpack(features: Mapping[str, list[float]], where: str) -> list[dict[str, list[float]]]:
    """Returns the instances of a row as they were before ``pack``, padded with 0.

    A record that is not packed is its only instance. ``where`` is file and number of the record.

    Raises:
        DataError: the starts of the instances are not increasing positions of tokens.
    """
    if _STARTS not in features:
        return [dict(features)]
    used = int(sum(features["input_mask"]))
    starts = [0, *(int(start) for start in features[_STARTS] if start)]
    if starts != sorted(set(starts)) or starts[-1] >= used:
        raise DataError(
            f"{where}: instances begin at {', '.join(map(str, starts))}; expected increasing "
            f"positions of {used} tokens"
        )
    predicted = zip(features["masked_lm_positions"], features["masked_lm_weights"])
    owners = [bisect.bisect(starts, place) - 1 if weight else -1 for place, weight in predicted]
    instances = []
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], used])):
        selected = [owner == number for owner in owners]
        instance = {}
        for name, values in features.items():
            if name in _OF_TOKENS:
                own = values[start:end]
            else:
                own = list(itertools.compress(values, selected))
                if name in _POSITIONS:
                    own = [position - start for position in own]
            instance[name] = own + [0] * (len(values) - len(own))
        if _PAIR_LABEL in features:
            instance[_PAIR_LABEL] = [features[_PAIR_LABEL][number]]
        del instance[_STARTS]
        instances.append(instance)
    return instances
