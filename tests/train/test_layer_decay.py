"""Learning rates by layer."""

import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.train.schedules import layer_scales

NAMES = [
    "bert/embeddings/word_embeddings",
    "bert/embeddings/LayerNorm/beta",
    "bert/encoder/layer_0/attention/self/query/kernel",
    *(f"bert/encoder/layer_{i}/output/LayerNorm/gamma" for i in range(12)),
    "bert/pooler/dense/kernel",
    "cls/predictions/transform/LayerNorm/gamma",
    "output_weights",
]


def test_factors_fall_from_the_top():
    scale = layer_scales(NAMES, 0.5)
    assert scale("output_weights") == scale("bert/pooler/dense/kernel") == 1.0
    assert scale("cls/predictions/transform/LayerNorm/gamma") == 1.0
    assert [scale(f"bert/encoder/layer_{i}/output/dense/bias") for i in range(12)] == [
        0.5 ** (12 - i) for i in range(12)
    ]
    assert {scale(name) for name in NAMES[:2]} == {0.5**13}


def test_the_number_of_layers_is_that_of_the_variables():
    assert layer_scales(NAMES[:6], 0.5)("bert/encoder/layer_2/output/dense/bias") == 0.5
    assert layer_scales(["output_weights"], 0.5)("bert/embeddings/word_embeddings") == 0.5


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.01, float("nan")])
def test_what_is_no_decay(decay):
    with pytest.raises(ConfigError, match=rf"layer_decay is {decay}; expected .* above 0"):
        layer_scales(NAMES, decay)
