"""The right one of several choices, each of which is a sequence for the model."""

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.finetuning.job import Outputs, Split
from bert_wwm.finetuning.objective import TaskObjective
from bert_wwm.finetuning.sentence import Predictions, SentenceJob, SentenceObjective
from bert_wwm.tasks.choice_features import NUM_CHOICES, ChoiceFeaturizer
from bert_wwm.tasks.featurize import Featurizer
from bert_wwm.tasks.sentence_features import pick_labels, probabilities
from bert_wwm.tasks.task import Task
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.train.objective import Encoded


class ChoiceObjective(SentenceObjective):
    """A score of each choice, as transformers' ``BertForMultipleChoice``; the highest is right."""

    num_choices = NUM_CHOICES

    def __init__(self) -> None:
        super().__init__(num_labels=1)

    def outputs(self, batch: Encoded) -> dict[str, tf.Tensor]:
        scores = super().outputs(batch)["logits"]  # [B * C, 1]
        return {"logits": tf.reshape(scores, [-1, NUM_CHOICES])}


class ChoiceJob(SentenceJob):
    """Multiple choice; the labels are the numbers of the choices."""

    has_labels = False

    def make_featurizer(self, tokenizer: Tokenizer) -> Featurizer:
        return ChoiceFeaturizer(tokenizer, self.max_seq_length)

    @classmethod
    def make_objective(cls, task: Task, num_labels: int) -> TaskObjective:
        return ChoiceObjective()

    def decode(self, split: Split, outputs: Outputs) -> Predictions:
        logits = np.stack([output["logits"] for output in outputs])
        counts = np.array([len(example.choices) for example in split.examples])
        logits = np.where(np.arange(NUM_CHOICES) < counts[:, None], logits, -np.inf)
        return probabilities(logits), pick_labels(logits, self.classes)
