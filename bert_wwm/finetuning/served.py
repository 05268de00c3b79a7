"""Describes a fine-tuned model to those who ask it for predictions."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError
from bert_wwm.finetuning.outcome import Outcome
from bert_wwm.tasks.kinds import KINDS
from bert_wwm.tasks.table import TASKS, USERS_TASK
from bert_wwm.tasks.task import KIND_OF_USERS_TASK
from bert_wwm.text.casing import choose_casing
from bert_wwm.text.vocabulary import Vocabulary

# google-research/bert's, whose programs record nothing.
_TOKENIZER, _GELU = "google", "tanh"
_TSV_LENGTH = 128


@dataclasses.dataclass(frozen=True)
class Served:
    """A fine-tuned model, but for its weights."""

    task: str  # the name that it was trained for by
    kind: str  # a name in ``KINDS``
    bert_config_file: str
    gelu: str  # the form of what the configuration calls ``gelu``
    vocabulary: Vocabulary
    do_lower_case: bool
    tokenizer: str  # ``google`` or ``hfl``
    max_seq_length: int
    # What else makes features and answers, as JSON knows it: ``labels`` by number, or how questions
    # are put and answers chosen.
    facts_of_kind: Mapping[str, Any]

    def facts(self) -> dict[str, Any]:
        """Returns what makes features of texts and answers of outputs, as JSON knows it."""
        names = ("task", "kind", "max_seq_length", "do_lower_case", "tokenizer")
        return {**{name: getattr(self, name) for name in names}, **self.facts_of_kind}


def describe(outcome: Outcome, given: Mapping[str, Any]) -> Served:
    """Puts together what a run has recorded and what the user says.

    ``given`` are the values of flags by name, None if the user says nothing: ``task_name``,
    ``bert_config_file``, ``gelu``, ``vocab_file``, ``do_lower_case``, ``tokenizer``,
    ``max_seq_length``, ``labels`` and ``max_answer_length``. Raises ConfigError if the two differ,
    or neither says what is needed.
    """
    facts = _Facts(outcome, given)
    name = facts.known("task_name", "task")
    task = None if name == USERS_TASK else TASKS[name]
    kind = outcome.settings.get("kind") or (task.kind if task else KIND_OF_USERS_TASK)
    facts_of_kind = KINDS[kind].load_job().served_facts(task, outcome.settings, facts.known)
    for flag in ("labels", "max_answer_length"):
        if given[flag] is not None and flag not in facts_of_kind:
            raise ConfigError(f"--{flag}: {name} has none; expected no such flag")
    config = facts.file_of_config()
    vocabulary = facts.vocabulary(config)
    drop = outcome.settings.get("drop_category_c")
    recorded = None if drop is None else "hfl" if drop else "google"
    return Served(
        task=name,
        kind=kind,
        bert_config_file=config,
        gelu=facts.known("gelu", default=_GELU),
        vocabulary=vocabulary,
        do_lower_case=facts.casing(config, vocabulary.path),
        tokenizer=facts.agreed("tokenizer", recorded, _TOKENIZER),
        max_seq_length=facts.known(
            "max_seq_length", default=task.settings.max_seq_length if task else _TSV_LENGTH
        ),
        facts_of_kind=facts_of_kind,
    )


class _Facts:
    """What is known of a model from its run and from the user."""

    def __init__(self, outcome: Outcome, given: Mapping[str, Any]):
        self._folder, self._settings = outcome
        self._given = given

    def known(self, flag: str, name: str | None = None, default: Any = None) -> Any:
        """Returns what the run has recorded by a name, by default that of the flag."""
        return self.agreed(flag, self._settings.get(name or flag), default)

    def agreed(self, flag: str, recorded: Any, default: Any = None) -> Any:
        """Returns what is recorded, or else the flag's value, or else the default."""
        given = self._given[flag]
        if recorded is None:
            value = default if given is None else given
            if value is None:
                raise ConfigError(
                    f"{self._folder}: doesn't say what --{flag} is; expected that flag, or the "
                    "folder of a run with its run.json"
                )
            return value
        if given is not None and given != recorded:
            raise ConfigError(
                f"--{flag}={_shown(given)}: {self._folder} was trained with {_shown(recorded)}; "
                "expected the same, or no such flag"
            )
        return recorded

    def casing(self, config_file: str, vocab_file: str) -> bool:
        """Returns what is recorded, or else what the flag or the model's files say."""
        if self._settings.get("do_lower_case") is not None:
            return self.known("do_lower_case")
        return choose_casing(self._given["do_lower_case"], config_file, vocab_file)

    def file_of_config(self) -> str:
        given = self._given["bert_config_file"]
        path = given or self._settings.get("bert_config_file")
        if not path:
            raise ConfigError(f"{self._folder}: of which shape? expected --bert_config_file")
        if not given and not files.exists(path):
            raise ConfigError(
                f"{path}: no such file, with which {self._folder} was trained; expected "
                "--bert_config_file"
            )
        return path

    def vocabulary(self, config: str) -> Vocabulary:
        """Reads the vocabulary, by default the one beside the configuration."""
        path = self._given["vocab_file"] or os.path.join(os.path.dirname(config), "vocab.txt")
        if not self._given["vocab_file"] and not files.exists(path):
            raise ConfigError(f"{path}: no such file; expected --vocab_file")
        vocabulary = Vocabulary.from_file(path)
        recorded = self._settings.get("vocabulary", self._settings.get("vocabulary_sha256"))
        if recorded and vocabulary.sha256() != recorded:
            raise ConfigError(
                f"{path}: other pieces than those that {self._folder} was trained with; expected "
                "the same --vocab_file"
            )
        return vocabulary


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
