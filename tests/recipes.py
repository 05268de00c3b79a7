"""What becomes of each recipe, and the commands in its header."""

import runpy
import shlex
from typing import NamedTuple

from launcher import ROOT

FOLDER = ROOT / "configs" / "recipes"
LISTING = runpy.run_path(str(ROOT / "scripts" / "list_recipes.py"))

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


def recipe(name: str):
    return LISTING["read_recipe"](FOLDER / f"{name}.flags")


def commands(name: str, part: str) -> list[list[str]]:
    """The commands in a part of a header: program and flags, without ``python``."""
    lines = recipe(name).header[part].replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines]
