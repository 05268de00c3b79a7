"""LERT's labels of words: their inventories, and the number that stands for each tag of LTP's.

A label's number is its place in an inventory. The order is that of the output layers of HFL's
released LERT (ymcui/LERT, src/run_pretraining.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

from bert_wwm.core.errors import ConfigError, DataError


class Inventory(NamedTuple):
    """The labels of a task."""

    feature: str  # what the records call the numbers of these labels
    labels: tuple[str, ...]  # the labels, each at its number


# By LTP's names of the tasks: parts of speech (28), named entities (13), relations of words to
# their heads in the dependency tree (14).
INVENTORIES: dict[str, Inventory] = {
    "pos": Inventory(
        "pos_labels",
        tuple("n v wp u d a m p r ns c q nt nh nd j i b ni nz nl z k ws o h e %".split()),
    ),
    "ner": Inventory(
        "ner_labels",
        tuple("O S-Ns S-Nh B-Ni E-Ni I-Ni S-Ni B-Ns E-Ns I-Ns B-Nh E-Nh I-Nh".split()),
    ),
    "dep": Inventory(
        "dep_labels",
        tuple("ATT WP ADV VOB SBV COO RAD HED POB CMP LAD FOB DBL IOB".split()),
    ),
}

# Tags of LTP's annotation guidelines (HIT-SCIR/ltp, docs/appendix.rst) that LERT has no label for,
# each with the label that it gets here. LERT's authors say nothing on them; these are our choice:
# - g, a morpheme (甥), and x, a character that is no word by itself (萄): n, which the words are
#   that they come from (外甥, 葡萄).
# - IS, one of two clauses that are independent of each other: COO, the relation of clauses in LTP
#   4's trees, which have no IS.
SUBSTITUTES: dict[str, dict[str, str]] = {
    "pos": {"g": "n", "x": "n"},
    "ner": {},
    "dep": {"IS": "COO"},
}


def _label_ids(task: str) -> dict[str, int]:
    ids = {label: number for number, label in enumerate(INVENTORIES[task].labels)}
    return {**ids, **{tag: ids[label] for tag, label in SUBSTITUTES[task].items()}}


# For each task the number of each known tag, substituted ones included.
LABEL_IDS: dict[str, dict[str, int]] = {task: _label_ids(task) for task in INVENTORIES}


def label_id(task: str, tag: str) -> int:
    """Returns the number of a tag."""
    try:
        return LABEL_IDS[task][tag]
    except KeyError:
        known = ", ".join(LABEL_IDS[task])
        raise DataError(f"{tag!r} is no label of {task} in LERT; expected one of {known}") from None


def parse_labels(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the tasks that a flag such as ``--lert_labels=dep,pos`` names, in LERT's order."""
    known = ", ".join(INVENTORIES)
    for name in names:
        if name not in INVENTORIES:
            raise ConfigError(f"unknown label of LERT {name!r}; expected some of {known}")
    if not names:
        raise ConfigError(f"no label of LERT; expected some of {known}")
    return tuple(task for task in INVENTORIES if task in names)
