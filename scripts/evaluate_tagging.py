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

import itertools
import json
import os
import re
import sys

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


def main(_) -> None:
    path = FLAGS.prediction_file
    expected, predicted, first_lines = read_tags(path)
    if not expected:
        raise DataError(f"{path}: no tags; expected one sentence at least")
    scores = tagging.evaluate(expected, predicted, FLAGS.scheme)
    for note in (
        *tag_notes(path, expected + predicted, first_lines * 2, FLAGS.scheme),
        *unfinished_note(path, expected),
    ):
        print(f"{os.path.basename(sys.argv[0])}: {note}", file=sys.stderr)
    scores["sentences"] = len(expected)
    scores["tokens"] = sum(map(len, expected))
    for row in (scores, *scores["by_type"].values()):
        row.update({name: round(100 * row[name], 2) for name in _PERCENTS if name in row})
    print(json.dumps(scores, ensure_ascii=False))


def read_tags(path: str) -> tuple[list[list[str]], list[list[str]], list[int]]:
    """Reads the true and the predicted tags, and the first line, of each sentence of a file."""
    expected, predicted, first_lines = [], [], []
    lines = enumerate(files.read_lines(path), 1)
    # Only spaces and tabs: the character may be another kind of white space.
    for has_text, sentence in itertools.groupby(lines, lambda line: bool(line[1].strip(" \t"))):
        if has_text:
            rows = [(number, re.split("[ \t]+", line.rstrip(" \t"))) for number, line in sentence]
            for number, columns in rows:
                if len(columns) < 3:
                    raise DataError(
                        f"{path}:{number}: {len(columns)} columns; expected a character, its true "
                        "tag and its predicted tag"
                    )
            expected.append([columns[-2].strip() for _, columns in rows])
            predicted.append([columns[-1].strip() for _, columns in rows])
            first_lines.append(rows[0][0])
    return expected, predicted, first_lines


if __name__ == "__main__":
    app.run(main)
