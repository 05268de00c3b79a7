"""Random models of small size, and what the TensorFlow graph makes of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_wwm.convert import names
from bert_wwm.convert.pretrained import Pretrained

VOCABULARY = (
    "[PAD] [unused1] [unused2] [unused10] [UNK] [CLS] [SEP] [MASK] 使 用 语 言 模 型 的 概 率 。 "
    "be ##rt ber ##t a ##b ##c c ##a pro ##ba ##bility"
).split()
PARTS = (names.ENCODER, names.POOLER, names.MASKED_LM, names.PAIR)


def config(**values: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 12,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 20,
        "max_position_embeddings": 16,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "initializer_range": 0.02,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        **values,
    }


def random_model(
    values: dict[str, Any], parts: Sequence[str] = PARTS, vocabulary: Sequence[str] = VOCABULARY
) -> Pretrained:
    """Returns a model whose weights are large enough for differences to show."""
    rng = np.random.default_rng(1)
    tensors = {
        name: rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in names.variables(values, parts).items()
    }
    return Pretrained(tensors, dict(values), list(vocabulary))


def outputs(model: Pretrained, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the hidden states [layers, B, S, H], pooled output and logits of the heads."""
    from bert_wwm.compat import tf
    from bert_wwm.model import heads
    from bert_wwm.model.bert import BertConfig, BertModel

    values = BertConfig.from_dict(model.config)
    positions = np.tile(np.arange(ids.shape[1], dtype=np.int32), (len(ids), 1))
    with tf.Graph().as_default(), tf.Session() as session:
        bert = BertModel(values, False, tf.constant(ids, tf.int32))
        states = heads.masked_states(values, bert.get_sequence_output(), tf.constant(positions))
        masked = heads.masked_lm(
            values,
            states,
            bert.get_embedding_table(),
            tf.zeros_like(positions),
            tf.ones(positions.shape),
        )
        tensors = {
            "hidden": tf.stack(bert.get_all_encoder_layers()),
            "pooled": bert.get_pooled_output(),
            "masked_lm": masked.logits,
        }
        for variable in tf.trainable_variables():
            variable.load(model.tensors[variable.name.split(":")[0]], session)
        found = session.run(tensors)
    found["masked_lm"] = found["masked_lm"].reshape([*ids.shape, -1])
    found["pair"] = (
        found["pooled"] @ model.tensors["cls/seq_relationship/output_weights"].T
        + model.tensors["cls/seq_relationship/output_bias"]
    )
    return found
