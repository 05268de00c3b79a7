"""Hugging Face's classes of BERT, by the parts of the model that they have."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from bert_wwm.convert.names import CLASSIFIER, ENCODER, MASKED_LM, PAIR, POOLER, SPAN

SENTENCE, TAGGING = "sentence", "tagging"


class Architecture(NamedTuple):
    """What a class loads.

    Attributes:
        parts: what it consists of.
        also: what its folder may hold besides: other classes load it from there.
        kind: what its classifier judges: see ``Pretrained``.
    """

    parts: Collection[str]
    also: Collection[str] = ()
    kind: str = ""


# A model is the first of these whose last part, its head, it has.
ARCHITECTURES: Mapping[str, Architecture] = {
    "BertForQuestionAnswering": Architecture((ENCODER, SPAN)),
    "BertForTokenClassification": Architecture((ENCODER, CLASSIFIER), kind=TAGGING),
    "BertForSequenceClassification": Architecture((ENCODER, POOLER, CLASSIFIER), kind=SENTENCE),
    "BertForPreTraining": Architecture((ENCODER, POOLER, MASKED_LM, PAIR)),
    # Without a pooler, BertModel would start with a random one.
    "BertForMaskedLM": Architecture((ENCODER, MASKED_LM), also=(POOLER,)),
    "BertForNextSentencePrediction": Architecture((ENCODER, POOLER, PAIR)),
    "BertModel": Architecture((ENCODER, POOLER)),
}


def architecture_of(parts: Collection[str], kind: str) -> str:
    """Returns the class for a model with these parts; all of its heads, or the fine-tuned one.

    Args:
        parts: those that the model has, as ``names.parts_of`` gives them.
        kind: what its classifier judges; unknown, it is taken for one of whole texts.
    """
    for name, architecture in ARCHITECTURES.items():
        heads = [part for part in architecture.parts if part not in (ENCODER, POOLER)]
        if all(head in parts for head in heads) and architecture.kind in ("", kind or SENTENCE):
            return name
    raise AssertionError("BertModel has no head")


def kind_of(architecture: str | None) -> str:
    """Returns what the classifier of a class judges."""
    return ARCHITECTURES[architecture].kind if architecture in ARCHITECTURES else ""
