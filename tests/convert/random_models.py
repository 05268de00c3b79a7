"""Random models, and what they compute here and in transformers."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_wwm.convert import names
from bert_wwm.convert.pretrained import Pretrained

PIECES = [
    *("[PAD] [unused1] [unused2] [unused3] [UNK] [CLS] [SEP] [MASK]".split()),
    *"使用语言模型来预测下一个词的概率。，我们在学习今天气很不错中国人民大家好年",
    *("a b c ##a ##b ##c be ##rt pro ##ba ##bility 2019 1 ##2 ! ##模 ##型".split()),
]
_BASE = {
    "vocab_size": len(PIECES),
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 24,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
}
# hidden, heads, layers, intermediate
_SIZES = {
    "base": (96, 12, 12, 192),
    "large": (64, 16, 24, 128),
    "small": (128, 4, 12, 512),
    "rbt3": (96, 12, 3, 80),
    "tiny": (8, 2, 2, 12),
}
_NAMES = ("hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size")
ENCODER = [names.ENCODER, names.POOLER]
PRETRAINING = [*ENCODER, names.MASKED_LM, names.PAIR]


def config(shape: str = "tiny", hidden_act: str = "gelu", **changes: Any) -> dict[str, Any]:
    """The values of a ``bert_config.json``."""
    return {**_BASE, **dict(zip(_NAMES, _SIZES[shape])), "hidden_act": hidden_act, **changes}


def random_model(
    values: dict[str, Any],
    parts: Sequence[str] = PRETRAINING,
    num_classes: int = 0,
    deviation: float = 0.1,
) -> Pretrained:
    """A model whose weights, biases and layer norms are all of them random."""
    rng = np.random.default_rng(7)
    tensors = {}
    for name, shape in names.variables(values, parts, num_classes).items():
        mean = 1.0 if name.endswith("gamma") else 0.0
        tensors[name] = rng.normal(mean, deviation, shape).astype(np.float32)
    return Pretrained(tensors, values, list(PIECES))


def batch(values: dict[str, Any]) -> dict[str, np.ndarray]:
    """Two sequences, one of them with padding and a second segment."""
    rng = np.random.default_rng(3)
    length = min(values["max_position_embeddings"], 64)
    ids = rng.integers(5, values["vocab_size"], [2, length])
    mask, segments = np.ones_like(ids), np.zeros_like(ids)
    mask[1, length - 5 :] = 0
    segments[1, length // 2 :] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}


def google_outputs(folder: pathlib.Path, with_heads: bool) -> dict[str, np.ndarray]:
    """What this toolkit's graph computes with the model in a folder."""
    from bert_wwm.compat import tf
    from bert_wwm.model import heads
    from bert_wwm.model.bert import BertConfig, BertModel
    from bert_wwm.model.checkpoint import plan_restore

    bert_config = BertConfig.from_json_file(str(folder / "bert_config.json")).with_gelu("erf")
    inputs = batch(bert_config.to_dict())
    rows, length = inputs["input_ids"].shape
    with tf.Graph().as_default(), tf.Session() as session:
        ids, mask, segments = (tf.constant(value, tf.int32) for value in inputs.values())
        model = BertModel(bert_config, False, ids, mask, segments)
        outputs = {"hidden_0": model.get_embedding_output(), "pooled": model.get_pooled_output()}
        for number, layer in enumerate(model.get_all_encoder_layers(), 1):
            outputs[f"hidden_{number}"] = layer
        if with_heads:
            positions = tf.constant(np.tile(np.arange(length), [rows, 1]), tf.int32)
            states = heads.masked_states(bert_config, model.get_sequence_output(), positions)
            table, weights = model.get_embedding_table(), tf.cast(mask, tf.float32)
            words = heads.masked_lm(bert_config, states, table, ids, weights)
            outputs["words"] = tf.reshape(words.logits, [rows, length, -1])
            pairs = heads.sentence_pair(bert_config, model.get_pooled_output(), segments[:, 0])
            outputs["pairs"] = pairs.logits
        plan = plan_restore(tf.trainable_variables(), str(folder / "bert_model.ckpt"))
        assert not plan.initialized
        plan.apply()
        session.run(tf.global_variables_initializer())
        return session.run(outputs)


def torch_outputs(model: Any, with_heads: bool) -> dict[str, np.ndarray]:
    """What transformers' PyTorch model computes, by the same names."""
    import torch

    inputs = {name: torch.tensor(value) for name, value in batch(model.config.to_dict()).items()}
    with torch.no_grad():
        found = model.eval()(**inputs, output_hidden_states=True)
        pooled = model.bert.pooler(found.hidden_states[-1]) if with_heads else found.pooler_output
    outputs = {f"hidden_{number}": state for number, state in enumerate(found.hidden_states)}
    outputs["pooled"] = pooled
    if with_heads:
        outputs["words"] = found.prediction_logits
        outputs["pairs"] = found.seq_relationship_logits
    return {name: value.numpy() for name, value in outputs.items()}


def largest_difference(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """The largest difference between outputs of the same names."""
    assert one.keys() == other.keys()
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def assert_same_weights(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    """Bit for bit."""
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype, name
        assert tensor.shape == other[name].shape, name
        assert tensor.tobytes() == other[name].tobytes(), name
