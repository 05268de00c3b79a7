"""Words of sentences: LTP (perceptron or neural), jieba, segmented beforehand, or by simple rules.

Importing this module costs milliseconds; what a segmenter needs is imported, and what a hub holds
is downloaded, when it segments its first sentence.
"""

import abc
import dataclasses
import itertools
import unicodedata
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import NamedTuple

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.registry import Registry
from bert_wwm.segmentation import ltp
from bert_wwm.text import characters
from bert_wwm.text.characters import CharacterTable

# Characters [start, end) of a sentence, a half-open span.
Span = tuple[int, int]

# Owners of characters that belong to no word of a segmenter's output.
_SPACE = -1
_DROPPED = -2


class Annotated(NamedTuple):
    """The words of a sentence and their tags.

    Attributes:
        spans: the words, as ``Segmenter.segment`` gives them.
        tags: for each task a list as long as ``spans``; None stands for a span that has no tag:
            white space, or characters that the segmenter left out of its words.
    """

    spans: list[Span]
    tags: dict[str, list[str | None]]


class Segmenter(abc.ABC):
    """Finds the words of sentences."""

    @abc.abstractmethod
    def segment(self, sentences: Sequence[str]) -> list[list[Span] | None]:
        """Returns the words of each sentence.

        The spans of a sentence tile [0, len(sentence)): in order, none empty, no gap, no overlap.
        White space is never inside a word; each run of it is a span of its own. In place of a
        sentence that the segmenter's output doesn't match stands None.

        Raises:
            ConfigError: a package or a model that the segmenter needs is missing.
            CheckpointError: the model's files are broken.
        """

    @abc.abstractmethod
    def describe(self) -> dict[str, object]:
        """Returns what tells this segmenter from others, ready for JSON.

        Raises:
            ConfigError, CheckpointError: as ``segment`` does.
        """

    def tasks(self) -> tuple[str, ...]:
        """Returns the tasks that words can be tagged for, by LTP's names; see ``ltp.Tagged``.

        Raises:
            ConfigError, CheckpointError: as ``segment`` does.
        """
        return ()

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Annotated | None]:
        """Returns the words of each sentence, as ``segment`` does, with their tags of some tasks.

        Raises:
            ConfigError: this segmenter doesn't give such tags, or as ``segment`` does.
            CheckpointError: as ``segment`` does.
        """
        raise self._no_tags(tasks)

    def describe_tags(self, tasks: Sequence[str]) -> dict[str, object]:
        """Returns what tells the tags of some tasks from others, ready for JSON.

        It goes with ``describe``, which tells words from others.

        Raises:
            ConfigError, CheckpointError: as ``annotate`` does.
        """
        raise self._no_tags(tasks)

    def _no_tags(self, tasks: Sequence[str]) -> ConfigError:
        return ConfigError(
            f"the segmenter {self.describe()['name']!r} doesn't tag words "
            f"({', '.join(tasks)}); expected 'ltp'"
        )


@dataclasses.dataclass(frozen=True)
class LtpOptions:
    """How LTP is loaded and run; see ``ltp.load``."""

    model: str = ltp.DEFAULT_MODEL
    parallelism: bool = True
    device: str | None = None
    batch_size: int = ltp.DEFAULT_BATCH_SIZE


# Each entry makes a segmenter; only LTP's looks at the options.
SEGMENTERS: Registry[Callable[[LtpOptions], Segmenter]] = Registry("segmenter")


def make_segmenter(
    name: str,
    ltp_model: str = ltp.DEFAULT_MODEL,
    parallelism: bool = True,
    ltp_device: str | None = None,
    ltp_batch_size: int = ltp.DEFAULT_BATCH_SIZE,
) -> Segmenter:
    """Returns the segmenter of that name.

    Args:
        name: one of ``SEGMENTERS.names()``.
        ltp_model: a model folder or a hub id; only ``ltp`` looks at this and what follows.
        parallelism: whether it may use all cores.
        ltp_device: where a neural model runs (``cpu``, ``cuda:1``); None: the GPU if there is one.
        ltp_batch_size: how many sentences a neural model reads at a time.

    Raises:
        ConfigError: there is no such segmenter, or a package that it needs isn't installed.
    """
    return SEGMENTERS[name](LtpOptions(ltp_model, parallelism, ltp_device, ltp_batch_size))


def spans_of_words(words: Sequence[str], sentence: str) -> list[Span] | None:
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
    owned = _owned_spans(words, sentence)
    return None if owned is None else owned[0]


def _owned_spans(words: Sequence[str], sentence: str) -> tuple[list[Span], list[int]] | None:
    """Returns the spans of ``spans_of_words``, and for each the number of its word.

    A span without a word has the number _SPACE or _DROPPED. White space inside a word makes several
    spans of it, all of its number.
    """
    if "".join(words) == sentence and sentence.split() == [sentence]:
        numbers = [number for number, word in enumerate(words) if word]
        ends = list(itertools.accumulate(len(words[number]) for number in numbers))
        return list(zip([0, *ends], ends)), numbers
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
    numbers = []
    start = 0
    for owner, run in itertools.groupby(owners):
        end = start + len(list(run))
        spans.append((start, end))
        numbers.append(owner)
        start = end
    return spans, numbers


