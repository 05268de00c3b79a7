"""The kinds of tasks, one row each: what differs between them is here, or in the job it names."""

import importlib
from typing import Any, NamedTuple

from bert_wwm.core.registry import Registry


class Kind(NamedTuple):
    """A row of the table.

    Attributes:
        program: fine-tunes for its tasks.
        job: the module and the class of its ``Job``: features, heads, decoding, files and serving.
            It is named by a string, as it needs TensorFlow, which takes seconds to import.
        hugging_face: the class of transformers that has the same head.
    """

    program: str
    job: str
    hugging_face: str

    def load_job(self) -> Any:
        """Returns the subclass of ``bert_wwm.finetuning.job.Job``."""
        module, name = self.job.split(":")
        return getattr(importlib.import_module(f"bert_wwm.finetuning.{module}"), name)


KINDS: Registry[Kind] = Registry("kind of tasks")

KINDS.add(
    "sentence",
    Kind("run_classifier.py", "sentence:SentenceJob", "BertForSequenceClassification"),
)
KINDS.add(
    "regression",
    Kind("run_classifier.py", "regression:RegressionJob", "BertForSequenceClassification"),
)
KINDS.add("choice", Kind("run_classifier.py", "choice:ChoiceJob", "BertForMultipleChoice"))
KINDS.add("reading", Kind("run_squad.py", "reading:ReadingJob", "BertForQuestionAnswering"))
KINDS.add("tagging", Kind("run_ner.py", "tagging:TaggingJob", "BertForTokenClassification"))
