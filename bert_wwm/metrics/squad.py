"""The measures of SQuAD: ``evaluate-v1.1.py`` and ``evaluate-v2.0.py``.

Answers are compared in lower case, without ASCII punctuation and English articles. F1 is of the
tokens between blanks that they have in common, in any order. Of several answers the best counts,
for exact match and F1 each.
"""

import functools
import re
import string
from collections.abc import Mapping, Sequence

from bert_wwm.core.errors import DataError
from bert_wwm.metrics.reading import (
    NO_SCORE,
    Predictions,
    References,
    Score,
    check_references,
    compute_bag_f1,
    mean_percents,
    score_questions,
)

_NA_PROB_THRESHOLD = 1.0  # no probability exceeds it, but many odds do
_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation))
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def evaluate_v1(references: References, predictions: Predictions) -> dict[str, float]:
    """Returns ``exact_match`` and ``f1`` of SQuAD 1.1, in percent."""
    em, f1 = mean_percents(question_scores_v1(references, predictions).values())
    return {"exact_match": em, "f1": f1}


def question_scores_v1(references: References, predictions: Predictions) -> dict[str, Score]:
    """Returns the score of each question of SQuAD 1.1. Raises DataError as ``evaluate_v1`` does."""
    score = functools.partial(_score, empty_match=0.0)
    return score_questions(references, predictions, score, need_answers=True)


def evaluate_v2(
    references: References, predictions: Predictions, na_probs: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Returns the figures of SQuAD 2.0, where a question may have no answer.

    The official program fails where a prediction is missing; here it scores 0.

    Args:
        na_probs: of each question how sure it is that there is no answer: a probability, or any
            number that is higher the surer, such as the odds of ``null_odds.json``.
            As in the official program, a prediction whose number exceeds 1.0 counts as "".

    Returns:
        ``exact``, ``f1`` (percents) and ``total``; the same with ``HasAns_`` or ``NoAns_`` before
        it, of the questions with and without answers, where there are such; and with ``na_probs``
        ``best_exact`` and ``best_f1``, what the best thresholds would give, and these themselves,
        ``best_exact_thresh`` and ``best_f1_thresh``.
    """
    scores = question_scores_v2(references, predictions, na_probs)
    figures = _figures(list(scores.values()), "")
    for prefix, has_answer in (("HasAns_", True), ("NoAns_", False)):
        part = [
            score for question, score in scores.items() if bool(references[question]) == has_answer
        ]
        if part:
            figures.update(_figures(part, prefix))
    if na_probs is not None:
        raw = question_scores_v2(references, predictions)
        for name, values in (
            ("exact", {question: score.em for question, score in raw.items()}),
            ("f1", {question: score.f1 for question, score in raw.items()}),
        ):
            best, threshold = _best_threshold(values, references, predictions, na_probs)
            figures.update({f"best_{name}": best, f"best_{name}_thresh": threshold})
    return figures


def question_scores_v2(
    references: References, predictions: Predictions, na_probs: Mapping[str, float] | None = None
) -> dict[str, Score]:
    """Returns the score of each question of SQuAD 2.0. Takes and raises what ``evaluate_v2`` does.

    By ``na_probs`` a prediction that counts as "" is right, 1.0, where there is no answer.
    """
    check_references(references, need_answers=False)
    if na_probs is not None:
        check_na_probs(references, predictions, na_probs)
    scores = {}
    for question, answers in references.items():
        if question not in predictions:
            scores[question] = NO_SCORE
        elif na_probs is not None and na_probs[question] > _NA_PROB_THRESHOLD:
            right = float(not answers)
            scores[question] = Score(right, right)
        else:
            # An answer of which normalising leaves nothing counts as none.
            real = [answer for answer in answers if _normalised(answer)] or [""]
            scores[question] = _score(real, predictions[question], empty_match=1.0)
    return scores


def check_na_probs(
    references: References, predictions: Predictions, na_probs: Mapping[str, float]
) -> None:
    """Raises DataError where a question that is predicted has no number in ``na_probs``."""
    lacking = [
        question for question in references if question in predictions and question not in na_probs
    ]
    if lacking:
        raise DataError(
            f"no number for {len(lacking):,} predicted question(s), such as {lacking[0]!r}; "
            "expected one for each"
        )


def _best_threshold(
    scores: Mapping[str, float],
    references: References,
    predictions: Predictions,
    na_probs: Mapping[str, float],
) -> tuple[float, float]:
    """Returns the highest percent that some threshold gives, and that threshold.

    Like the official program it looks behind each question, even between those of one number,
    where no threshold can lie; these it takes in the order of ``na_probs``.
    """
    predicted = [question for question in scores if question in predictions]
    total = best = sum(1.0 for question in predicted if not references[question])
    threshold = 0.0
    for question in sorted(na_probs, key=na_probs.__getitem__):
        if question not in predictions or question not in references:
            continue
        if references[question]:
            total += scores[question]
        elif predictions[question]:
            total -= 1
        if total > best:
            best, threshold = total, na_probs[question]
    return 100.0 * best / len(scores), threshold


def _score(answers: Sequence[str], prediction: str, empty_match: float) -> Score:
    """Returns the best score. Args: empty_match: the F1 of two answers without tokens."""
    predicted = _normalised(prediction)
    expected = [_normalised(answer) for answer in answers]
    f1s = [
        compute_bag_f1(predicted.split(), answer.split()) if predicted or answer else empty_match
        for answer in expected
    ]
    return Score(em=float(predicted in expected), f1=max(f1s))


def _normalised(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _figures(scores: list[Score], prefix: str) -> dict[str, float]:
    exact, f1 = mean_percents(scores)
    return {f"{prefix}exact": exact, f"{prefix}f1": f1, f"{prefix}total": len(scores)}
