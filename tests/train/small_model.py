"""A model of two layers, and random batches and records for it."""

import pathlib
from collections.abc import Sequence

import numpy as np

from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.model.bert import BertConfig
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import frame
from bert_wwm.records.schema import LABELS, Schema, pretraining_schema

VOCABULARY, SEQUENCE, PREDICTIONS = 40, 16, 4


def small_config(dropout: float = 0.0) -> BertConfig:
    return BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        max_position_embeddings=SEQUENCE,
    )


def schema_of(labels: Sequence[str] = (), has_pair_label: bool = True) -> Schema:
    return pretraining_schema(SEQUENCE, PREDICTIONS, has_pair_label, labels)


def random_features(
    count: int, seed: int = 1, labels: Sequence[str] = LABELS
) -> dict[str, np.ndarray]:
    """Sequences of 8 to 16 tokens with 0 to 4 predictions each, which the pairs' labels follow."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(SEQUENCE // 2, SEQUENCE + 1, [count, 1])
    predictions = rng.integers(0, PREDICTIONS + 1, [count, 1])
    pair = rng.integers(0, 2, [count, 1])
    features = {
        "input_ids": rng.integers(1, VOCABULARY, [count, SEQUENCE]),
        "input_mask": np.arange(SEQUENCE) < tokens,
        "segment_ids": (np.arange(SEQUENCE) >= tokens // 2) * pair,
        "masked_lm_positions": rng.integers(0, SEQUENCE // 2, [count, PREDICTIONS]),
        "masked_lm_ids": rng.integers(1, VOCABULARY // 4, [count, PREDICTIONS]),
        "masked_lm_weights": (np.arange(PREDICTIONS) < predictions).astype(np.float32),
        "target_positions": rng.integers(0, SEQUENCE // 2, [count, PREDICTIONS]),
        "next_sentence_labels": pair,
    }
    for inventory in INVENTORIES.values():
        features[inventory.feature] = rng.integers(0, len(inventory.labels), [count, PREDICTIONS])
    return {
        field.name: features[field.name].astype(
            np.float32 if field.name == "masked_lm_weights" else np.int32
        )
        for field in schema_of(labels)
    }


def widen(features: dict[str, np.ndarray], length: int, predictions: int) -> dict[str, np.ndarray]:
    """Adds padding, so that a sequence has so many tokens and predictions."""

    def pad(values: np.ndarray) -> np.ndarray:
        widths = {SEQUENCE: length, PREDICTIONS: predictions}
        return np.pad(values, [(0, 0), (0, widths.get(values.shape[1], 1) - values.shape[1])])

    return {name: pad(values) for name, values in features.items()}


def write_records(path: pathlib.Path, count: int, seed: int = 1, labels: Sequence[str] = ()) -> str:
    """Writes random records without a manifest; returns the path."""
    examples = encode_examples(random_features(count, seed, labels), schema_of(labels))
    path.write_bytes(b"".join(map(frame, examples)))
    return str(path)
