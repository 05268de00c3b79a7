"""Words of sentences: LTP (perceptron or neural), jieba, text segmented beforehand, characters.

Importing this module costs milliseconds; what a segmenter needs is imported, and what a hub holds
is downloaded, when it segments its first sentence.
"""

import abc
import itertools
import unicodedata
from importlib import metadata
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.registry import Registry
from bert_wwm.text import ltp

# Characters [start, end) of a sentence, a half-open span.
Span = Tuple[int, int]

# Owners of characters that belong to no word of a segmenter's output.
_SPACE = -1
_DROPPED = -2


class Segmenter(abc.ABC):
    """Finds the words of sentences."""

    @abc.abstractmethod
    def segment(self, sentences: Sequence[str]) -> List[Optional[List[Span]]]:
        """Returns the words of each sentence.

        The spans of a sentence tile [0, len(sentence)): in order, none empty, no gap, no overlap.
        White space is never inside a word; each run of it is a span of its own. In place of a
        sentence that the segmenter's output doesn't match stands None.

        Raises:
            ConfigError: a package or a model that the segmenter needs is missing.
            CheckpointError: the model's files are broken.
        """

    @abc.abstractmethod
    def describe(self) -> Dict[str, object]:
        """Returns what tells this segmenter from others, ready for JSON.

        Raises:
            ConfigError, CheckpointError: as ``segment`` does.
        """


# Each entry makes a segmenter, given the value of --ltp_model.
SEGMENTERS: Registry[Callable[[str], Segmenter]] = Registry("segmenter")


def make_segmenter(name: str, ltp_model: str = ltp.DEFAULT_MODEL) -> Segmenter:
    """Returns the segmenter of that name.

    Args:
        name: one of ``SEGMENTERS.names()``.
        ltp_model: a model folder or a hub id; only ``ltp`` looks at it.

    Raises:
        ConfigError: there is no such segmenter, or a package that it needs isn't installed.
    """
    return SEGMENTERS[name](ltp_model)


def spans_of_words(words: Sequence[str], sentence: str) -> Optional[List[Span]]:
    """Lays words over the sentence that they were found in.

    White space in words is ignored: where a sentence has it, a word ends. Characters that the
    words lack go to the word before them, else to the word after them, else (white space, or
    nothing, on both sides) they are a word; only what no reader sees may be lacking: control and
    format characters, unassigned ones, combining marks, U+FFFD.

    Example:
        spans_of_words(["我 ", "爱北京"], "我 爱\\x00北京") -> [(0, 1), (1, 2), (2, 6)]

    Returns:
        Spans that tile the sentence, or None where the words don't match it.
    """
    if "".join(words) == sentence and sentence.split() == [sentence]:
        ends = list(itertools.accumulate(len(word) for word in words if word))
        return list(zip([0, *ends], ends))
    owners = _owners(words, sentence)
    if owners is None:
        return None
    # Invisible characters join the word before them; at the start of a run, the one after them.
    for position in range(1, len(owners)):
        if owners[position] == _DROPPED and owners[position - 1] != _SPACE:
            owners[position] = owners[position - 1]
    for position in range(len(owners) - 2, -1, -1):
        if owners[position] == _DROPPED and owners[position + 1] != _SPACE:
            owners[position] = owners[position + 1]
    spans = []
    start = 0
    for _, run in itertools.groupby(owners):
        end = start + len(list(run))
        spans.append((start, end))
        start = end
    return spans


def _owners(words: Sequence[str], sentence: str) -> Optional[List[int]]:
    """Returns for each character the number of its word, or _SPACE or _DROPPED."""
    letters = [
        (letter, number)
        for number, word in enumerate(words)
        for letter in word
        if not letter.isspace()
    ]
    owners = []
    matched = 0
    for letter in sentence:
        if letter.isspace():
            owners.append(_SPACE)
        elif matched < len(letters) and letters[matched][0] == letter:
            owners.append(letters[matched][1])
            matched += 1
        elif letter == "\ufffd" or unicodedata.category(letter)[0] in "CM":
            owners.append(_DROPPED)
        else:
            return None
    return owners if matched == len(letters) else None


class LtpSegmenter(Segmenter):
    """LTP, a perceptron or a neural model, from a folder or from the hub; see ``ltp.load``."""

    def __init__(self, model: str = ltp.DEFAULT_MODEL, parallelism: bool = True):
        """Notes the model; it is looked up and loaded when it is first needed.

        Args:
            model: a folder with a config.json, or a hub id.
            parallelism: whether a perceptron model may use all cores. Its output is the same
                either way, and in a forked process LTP itself goes back to one core.
        """
        self._name = model
        self._parallelism = parallelism
        self._loaded: Optional[ltp.Model] = None

    @property
    def _model(self) -> ltp.Model:
        if self._loaded is None:
            self._loaded = ltp.load(self._name, self._parallelism)
        return self._loaded

    def segment(self, sentences: Sequence[str]) -> List[Optional[List[Span]]]:
        words = self._model.words(sentences)
        return [spans_of_words(*pair) for pair in zip(words, sentences)]

    def describe(self) -> Dict[str, object]:
        return {"name": "ltp", "model": self._name, **self._model.describe()}


class RjiebaSegmenter(Segmenter):
    """jieba's dictionary and hidden Markov model, in its Rust version."""

    def __init__(self) -> None:
        try:
            import rjieba
        except ImportError:
            raise ConfigError(
                "the segmenter 'rjieba' needs a package that isn't installed: pip install rjieba"
            ) from None
        self._cut: Callable[[str], List[str]] = rjieba.cut

    def segment(self, sentences: Sequence[str]) -> List[Optional[List[Span]]]:
        return [spans_of_words(self._cut(sentence), sentence) for sentence in sentences]

    def describe(self) -> Dict[str, object]:
        return {"name": "rjieba", "version": metadata.version("rjieba")}


class PresegmentedSegmenter(Segmenter):
    """Words parted by white space in the text itself."""

    def segment(self, sentences: Sequence[str]) -> List[Optional[List[Span]]]:
        return [spans_of_words(sentence.split(), sentence) for sentence in sentences]

    def describe(self) -> Dict[str, object]:
        return {"name": "presegmented"}


class CharacterSegmenter(Segmenter):
    """Every character a word, so that masking whole words is masking characters."""

    def segment(self, sentences: Sequence[str]) -> List[Optional[List[Span]]]:
        return [spans_of_words(list(sentence), sentence) for sentence in sentences]

    def describe(self) -> Dict[str, object]:
        return {"name": "characters"}


SEGMENTERS.add("ltp", LtpSegmenter)
SEGMENTERS.add("rjieba", lambda _: RjiebaSegmenter())
SEGMENTERS.add("presegmented", lambda _: PresegmentedSegmenter())
SEGMENTERS.add("characters", lambda _: CharacterSegmenter())
