"""The program that fills blanks says why a model's answers may be random."""

import json

import launcher
import numpy as np
import pytest

from bert_wwm.convert import names
from bert_wwm.model.checkpoint import write_variables

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"今天很好"]
CONFIG = {
    "vocab_size": len(PIECES),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 8,
    "type_vocab_size": 2,
}


@pytest.mark.parametrize("is_trained", [False, True])
def test_an_untrained_head_is_reported(tmp_path, is_trained):
    rng = np.random.default_rng(1)
    shapes = names.variables(CONFIG, [names.ENCODER, names.POOLER, names.MASKED_LM])
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    if not is_trained:
        tensors["cls/predictions/output_bias"][:] = 0
        tensors["cls/predictions/transform/LayerNorm/gamma"][:] = 1
        tensors["cls/predictions/transform/LayerNorm/beta"][:] = 0
    prefix = tmp_path / "bert_model.ckpt"
    write_variables(str(prefix), tensors)
    (tmp_path / "bert_config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    ran = launcher.run(
        "scripts/fill_mask.py",
        f"--bert_config_file={tmp_path}/bert_config.json",
        f"--vocab_file={tmp_path}/vocab.txt",
        f"--init_checkpoint={prefix}",
        "--text=今天很[MASK]",
    )
    assert ran.stdout.startswith("今天很[MASK]\n")
    weights, *notes = ran.stderr.splitlines()
    assert weights == f"Weights from {prefix}"
    assert len(notes) == (not is_trained)
    assert is_trained or notes[0].startswith("  note: the masked LM head was never trained")
