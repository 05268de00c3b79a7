"""Tables of features for tests, from lists."""

import numpy as np

from bert_wwm.tasks.features import FeatureTable, compute_offsets


def build_table(tokens, rows):
    """Puts features into a table: by name, one entry a sequence, of tokens a list each."""
    return FeatureTable(
        compute_offsets(np.array([len(ids) for ids in tokens["input_ids"]])),
        {name: np.concatenate([*of_all]).astype(np.int32) for name, of_all in tokens.items()},
        {name: np.asarray(values, np.int32) for name, values in rows.items()},
    )
