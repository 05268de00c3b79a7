"""One table of the fields of a record; writer and reader are derived from it.

Names and types are google-research/bert's, whose ``run_pretraining.py`` reads these records.
"""

from typing import NamedTuple, Tuple

INT, FLOAT = "int64", "float32"


class Field(NamedTuple):
    """A feature of a record.

    Attributes:
        name: its key.
        dtype: INT or FLOAT.
        length: number of values.
    """

    name: str
    dtype: str
    length: int


Schema = Tuple[Field, ...]


def pretraining_schema(max_seq_length: int, max_predictions_per_seq: int) -> Schema:
    """The fields of records for masked LM and next sentence prediction."""
    return (
        Field("input_ids", INT, max_seq_length),
        Field("input_mask", INT, max_seq_length),
        Field("segment_ids", INT, max_seq_length),
        Field("masked_lm_positions", INT, max_predictions_per_seq),
        Field("masked_lm_ids", INT, max_predictions_per_seq),
        Field("masked_lm_weights", FLOAT, max_predictions_per_seq),
        Field("next_sentence_labels", INT, 1),
    )
