"""Words of sentences: LTP (perceptron or neural), jieba, segmented beforehand, or by simple rules.

Importing this module costs milliseconds; what a segmenter needs is imported, and what a hub holds
is downloaded, when it segments its first sentence.
"""

import abc
import functools
import itertools
import unicodedata
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import NamedTuple

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.registry import Registry
from bert_wwm.segmentation import ltp
from bert_wwm.segmentation.ltp_model import Model, Tagged
from bert_wwm.segmentation.ltp_neural import NeuralModel
from bert_wwm.text import characters
from bert_wwm.text.characters import CharacterTable

# Characters [start, end) of a sentence, a half-open span.
Span = tuple[int, int]

# Owners of characters that belong to no word of a segmenter's output.
_SPACE = -1
_DROPPED = -2


class Annotated(NamedTuple):
    """The words of a sentence, as ``Segmenter.segment`` gives them, and their tags.

    A span without a tag (None) is white space, or characters that the segmenter left out.
    """

    spans: list[Span]
    tags: dict[str, list[str | None]]  # for each task, one for each span


class Segmenter(abc.ABC):
    """Finds the words of sentences. Can be pickled, for worker processes.

    All methods raise ConfigError where a package or a model is missing, and CheckpointError where
    the model's files are broken.
    """

    @abc.abstractmethod
    def segment(self, sentences: Sequence[str]) -> list[list[Span] | None]:
        """Returns the words of each sentence.

        The spans of a sentence tile [0, len(sentence)): in order, none empty, no gap, no overlap.
        White space is never inside a word; each run of it is a span of its own. None replaces the
        words of a sentence that the segmenter's output doesn't match.
        """

    @abc.abstractmethod
    def describe(self) -> dict[str, object]:
        """Returns what distinguishes the words of this segmenter from others', ready for JSON."""

    def tasks(self) -> tuple[str, ...]:
        """Returns the tasks that words can be tagged for, by LTP's names; see ``ltp_model.py``."""
        return ()

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Annotated | None]:
        """Returns the words of each sentence, as ``segment`` does, with their tags of some tasks.

        Raises ConfigError where this segmenter doesn't give such tags.
        """
        raise self._no_tags(tasks)

    def describe_tags(self, tasks: Sequence[str]) -> dict[str, object]:
        """Returns what distinguishes the tags from others, as ``describe`` does for words."""
        raise self._no_tags(tasks)

    def _no_tags(self, tasks: Sequence[str]) -> ConfigError:
        return ConfigError(
            f"the segmenter {self.describe()['name']!r} doesn't tag words "
            f"({', '.join(tasks)}); expected 'ltp'"
        )


# Each entry takes the options of ``LtpSegmenter``; all others ignore them.
SEGMENTERS: Registry[Callable[..., Segmenter]] = Registry("segmenter")


def make_segmenter(
    name: str,
    ltp_model: str = ltp.DEFAULT_MODEL,
    parallelism: bool = True,
    ltp_device: str | None = None,
    ltp_batch_size: int = ltp.DEFAULT_BATCH_SIZE,
) -> Segmenter:
    """Returns the segmenter of that name; for LTP's options see ``ltp.load``.

    Raises:
        ConfigError: there is no such segmenter, or a package that it needs isn't installed.
    """
    return SEGMENTERS[name](ltp_model, parallelism, ltp_device, ltp_batch_size)


class LtpSegmenter(Segmenter):
    """LTP, a perceptron or a neural model, loaded when it is first needed."""

    def __init__(self, model: str, parallelism: bool, device: str | None, batch_size: int):
        """Takes the arguments of ``ltp.load``.

        The output of a perceptron is the same with and without parallelism, and in a forked
        process LTP itself goes back to one core.
        """
        self._name = model
        self._load = functools.partial(ltp.load, model, parallelism, device, batch_size)

    @functools.cached_property
    def _model(self) -> Model:
        return self._load()

    def __getstate__(self) -> dict[str, object]:
        # Other processes load a neural model again. A perceptron knows which files it has checked.
        state = self.__dict__.items()
        return {name: value for name, value in state if not isinstance(value, NeuralModel)}

    def segment(self, sentences: Sequence[str]) -> list[list[Span] | None]:
        return [one and one.spans for one in self.annotate(sentences, ())]

    def describe(self) -> dict[str, object]:
        return {"name": "ltp", "model": self._name, **self._model.describe()}

    def tasks(self) -> tuple[str, ...]:
        return tuple(task for task in self._model.tasks if task != "cws")

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Annotated | None]:
        tagged = self._model.annotate(sentences, tasks)
        return [_place_tags(*pair) for pair in zip(tagged, sentences)]

    def describe_tags(self, tasks: Sequence[str]) -> dict[str, object]:
        return {"tasks": list(tasks), "sha256": self._model.tag_files(tasks)}


