"""What becomes of each recipe, and the commands that configs/README.md gives for it."""

import re
import shlex
from typing import NamedTuple

from launcher import ROOT

from bert_wwm.cli.recipes import load_recipe

PROSE = (ROOT / "configs" / "README.md").read_text(encoding="utf-8")

TRANSFORM = ("dense/kernel", "dense/bias", "LayerNorm/beta", "LayerNorm/gamma")
MLM = {"predictions/output_bias", *(f"predictions/transform/{name}" for name in TRANSFORM)}
PAIRS = {"seq_relationship/output_weights", "seq_relationship/output_bias"}
TAGS = {
    f"predictions/output_{task}_layer/{part}"
    for task in ("pos", "ner", "dep")
    for part in ("kernel", "bias")
}
POSITIONS = {"permutation/output_bias", *(f"permutation/transform/{name}" for name in TRANSFORM)}


class Expected(NamedTuple):
    """What becomes of a recipe.

    Attributes:
        layers: of the model.
        heads: variables under ``cls``.
        init: layers of the model that it starts from, or the recipe that makes that; None: random.
    """

    layers: int
    heads: set
    init: int | str | None = None


EXPECTED = {
    "bert-wwm-128": Expected(12, MLM | PAIRS, 12),
    "bert-wwm-512": Expected(12, MLM | PAIRS, "bert-wwm-128"),
    "bert-wwm-ext-128": Expected(12, MLM | PAIRS, 12),
    "bert-wwm-ext-512": Expected(12, MLM | PAIRS, "bert-wwm-ext-128"),
    "roberta-wwm-ext": Expected(12, MLM, 12),
    "roberta-wwm-ext-large": Expected(24, MLM),
    "rbt3": Expected(3, MLM, 12),
    "rbt4": Expected(4, MLM, 12),
    "rbt6": Expected(6, MLM, 12),
    "rbtl3": Expected(3, MLM, 24),
    "macbert-base": Expected(12, MLM | PAIRS, 12),
    "macbert-large": Expected(24, MLM | PAIRS),
    "pert-base": Expected(12, POSITIONS, 12),
    "pert-large": Expected(24, POSITIONS),
    "lert-small": Expected(12, MLM | TAGS),
    "lert-base": Expected(12, MLM | TAGS),
    "lert-large": Expected(24, MLM | TAGS),
    "english-bert-large-wwm-128": Expected(24, MLM | PAIRS),
    "english-bert-large-wwm-512": Expected(24, MLM | PAIRS, "english-bert-large-wwm-128"),
    "continue-pretraining": Expected(12, MLM, 12),
}
NAMES = sorted(EXPECTED)


def commands(name: str) -> list[list[str]]:
    """The commands that make a recipe's records and train it: program and flags of each."""
    general, tagged, *_ = re.findall(r"```\n(.*?)```", PROSE, re.DOTALL)
    records = load_recipe(name).header["records"]
    lines = general.replace("\\\n", " ").splitlines()
    if records.startswith("lert"):
        lines[:1] = tagged.replace("\\\n", " ").splitlines()
    if records.startswith("macbert"):
        [more] = re.findall(r"`(--similar_words_file=\w+)`", PROSE)
        lines[0] += f" {more}"
    init = EXPECTED[name].init
    if init is None:
        lines[-1] = lines[-1].replace("--init_checkpoint=INIT", "")
    if isinstance(init, str):
        lines[-1] = lines[-1].replace("INIT", f"models/{init}")
    line = "\n".join(lines).replace("RECORDS", records).replace("RECIPE", name)
    return [shlex.split(command)[1:] for command in line.splitlines()]
