"""What the measures of reading comprehension share.

In each of their modules ``references`` gives every question's id its true answers, ``predictions``
the predicted one. A question without a prediction scores 0, and counts; a prediction of an id that
is no question's doesn't.
"""

import collections
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import NamedTuple

from bert_wwm.core.errors import DataError

References = Mapping[str, Sequence[str]]
Predictions = Mapping[str, str]


class Score(NamedTuple):
    """How good the answer to one question is."""

    em: float  # exact match, 1.0 or 0.0; CJRC's may be between
    f1: float  # from 0.0 to 1.0


NO_SCORE = Score(0.0, 0.0)


def compute_f1(common: int, predicted: int, expected: int) -> float:
    """Returns the F1 of two lengths and of what they have in common; 0.0 if that is nothing."""
    if not common:
        return 0.0
    precision, recall = common / predicted, common / expected
    return (2 * precision * recall) / (precision + recall)


def compute_bag_f1(predicted: Sequence[Hashable], expected: Sequence[Hashable]) -> float:
    """Returns the F1 of two lists of tokens whose order doesn't matter."""
    common = collections.Counter(predicted) & collections.Counter(expected)
    return compute_f1(sum(common.values()), len(predicted), len(expected))


def score_questions(
    references: References,
    predictions: Predictions,
    score: Callable[[Sequence[str], str], Score],
    need_answers: bool,
) -> dict[str, Score]:
    """Returns the score of each question, of its answers and the predicted one."""
    check_references(references, need_answers)
    return {
        question: score(answers, predictions[question]) if question in predictions else NO_SCORE
        for question, answers in references.items()
    }


def mean_percents(scores: Collection[Score]) -> tuple[float, float]:
    """Returns the means of exact match and of F1, in percent."""
    em, f1 = (100.0 * sum(values) / len(scores) for values in zip(*scores))
    return em, f1


def check_references(references: References, need_answers: bool) -> None:
    """Raises DataError if there are no questions, or a question lacks the answers it needs."""
    if not references:
        raise DataError("no questions; expected one at least")
    if need_answers:
        for question, answers in references.items():
            if not answers:
                raise DataError(f"question {question!r} has no answer; expected one at least")
