"""One table of the fields of a record; writer and reader are derived from it.

Names and types are those that google-research/bert's ``run_pretraining.py`` and HFL's of LERT read.
"""

from collections.abc import Sequence
from typing import NamedTuple

INT, FLOAT = "int64", "float32"


class Field(NamedTuple):
    """A feature of a record."""

    name: str  # its key
    dtype: str  # INT or FLOAT
    length: int  # number of values


Schema = tuple[Field, ...]

# Further labels of each prediction: LERT's, and PERT's.
LABELS = ("pos_labels", "ner_labels", "dep_labels", "target_positions")


def pretraining_schema(
    max_seq_length: int,
    max_predictions_per_seq: int,
    has_pair_label: bool = True,
    labels: Sequence[str] = (),
    max_instances_per_seq: int = 1,
) -> Schema:
    """The fields of records for pretraining; packed ones have several instances each."""
    fields = [
        Field("input_ids", INT, max_seq_length),
        Field("input_mask", INT, max_seq_length),
        Field("segment_ids", INT, max_seq_length),
        Field("masked_lm_positions", INT, max_predictions_per_seq),
        Field("masked_lm_ids", INT, max_predictions_per_seq),
        Field("masked_lm_weights", FLOAT, max_predictions_per_seq),
    ]
    fields += [Field(label, INT, max_predictions_per_seq) for label in labels]
    if has_pair_label:
        fields.append(Field("next_sentence_labels", INT, max_instances_per_seq))
    if max_instances_per_seq > 1:
        fields.append(Field("instance_starts", INT, max_instances_per_seq))
    return tuple(fields)
