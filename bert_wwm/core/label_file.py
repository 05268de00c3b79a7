"""Reads ``labels.json``, the classes or tags that a model was fine-tuned for."""

from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import read_json


def read_labels(path: str) -> list[str]:
    """Returns the labels in the order of their ids, without white space at their ends."""
    labels = read_json(path)
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise DataError(
            f"{path}: is broken; expected a list of labels in JSON, in the order of their ids (a "
            "run.json beside it has them too)"
        )
    return [label.strip() for label in labels]
