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
    """The words of a sentence, and their tags.

    The spans tile [0, len(sentence)): in order, none empty, no gap, no overlap. White space is
    never inside a word; each run of it is a span of its own. A span without a tag (None) is white
    space, or characters that the segmenter left out.
    """

    spans: list[Span]
    tags: dict[str, list[str | None]]  # for each task, one for each span


class Segmenter(abc.ABC):
    """Finds the words of sentences. Can be pickled, for worker processes.

    All methods raise ConfigError where a package or a model is missing or doesn't give the tags of
    a task, and CheckpointError where the model's files are broken.
    """

    @abc.abstractmethod
    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Annotated | None]:
        """Returns the words of each sentence, with their tags of some tasks.

        None replaces those of a sentence that the segmenter's output doesn't match.
        """

    def segment(self, sentences: Sequence[str]) -> list[list[Span] | None]:
        """Returns the words of each sentence, as ``annotate`` does."""
        return [one and one.spans for one in self.annotate(sentences, ())]

    @abc.abstractmethod
    def describe(self, tasks: Sequence[str] = ()) -> dict[str, object]:
        """Returns what distinguishes its words, and their tags, from others', ready for JSON."""

    def tasks(self) -> tuple[str, ...]:
        """Returns the tasks that words can be tagged for, by LTP's names; see ``ltp_model.py``."""
        return ()


# Each entry takes a function that loads LTP's model; all but ``ltp`` ignore it.
SEGMENTERS: Registry[Callable[[Callable[[], Model]], Segmenter]] = Registry("segmenter")


def make_segmenter(
    name: str,
    ltp_model: str = ltp.DEFAULT_MODEL,
    parallelism: bool = True,
    ltp_device: str | None = None,
    ltp_batch_size: int = ltp.DEFAULT_BATCH_SIZE,
) -> Segmenter:
    """Returns the segmenter of that name; for LTP's options see ``ltp.load``.

    Raises ConfigError for an unknown name, or a package that is missing.
    """
    load = functools.partial(ltp.load, ltp_model, parallelism, ltp_device, ltp_batch_size)
    return SEGMENTERS[name](load)


class LtpSegmenter(Segmenter):
    """LTP, a perceptron or a neural model, loaded when it is first needed."""

    def __init__(self, load: Callable[[], Model]):
        self._load = load

    @functools.cached_property
    def _model(self) -> Model:
        return self._load()

    def __getstate__(self) -> dict[str, object]:
        # Other processes load a neural model again. A perceptron knows which files it has checked.
        state = self.__dict__.items()
        return {name: value for name, value in state if not isinstance(value, NeuralModel)}

    def describe(self, tasks: Sequence[str] = ()) -> dict[str, object]:
        described = {"name": "ltp", "model": self._model.name, **self._model.describe()}
        if tasks:
            described["tags"] = {"tasks": list(tasks), "sha256": self._model.tag_files(tasks)}
        return described

    def tasks(self) -> tuple[str, ...]:
        return tuple(task for task in self._model.tasks if task != "cws")

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Annotated | None]:
        tagged = self._model.annotate(sentences, tasks)
        return [place_words(*pair) for pair in zip(tagged, sentences)]


class RuleSegmenter(Segmenter):
    """Cuts each sentence by a function, without a model."""

    def __init__(self, cut: Callable[[str], list[str]], **description: object):
        self._cut = cut
        self._description = description

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Annotated | None]:
        self._refuse_tags(tasks)
        return [place_words(Tagged(self._cut(sentence), {}), sentence) for sentence in sentences]

    def describe(self, tasks: Sequence[str] = ()) -> dict[str, object]:
        self._refuse_tags(tasks)
        return dict(self._description)

    def _refuse_tags(self, tasks: Sequence[str]) -> None:
        if tasks:
            raise ConfigError(
                f"the segmenter {self._description['name']!r} doesn't tag words "
                f"({', '.join(tasks)}); expected 'ltp'"
            )


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


def place_words(tagged: Tagged, sentence: str) -> Annotated | None:
    """Lays words over the sentence that they were found in; returns None where they don't match it.

    White space in words is ignored: where a sentence has it, a word ends. Characters that the
    words lack go to the word before them, else to the word after them, else (white space, or
    nothing, on both sides) they are a word; only what no reader sees may be lacking: control and
    format characters, unassigned ones, combining marks, U+FFFD.

    Example:
        place_words(Tagged(["我 ", "爱好"], {}), "我 爱\\x00好").spans -> [(0, 1), (1, 2), (2, 5)]
    """
    words = tagged.words
    if "".join(words) == sentence and sentence.split() == [sentence]:
        runs = [(number, len(word)) for number, word in enumerate(words) if word]
    else:
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
    tags = {
        task: [tags[number] if number >= 0 else None for number, _ in runs]
        for task, tags in tagged.tags.items()
    }
    return Annotated(list(zip([0, *ends], ends)), tags)


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
