"""Masked LM heads that were never trained are told wherever a checkpoint is read."""

from types import SimpleNamespace

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.model import untrained_head
from bert_wwm.model.checkpoint import write_variables
from bert_wwm.train.start import initialize_weights

BIAS = "cls/predictions/output_bias"
GAMMA, BETA = (f"cls/predictions/transform/LayerNorm/{name}" for name in ("gamma", "beta"))
UNTRAINED = {
    BIAS: np.zeros(5, np.float32),
    GAMMA: np.ones(4, np.float32),
    BETA: np.zeros(4, np.float32),
}
EMBEDDINGS = {"bert/embeddings/word_embeddings": np.ones([5, 4], np.float32)}


def test_an_untrained_head():
    note = untrained_head.describe({**EMBEDDINGS, **UNTRAINED})
    assert note.startswith("the masked LM head was never trained") and "\n" not in note


@pytest.mark.parametrize("name", UNTRAINED)
def test_one_value_that_was_trained(name):
    tensor = UNTRAINED[name].copy()
    tensor[2] += 1e-6
    assert not untrained_head.describe({**UNTRAINED, name: tensor})


@pytest.mark.parametrize("name", UNTRAINED)
def test_no_whole_head(name):
    assert not untrained_head.describe({n: UNTRAINED[n] for n in UNTRAINED if n != name})


def start_lines(prefix, variables):
    """What training reports when a model of these variables starts from a checkpoint."""
    settings = SimpleNamespace(
        init_checkpoint=prefix, init_layers=None, allow_random_init=(), use_tpu=False
    )
    lines = []
    with tf.Graph().as_default():
        for name, value in variables.items():
            tf.get_variable(name, value.shape)
        initialize_weights(f"{prefix}.run", settings, True, lines.append)
    return lines


@pytest.mark.parametrize("bias", [0, 0.5])
def test_training_reports_it_with_the_initial_weights(tmp_path, bias):
    prefix = str(tmp_path / "bert_model.ckpt")
    stored = {**EMBEDDINGS, **UNTRAINED, BIAS: np.full(5, bias, np.float32)}
    write_variables(prefix, stored)
    plan, *notes = start_lines(prefix, stored)
    assert plan.startswith("Initial weights from")
    note = "  note: the masked LM head was never trained"
    assert [line[: len(note)] for line in notes] == ([] if bias else [note])
    assert bool(untrained_head.describe_checkpoint(prefix)) == (not bias)


def test_a_model_without_the_head_is_not_concerned(tmp_path):
    prefix = str(tmp_path / "bert_model.ckpt")
    write_variables(prefix, {**EMBEDDINGS, **UNTRAINED})
    assert len(start_lines(prefix, EMBEDDINGS)) == 1
