"""Hugging Face's classes of BERT, by the parts of the model that they have."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from bert_wwm.convert.names import CLASSIFIER, ENCODER, MASKED_LM, PAIR, POOLER, SPAN
from bert_wwm.tasks.kinds import KINDS


class Architecture(NamedTuple):
    """A class.

    Attributes:
        parts: those that it loads.
        also: those that its folder may hold too: other classes load them from there.
    """

    parts: Collection[str]
    also: Collection[str] = ()


# A model is the first of these whose heads it has.
ARCHITECTURES: Mapping[str, Architecture] = {
    "BertForQuestionAnswering": Architecture((ENCODER, SPAN)),
    "BertForSequenceClassification": Architecture((ENCODER, POOLER, CLASSIFIER)),
    "BertForTokenClassification": Architecture((ENCODER, CLASSIFIER)),
    "BertForMultipleChoice": Architecture((ENCODER, POOLER, CLASSIFIER)),
    "BertForPreTraining": Architecture((ENCODER, POOLER, MASKED_LM, PAIR)),
    # Without a pooler, BertModel would start with a random one.
    "BertForMaskedLM": Architecture((ENCODER, MASKED_LM), also=(POOLER,)),
    "BertForNextSentencePrediction": Architecture((ENCODER, POOLER, PAIR)),
    "BertModel": Architecture((ENCODER, POOLER)),
}
# The class of a fine-tuned classifier by the kind of its task, and of a class the first kind.
CLASSIFIER_CLASSES: Mapping[str, str] = {
    name: KINDS[name].hugging_face
    for name in KINDS.names()
    if CLASSIFIER in ARCHITECTURES[KINDS[name].hugging_face].parts
}
CLASSIFIER_KINDS: Mapping[str, str] = {
    name: kind for kind, name in reversed(list(CLASSIFIER_CLASSES.items()))
}


def choose_architecture(parts: Collection[str], kind: str) -> str:
    """Returns the class for a model with these parts; all of its heads, or the fine-tuned one.

    Args:
        parts: those that the model has, as ``names.find_parts`` returns them.
        kind: what its classifier judges; without one, it is taken for one of whole texts.
    """
    found = next(
        name
        for name, architecture in ARCHITECTURES.items()
        if {*architecture.parts} - {ENCODER, POOLER} <= {*parts}
    )
    return CLASSIFIER_CLASSES.get(kind, found) if found in CLASSIFIER_KINDS else found
