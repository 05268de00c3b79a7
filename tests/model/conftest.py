"""What the tests of the model share."""

import pytest

from bert_wwm.model.bert import BertConfig


@pytest.fixture
def config():
    """A model of two layers, without dropout."""
    return BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=40,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=16,
        type_vocab_size=2,
        initializer_range=0.1,
    )
