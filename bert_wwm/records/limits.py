"""The ranges of the values in records; outside of them a model would read something else."""

from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.records.schema import Schema

Limits = dict[str, int]

_LABELS = {inventory.feature: len(inventory.labels) for inventory in INVENTORIES.values()}
# A sequence is of two segments, or of one, whatever the model's type_vocab_size is.
_NUM_SEGMENTS = 2


def find_limits(schema: Schema, vocab_size: int) -> Limits:
    """Returns the highest value of each field of records for pretraining; the lowest is 0."""
    length = next(field.length for field in schema if field.name == "input_ids")
    counts = {
        "input_ids": vocab_size,
        "input_mask": 2,
        "segment_ids": _NUM_SEGMENTS,
        "masked_lm_positions": length,
        "masked_lm_ids": vocab_size,
        "masked_lm_weights": 2,
        "next_sentence_labels": 2,
        "target_positions": length,
        **_LABELS,
    }
    return {field.name: counts[field.name] - 1 for field in schema}
