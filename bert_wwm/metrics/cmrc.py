"""The measure of CMRC 2018, and of DRCD, which has no program of its own.

As HFL's ``cmrc2018_evaluate.py`` (version 6), with all its ways:

- An answer's tokens are single Chinese characters (U+4E00 to U+9FA5) and what NLTK's word tokenizer
  makes of the runs between them; a dropped punctuation mark doesn't part a run.
- Only some punctuation is dropped: not ``‘ … —``, and none of ``, . ? !`` in ASCII.
- F1 is of the longest common run of tokens: not of the tokens in common, nor of a subsequence.
- Exact match leaves blanks within the text.
- An empty answer that is predicted rightly is an exact match, but has an F1 of 0.
- Of several answers the best counts, for exact match and F1 each.

There ``nltk.word_tokenize`` also splits sentences, for which it needs data to be downloaded; here
it is the tokenizer behind it, ``NLTKWordTokenizer``, alone. In a run of several sentences the two
part the full stops of all but the last differently. Both depend on NLTK's version: since 3.10
dashes (U+2012 to U+2015) are tokens of their own and fewer single quotes stay with the word behind
them. In the figures that is thousandths of a percent.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bert_wwm.core.errors import ConfigError
from bert_wwm.metrics.reading import (
    Predictions,
    References,
    Score,
    compute_f1,
    mean_percents,
    score_questions,
)

# The program's list has …… too, two characters that no single one equals.
_DROPPED = dict.fromkeys(map(ord, "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"))
_CHINESE_OR_RUN = re.compile("[\u4e00-\u9fa5]|[^\u4e00-\u9fa5]+")


def evaluate(references: References, predictions: Predictions) -> dict[str, float]:
    """Returns the program's figures: ``AVERAGE``, ``F1`` and ``EM``, in percent.

    ``TOTAL`` counts the questions, ``SKIP`` those without a prediction, which score 0.
    """
    scores = question_scores(references, predictions).values()
    em, f1 = mean_percents(scores)
    return {
        "AVERAGE": (em + f1) * 0.5,
        "F1": f1,
        "EM": em,
        "TOTAL": len(scores),
        "SKIP": sum(question not in predictions for question in references),
    }


def formatted(figures: Mapping[str, float], prediction_file: str) -> dict[str, Any]:
    """Returns the figures of ``evaluate`` as the program prints them: percents as strings."""
    percents = {name: f"{figures[name]:.3f}" for name in ("AVERAGE", "F1", "EM")}
    counts = {name: figures[name] for name in ("TOTAL", "SKIP")}
    return {**percents, **counts, "FILE": prediction_file}


def question_scores(references: References, predictions: Predictions) -> dict[str, Score]:
    """Returns the score of each question. Raises DataError as ``evaluate`` does."""
    return score_questions(references, predictions, score, need_answers=True)


def score(answers: Sequence[str], prediction: str) -> Score:
    """Returns the score of a predicted answer. Args: answers: the true ones, one at least."""
    predicted, predicted_text = tokens(prediction), _without_punctuation(prediction)
    return Score(
        em=float(any(_without_punctuation(answer) == predicted_text for answer in answers)),
        f1=max(_run_f1(tokens(answer), predicted) for answer in answers),
    )


def tokens(text: str) -> tuple[str, ...]:
    """Returns the tokens of an answer.

    Example: ``"《Nexon Inc》时隔6年。"`` -> ``("nexon", "inc", "时", "隔", "6", "年")``
    """
    parts: list[str] = []
    for part in _CHINESE_OR_RUN.findall(_without_punctuation(text)):
        parts += [part] if "\u4e00" <= part <= "\u9fa5" else _words(part)
    return tuple(parts)


def longest_common_run(first: Sequence[str], second: Sequence[str]) -> int:
    """Returns the length of the longest run of tokens that both have."""
    shorter, longer = sorted((first, second), key=len)
    numbers = {token: number for number, token in enumerate(dict.fromkeys(longer))}
    numbered = np.array([numbers[token] for token in longer], np.int32)
    # Of the common runs that end at the token of `shorter`: the length of the one that ends at each
    # token of `longer`, one place on.
    lengths = np.zeros(len(longer) + 1, np.int32)
    longest = 0
    for token in shorter:
        if token in numbers:
            lengths[1:] = np.where(numbered == numbers[token], lengths[:-1] + 1, 0)
            longest = max(longest, int(lengths.max()))
        else:
            lengths[:] = 0
    return longest


def _run_f1(expected: Sequence[str], predicted: Sequence[str]) -> float:
    return compute_f1(longest_common_run(expected, predicted), len(predicted), len(expected))


def _without_punctuation(text: str) -> str:
    return text.lower().strip().translate(_DROPPED)


@functools.lru_cache(maxsize=1 << 14)
def _words(text: str) -> tuple[str, ...]:
    return tuple(_tokenizer().tokenize(text))


@functools.cache
def _tokenizer() -> Any:
    try:
        # Takes most of a second; answers all in Chinese do without it.
        from nltk.tokenize import NLTKWordTokenizer
    except ImportError:
        raise ConfigError(
            "this measure's tokens need a package that isn't installed: pip install nltk"
        ) from None
    return NLTKWordTokenizer()