class RuleSegmenter(Segmenter):
    """Cuts each sentence by a function, without a model."""

    def __init__(self, cut: Callable[[str], list[str]], **description: object):
        self._cut = cut
        self._description = description

    def segment(self, sentences: Sequence[str]) -> list[list[Span] | None]:
        return [place_words(self._cut(sentence), sentence) for sentence in sentences]

    def describe(self) -> dict[str, object]:
        return dict(self._description)


def _make_jieba(*_: object) -> Segmenter:
    """Makes the segmenter by jieba's dictionary and hidden Markov model, in its Rust version."""
    try:
        import rjieba  # noqa: F401
    except ImportError:
        raise ConfigError(
            "the segmenter 'rjieba' needs a package that isn't installed: pip install rjieba"
        ) from None
    return RuleSegmenter(_cut_by_jieba, name="rjieba", version=metadata.version("rjieba"))


def _cut_by_jieba(sentence: str) -> list[str]:
    import rjieba  # its function can't be pickled

    return rjieba.cut(sentence)


_CHARACTERS = CharacterTable()


def _cut_as_wordpiece(sentence: str) -> list[str]:
    """Returns runs of letters and digits, single marks and ideographs.

    With these words whole word masking is that of Google's English BERT, whose words are a piece
    and the ``##`` pieces after it.
    """

    def find_group(character: tuple[int, str]) -> int:
        position, char = character
        if char.isspace():
            return -1
        kind, text = _CHARACTERS[char]
        is_mark = len(text) == 1 and characters.is_punctuation(text)
        return position if kind == characters.ALONE or is_mark else -2

    groups = itertools.groupby(enumerate(sentence), find_group)
    return ["".join(char for _, char in group) for _, group in groups]


SEGMENTERS.add("ltp", LtpSegmenter)
SEGMENTERS.add("rjieba", _make_jieba)
SEGMENTERS.add("presegmented", lambda *_: RuleSegmenter(str.split, name="presegmented"))
SEGMENTERS.add("characters", lambda *_: RuleSegmenter(list, name="characters"))
SEGMENTERS.add("none", lambda *_: RuleSegmenter(_cut_as_wordpiece, name="none"))


def place_words(words: Sequence[str], sentence: str) -> list[Span] | None:
    """Lays words over the sentence that they were found in.

    White space in words is ignored: where a sentence has it, a word ends. Characters that the
    words lack go to the word before them, else to the word after them, else (white space, or
    nothing, on both sides) they are a word; only what no reader sees may be lacking: control and
    format characters, unassigned ones, combining marks, U+FFFD.

    Example:
        place_words(["我 ", "爱北京"], "我 爱\\x00北京") -> [(0, 1), (1, 2), (2, 6)]

    Returns:
        Spans that tile the sentence, or None where the words don't match it.
    """
    placed = _place(words, sentence)
    return placed and placed[0]


def _place_tags(tagged: Tagged, sentence: str) -> Annotated | None:
    """Lays words and their tags over a sentence, or returns None where they don't match it."""
    placed = _place(tagged.words, sentence)
    if placed is None:
        return None
    spans, numbers = placed
    tags = {
        task: [tags[number] if number >= 0 else None for number in numbers]
        for task, tags in tagged.tags.items()
    }
    return Annotated(spans, tags)


def _place(words: Sequence[str], sentence: str) -> tuple[list[Span], list[int]] | None:
    """Returns the spans of ``place_words``, and for each the number of its word.

    A span without a word has the number _SPACE or _DROPPED. White space inside a word makes several
    spans of it, all of its number.
    """
    if "".join(words) == sentence and sentence.split() == [sentence]:
        numbers = [number for number, word in enumerate(words) if word]
        ends = list(itertools.accumulate(len(words[number]) for number in numbers))
        return list(zip([0, *ends], ends)), numbers
    owners = _find_owners(words, sentence)
    if owners is None:
        return None
    # Invisible characters join the word before them; at the start of a run, the one after them.
    for position in range(1, len(owners)):
        if owners[position] == _DROPPED and owners[position - 1] != _SPACE:
            owners[position] = owners[position - 1]
    for position in range(len(owners) - 2, -1, -1):
        if owners[position] == _DROPPED and owners[position + 1] != _SPACE:
            owners[position] = owners[position + 1]
    runs = [(owner, len(list(run))) for owner, run in itertools.groupby(owners)]
    ends = list(itertools.accumulate(length for _, length in runs))
    return list(zip([0, *ends], ends)), [owner for owner, _ in runs]


def _find_owners(words: Sequence[str], sentence: str) -> list[int] | None:
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
