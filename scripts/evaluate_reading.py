"""Scores predicted answers to the questions of a reading comprehension data set.

Prints one JSON object: the figures of the official program of the data set, under its names.

  cmrc    CMRC 2018 and DRCD, as HFL's cmrc2018_evaluate.py: AVERAGE, F1, EM, TOTAL, SKIP, FILE
  squad1  SQuAD 1.1, as evaluate-v1.1.py: exact_match, f1
  squad2  SQuAD 2.0, as evaluate-v2.0.py: exact, f1, total, HasAns_..., NoAns_..., best_...
  cjrc    CJRC of CAIL 2019, as its evaluate.py: em, f1, qas of civil, criminal, overall

All are percents, but for counts and thresholds. A question without a prediction scores 0.

The data set is in the format of SQuAD, or in that of CMRC 2018. Predictions are {id: answer}, as
run_squad.py writes them in predictions.json, or CJRC's [{"id": id, "answer": answer}, ...]. As in
HFL's program, for cmrc an answer may be a number, true, false or null: null is the text "None".

Example:
  python scripts/evaluate_reading.py --metric=cmrc --dataset_file=cmrc2018_dev.json \\
      --prediction_file=output/predictions.json
"""

import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.metrics import cjrc, cmrc, squad
from bert_wwm.metrics.reading import Predictions, References, Score
from bert_wwm.metrics.reading_files import read_na_probs, read_predictions, read_references

FLAGS = flags.FLAGS

flags.DEFINE_string("dataset_file", None, "The questions with their true answers.")
flags.DEFINE_string("prediction_file", None, "The predicted answers.")
flags.DEFINE_enum(
    "metric", None, ["cmrc", "squad1", "squad2", "cjrc"], "Whose program to score as."
)
flags.DEFINE_string(
    "na_prob_file",
    None,
    "For --metric=squad2: {id: how sure it is that there is no answer}, such as null_odds.json. "
    "Adds the best thresholds and what they would give. As in the official program, predictions "
    'whose number exceeds 1.0 count as "".',
)
flags.DEFINE_bool(
    "per_question",
    False,
    'Adds "questions": {id: {"em": ..., "f1": ...}}, fractions of 1.',
)
flags.mark_flags_as_required(["dataset_file", "prediction_file", "metric"])


def main(_) -> None:
    if FLAGS.na_prob_file is not None and FLAGS.metric != "squad2":
        raise ConfigError(f"--na_prob_file: {FLAGS.metric} has no use for it; expected squad2")
    as_text = FLAGS.metric == "cmrc"
    dataset = read_references(FLAGS.dataset_file, as_text)
    references = {question: reference.answers for question, reference in dataset.items()}
    domains = {question: reference.domain for question, reference in dataset.items()}
    predictions = read_predictions(FLAGS.prediction_file, as_text)
    na_probs = None
    if FLAGS.na_prob_file is not None:
        na_probs = read_na_probs(FLAGS.na_prob_file)
        with told_of(FLAGS.na_prob_file):
            squad.check_na_probs(references, predictions, na_probs)
    with told_of(FLAGS.dataset_file):
        figures, question_scores = measure(references, predictions, na_probs, domains)
    if FLAGS.per_question:
        scores = question_scores(references, predictions)
        figures["questions"] = {question: score._asdict() for question, score in scores.items()}
    tell_strays(references, predictions)
    print(json.dumps(figures, ensure_ascii=False))


def measure(
    references: References,
    predictions: Predictions,
    na_probs: dict[str, float] | None,
    domains: dict[str, str | None],
) -> tuple[dict[str, Any], Callable[[References, Predictions], dict[str, Score]]]:
    """Returns the figures of --metric, and what scores each question."""
    if FLAGS.metric == "cmrc":
        figures = cmrc.evaluate(references, predictions)
        return cmrc.formatted(figures, FLAGS.prediction_file), cmrc.question_scores
    if FLAGS.metric == "squad1":
        return squad.evaluate_v1(references, predictions), squad.question_scores_v1
    if FLAGS.metric == "squad2":
        question_scores = functools.partial(squad.question_scores_v2, na_probs=na_probs)
        return squad.evaluate_v2(references, predictions, na_probs), question_scores
    return cjrc.evaluate(references, predictions, domains), cjrc.question_scores


@contextlib.contextmanager
def told_of(path: str) -> Iterator[None]:
    """Says which file it is that data errors within the block are of."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def tell_strays(references: References, predictions: Predictions) -> None:
    """Says on standard error which questions and predictions don't go together."""
    program = os.path.basename(sys.argv[0])
    unanswered = len(references.keys() - predictions.keys())
    if unanswered:
        print(
            f"{program}: {unanswered:,} of {len(references):,} questions have no prediction; they "
            "score 0",
            file=sys.stderr,
        )
    unknown = len(predictions.keys() - references.keys())
    if unknown:
        print(
            f"{program}: {unknown:,} of {len(predictions):,} predictions are of no question in "
            f"{FLAGS.dataset_file}; they don't count",
            file=sys.stderr,
        )


if __name__ == "__main__":
    app.run(main)