def _owners(words: Sequence[str], sentence: str) -> list[int] | None:
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
    """LTP, a perceptron or a neural model, from a folder or from the hub; see ``ltp.load``.

    Pickled, it is as it was made, and knows which of the model's files it has checked: another
    process loads the model again.
    """

    def __init__(self, options: LtpOptions):
        """Notes the options; the model is looked up and loaded when it is first needed.

        The output of a perceptron is the same with and without parallelism, and in a forked
        process LTP itself goes back to one core.
        """
        self._options = options
        self._loaded: ltp.Model | None = None
        self._checked: frozenset[str] = frozenset()

    def __getstate__(self) -> dict[str, object]:
        checked = self._loaded.checked if self._loaded else self._checked
        return {**self.__dict__, "_loaded": None, "_checked": checked}

    @property
    def _model(self) -> ltp.Model:
        if self._loaded is None:
            options = self._options
            self._loaded = ltp.load(
                options.model,
                options.parallelism,
                options.device,
                options.batch_size,
                self._checked,
            )
        return self._loaded

    def segment(self, sentences: Sequence[str]) -> list[list[Span] | None]:
        words = self._model.words(sentences)
        return [spans_of_words(*pair) for pair in zip(words, sentences)]

    def describe(self) -> dict[str, object]:
        return {"name": "ltp", "model": self._options.model, **self._model.describe()}

    def tasks(self) -> tuple[str, ...]:
        return tuple(task for task in self._model.tasks if task != "cws")

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Annotated | None]:
        tagged = self._model.annotate(sentences, tasks)
        return [_annotated(*pair) for pair in zip(tagged, sentences)]

    def describe_tags(self, tasks: Sequence[str]) -> dict[str, object]:
        return {"tasks": list(tasks), "sha256": self._model.tag_files(tasks)}


def _annotated(tagged: ltp.Tagged, sentence: str) -> Annotated | None:
    """Lays words and their tags over a sentence, or returns None where they don't match it."""
    owned = _owned_spans(tagged.words, sentence)
    if owned is None:
        return None
    spans, numbers = owned
    return Annotated(
        spans,
        {
            task: [tags[number] if number >= 0 else None for number in numbers]
            for task, tags in tagged.tags.items()
        },
    )


class RjiebaSegmenter(Segmenter):
    """jieba's dictionary and hidden Markov model, in its Rust version."""

    def __init__(self) -> None:
        _rjieba_cut()  # Raises where it is missing. It isn't kept, as it can't be pickled.

    def segment(self, sentences: Sequence[str]) -> list[list[Span] | None]:
        cut = _rjieba_cut()
        return [spans_of_words(cut(sentence), sentence) for sentence in sentences]

    def describe(self) -> dict[str, object]:
        return {"name": "rjieba", "version": metadata.version("rjieba")}


def _rjieba_cut() -> Callable[[str], list[str]]:
    try:
        import rjieba
    except ImportError:
        raise ConfigError(
            "the segmenter 'rjieba' needs a package that isn't installed: pip install rjieba"
        ) from None
    return rjieba.cut


class PresegmentedSegmenter(Segmenter):
    """Words parted by white space in the text itself."""

    def segment(self, sentences: Sequence[str]) -> list[list[Span] | None]:
        return [spans_of_words(sentence.split(), sentence) for sentence in sentences]

    def describe(self) -> dict[str, object]:
        return {"name": "presegmented"}


class CharacterSegmenter(Segmenter):
    """Every character a word, so that masking whole words is masking characters."""

    def segment(self, sentences: Sequence[str]) -> list[list[Span] | None]:
        return [spans_of_words(list(sentence), sentence) for sentence in sentences]

    def describe(self) -> dict[str, object]:
        return {"name": "characters"}


_CHARACTERS = CharacterTable()


class BasicSegmenter(Segmenter):
    """The words that WordPiece cuts: runs of letters and digits, single marks and ideographs.

    With it whole word masking is that of Google's English BERT, whose words are a piece and the
    ``##`` pieces behind it.
    """

    def segment(self, sentences: Sequence[str]) -> list[list[Span] | None]:
        return [self._spans(sentence) for sentence in sentences]

    @classmethod
    def _spans(cls, sentence: str) -> list[Span]:
        spans = []
        start = 0
        for _, run in itertools.groupby(enumerate(sentence), cls._word):
            end = start + len(list(run))
            spans.append((start, end))
            start = end
        return spans

    @staticmethod
    def _word(character: tuple[int, str]) -> int:
        """Returns what neighbours of one word share: white space, and a run, have a number."""
        position, char = character
        if char.isspace():
            return -1
        kind, text = _CHARACTERS[char]
        is_mark = len(text) == 1 and characters.is_punctuation(text)
        return position if kind == characters.ALONE or is_mark else -2

    def describe(self) -> dict[str, object]:
        return {"name": "none"}


SEGMENTERS.add("ltp", LtpSegmenter)
SEGMENTERS.add("rjieba", lambda _: RjiebaSegmenter())
SEGMENTERS.add("presegmented", lambda _: PresegmentedSegmenter())
SEGMENTERS.add("characters", lambda _: CharacterSegmenter())
SEGMENTERS.add("none", lambda _: BasicSegmenter())
