"""google-research/bert's ``modeling``, name for name.

The code lives in ``bert_wwm/model``: ``config.py`` holds the configuration, ``bert.py`` the model,
``transformer.py`` the encoder, ``embeddings.py`` what feeds it, ``layers.py`` the small parts, and
``checkpoint.py`` the start from a checkpoint.
"""

from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.checkpoint import get_assignment_map_from_checkpoint
from bert_wwm.model.embeddings import embedding_lookup, embedding_postprocessor
from bert_wwm.model.layers import (
    assert_rank,
    create_initializer,
    dropout,
    gelu,
    get_activation,
    get_shape_list,
    layer_norm,
    layer_norm_and_dropout,
    reshape_from_matrix,
    reshape_to_matrix,
)
from bert_wwm.model.transformer import (
    attention_layer,
    create_attention_mask_from_input_mask,
    transformer_model,
)

__all__ = [
    "BertConfig",
    "BertModel",
    "assert_rank",
    "attention_layer",
    "create_attention_mask_from_input_mask",
    "create_initializer",
    "dropout",
    "embedding_lookup",
    "embedding_postprocessor",
    "gelu",
    "get_activation",
    "get_assignment_map_from_checkpoint",
    "get_shape_list",
    "layer_norm",
    "layer_norm_and_dropout",
    "reshape_from_matrix",
    "reshape_to_matrix",
    "transformer_model",
]
