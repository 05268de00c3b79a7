"""Scores predicted answers to the questions of a reading comprehension data set.

Prints one JSON object: the figures of the official program of the data set, under its names.

  cmrc    CMRC 2018 and DRCD, as HFL's cmrc2018_evaluate.py: AVERAGE, F1, EM, TOTAL, SKIP, FILE
  squad1  SQuAD 1.1, as evaluate-v1.1.py: exact_match, f1
  squad2  SQuAD 2.0, as evaluate-v2.0.py: exact, f1, total, HasAns_..., NoAns_..., best_...
  cjrc    CJRC of CAIL 2019, as its evaluate.py: em, f1, qas of civil, criminal, overall

All are percentages, except counts and thresholds. A question without a prediction scores 0.

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
from bert_wwm.metrics.reading_files import read_na_probs, read_predictions, read_references

FLAGS = flags.FLAGS

# The functions that evaluate all questions, and that score each of them.
METRICS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "cmrc": (cmrc.evaluate, cmrc.question_scores),
    "squad1": (squad.evaluate_v1, squad.question_scores_v1),
    "squad2": (squad.evaluate_v2, squad.question_scores_v2),
    "cjrc": (cjrc.evaluate, cjrc.question_scores),
}

flags.DEFINE_string("dataset_file", None, "The questions with their true answers.")
flags.DEFINE_string("prediction_file", None, "The predicted answers.")
flags.DEFINE_enum("metric", None, list(METRICS), "The official program to follow.")
flags.DEFINE_string(
    "na_prob_file",
    None,
    "For --metric=squad2: {id: how sure the model is that there is no answer}, such as "
    "null_odds.json. Adds the best thresholds and the scores with them. As in the official "
    'program, predictions whose number exceeds 1.0 count as "".',
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
    predictions = read_predictions(FLAGS.prediction_file, as_text)
    evaluate, score_questions = METRICS[FLAGS.metric]
    if FLAGS.metric == "cjrc":
        domains = {question: reference.domain for question, reference in dataset.items()}
        evaluate = functools.partial(evaluate, domains=domains)
    if FLAGS.na_prob_file is not None:
        na_probs = read_na_probs(FLAGS.na_prob_file)
        with name_file(FLAGS.na_prob_file):
            squad.check_na_probs(references, predictions, na_probs)
        evaluate = functools.partial(evaluate, na_probs=na_probs)
        score_questions = functools.partial(score_questions, na_probs=na_probs)
    with name_file(FLAGS.dataset_file):
        figures = evaluate(references, predictions)
    if FLAGS.metric == "cmrc":
        figures = cmrc.formatted(figures, FLAGS.prediction_file)
    if FLAGS.per_question:
        scores = score_questions(references, predictions)
        figures["questions"] = {question: score._asdict() for question, score in scores.items()}
    report_strays(references, predictions)
    print(json.dumps(figures, ensure_ascii=False))


@contextlib.contextmanager
def name_file(path: str) -> Iterator[None]:
    """Puts a file's name before the data errors of the block."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def report_strays(references, predictions) -> None:
    """Counts on standard error the questions without a prediction, and the reverse."""
    program = os.path.basename(sys.argv[0])
    stray = f"predictions are of no question in {FLAGS.dataset_file}; they don't count"
    for some, others, note in (
        (references, predictions, "questions have no prediction; they score 0"),
        (predictions, references, stray),
    ):
        if count := len(some.keys() - others.keys()):
            print(f"{program}: {count:,} of {len(some):,} {note}", file=sys.stderr)


if __name__ == "__main__":
    app.run(main)
