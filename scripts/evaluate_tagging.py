"""Scores predicted tags: precision, recall and F1 of the entities that they form.

Reads lines of a character, its true tag and its predicted tag, separated by spaces or tabs, with an
empty line after each sentence, as run_ner.py writes them in predictions.conll. (If there are more
columns, the last two are the tags.) Prints one JSON object:

  precision, recall, f1   over all entities (micro), in percent with two decimals
  accuracy                the share of correct tags, O included, in percent with two decimals
  support                 the number of true entities
  by_type                 {type: {precision, recall, f1, support}}
  sentences, tokens       their numbers

Example:
  python scripts/evaluate_tagging.py --prediction_file=output/predictions.conll
"""

import json
import os
import re
import sys
from typing import NamedTuple

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.metrics import tagging
from bert_wwm.metrics.tag_notes import tag_notes, unfinished_note

FLAGS = flags.FLAGS

flags.DEFINE_string("prediction_file", None, "Lines of character, true tag, predicted tag.")
flags.DEFINE_enum(
    "scheme",
    "seqeval",
    sorted(tagging.SCHEMES),
    "The rules for what an entity is; both accept any tag. seqeval: its default mode, for BIO and "
    "BIES, and for BMES as if M- were I-. conlleval: CoNLL-2000's program, for BIO; in BIES and "
    "BMES it joins neighbours of a type.",
)
flags.mark_flags_as_required(["prediction_file"])

_PERCENTS = ("precision", "recall", "f1", "accuracy")


class Tags(NamedTuple):
    """The true and the predicted tags of a file, and the first line of each sentence."""

    expected: list[list[str]]
    predicted: list[list[str]]
    first_lines: list[int]


def main(_) -> None:
    path = FLAGS.prediction_file
    tags = read_tags(path)
    if not tags.expected:
        raise DataError(f"{path}: no tags; expected one sentence at least")
    scores = tagging.evaluate(tags.expected, tags.predicted, FLAGS.scheme)
    for note in (
        *tag_notes(path, tags.expected + tags.predicted, tags.first_lines * 2, FLAGS.scheme),
        *unfinished_note(path, tags.expected),
    ):
        print(f"{os.path.basename(sys.argv[0])}: {note}", file=sys.stderr)
    scores["sentences"] = len(tags.expected)
    scores["tokens"] = sum(map(len, tags.expected))
    for row in (scores, *scores["by_type"].values()):
        row.update({name: round(100 * row[name], 2) for name in _PERCENTS if name in row})
    print(json.dumps(scores, ensure_ascii=False))


def read_tags(path: str) -> Tags:
    """Reads a file of predictions. Raises DataError where a line has too few columns."""
    tags = Tags([], [], [])
    is_new_sentence = True
    for number, line in enumerate(files.read_lines(path), 1):
        # Only spaces and tabs: the character may be another kind of white space.
        if not line.strip(" \t"):
            is_new_sentence = True
            continue
        columns = re.split("[ \t]+", line.rstrip(" \t"))
        if len(columns) < 3:
            raise DataError(
                f"{path}:{number}: {len(columns)} columns; expected a character, its true tag and "
                "its predicted tag"
            )
        if is_new_sentence:
            tags.expected.append([])
            tags.predicted.append([])
            tags.first_lines.append(number)
            is_new_sentence = False
        tags.expected[-1].append(columns[-2].strip())
        tags.predicted[-1].append(columns[-1].strip())
    return tags


if __name__ == "__main__":
    app.run(main)
