"""What all models of LTP have in common: words of sentences, and their tags.

Tasks go by LTP's names: cws (words), pos (parts of speech), ner (names), dep (relation of a word to
its head in the dependency tree).
"""

import abc
from collections.abc import Sequence
from typing import NamedTuple

from bert_wwm.core.errors import ConfigError

# The tasks that are used here; neural models do more.
TASKS = ("cws", "pos", "ner", "dep")
CONFIG = "config.json"


class Tagged(NamedTuple):
    """The words of a sentence, which may lack white space and control characters, and their tags.

    pos: n, v, wp, ...; ner: O, S-Ns, B-Ni, ..., the word's place in a name and what it names; dep:
    SBV, HED, ...
    """

    words: list[str]
    tags: dict[str, list[str]]  # for each task a list as long as ``words``, in LTP's labels


class Model(abc.ABC):
    """A loaded model."""

    name: str  # for errors
    tasks: tuple[str, ...]  # those of ``TASKS`` that the model does; cws is always among them

    def words(self, sentences: Sequence[str]) -> list[list[str]]:
        """Returns the words of each sentence."""
        return [tagged.words for tagged in self.annotate(sentences, ())]

    @abc.abstractmethod
    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Tagged]:
        """Returns the words of each sentence, with their tags of some tasks.

        Raises ConfigError where the model doesn't do one of the tasks, or tags nothing in it (cws).
        """

    @abc.abstractmethod
    def describe(self) -> dict[str, object]:
        """Returns what distinguishes this model's words from others', ready for JSON."""

    @abc.abstractmethod
    def tag_files(self, tasks: Sequence[str]) -> dict[str, str]:
        """Returns name and SHA-256 of the files that tags depend on beside that of ``describe``.

        Raises as ``annotate`` does.
        """

    def _check_tags(self, asked: Sequence[str]) -> None:
        """Raises ConfigError where the model doesn't give the tags that are asked for."""
        tagging = [task for task in self.tasks if task != "cws"]
        for task in asked:
            if task not in tagging:
                raise ConfigError(
                    f"LTP model {self.name!r} has no tags of the task {task!r}; "
                    f"it offers {', '.join(tagging) or 'none'}"
                )
