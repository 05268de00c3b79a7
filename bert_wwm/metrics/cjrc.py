"""The measure of CJRC, the Chinese judicial questions of CAIL 2019.

As its ``evaluate.py``, which follows that of CoQA:

- Of an answer only letters (Chinese characters among them) and digits count, in lower case; so do
  ``YES`` and ``NO``, which are compared as any text. A question that can't be answered has the
  answer "".
- F1 is of the characters that two answers have in common, in any order; 1 if both have none.
- Where there are several true answers, each is left out once, and the best of the others counts;
  the score is the mean of these.

That program reads only the first paragraph of each text, which is all that there is in CJRC.
"""

from collections.abc import Mapping, Sequence

from bert_wwm.core.errors import DataError
from bert_wwm.metrics.reading import Predictions, References, Score, compute_bag_f1, score_questions

DOMAINS = ("civil", "criminal")


def evaluate(
    references: References, predictions: Predictions, domains: Mapping[str, str | None]
) -> dict[str, dict[str, float]]:
    """Returns the program's figures, for ``civil``, ``criminal`` and ``overall``.

    They are ``em`` and ``f1``, in percent with one decimal (0.0 where there is no question), and
    ``qas``, the number of questions.
    """
    scores = question_scores(references, predictions)
    for question in references:
        if domains.get(question) not in DOMAINS:
            raise DataError(
                f"question {question!r} is of the domain {domains.get(question)!r}; expected one "
                f"of {', '.join(DOMAINS)}"
            )
    parts = {
        domain: [score for question, score in scores.items() if domains[question] == domain]
        for domain in DOMAINS
    }
    # The sum of all is that of the domains' sums: rounding is the program's to the last bit.
    sums = [
        (sum(score.em for score in part), sum(score.f1 for score in part), len(part))
        for part in parts.values()
    ]
    sums.append((sum(s[0] for s in sums), sum(s[1] for s in sums), sum(s[2] for s in sums)))
    return {
        name: {
            "em": round(em / max(1, count) * 100, 1),
            "f1": round(f1 / max(1, count) * 100, 1),
            "qas": count,
        }
        for name, (em, f1, count) in zip((*DOMAINS, "overall"), sums)
    }


def question_scores(references: References, predictions: Predictions) -> dict[str, Score]:
    """Returns the score of each question. Raises DataError where there are none."""
    return score_questions(references, predictions, score, need_answers=False)


def score(answers: Sequence[str], prediction: str) -> Score:
    """Returns the score of a predicted answer. Args: answers: the true ones; none: it is ""."""
    predicted = _normalised(prediction)
    scores = [_score(_normalised(answer), predicted) for answer in answers or [""]]
    if len(scores) == 1:
        return scores[0]
    others = [scores[:place] + scores[place + 1 :] for place in range(len(scores))]
    return Score(
        em=sum(max(score.em for score in rest) for rest in others) / len(scores),
        f1=sum(max(score.f1 for score in rest) for rest in others) / len(scores),
    )


def _score(expected: str, predicted: str) -> Score:
    em = float(expected == predicted)
    return Score(em, compute_bag_f1(predicted, expected) if predicted and expected else em)


def _normalised(text: str) -> str:
    return "".join(char for char in text.lower() if char.isdigit() or char.isalpha())
