"""Scores predicted tags: how many of the entities that they make up are right.

Reads lines of a character, its true tag and its predicted tag, parted by blanks or tabs, with a
blank line behind each sentence, as run_ner.py writes them in predictions.conll. (Of more columns
the last two are the tags.) Prints one JSON object:

  precision, recall, f1   over all entities (micro), in percent with two decimals
  accuracy                the share of tags that are right, O too, in percent with two decimals
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
from typing import List, NamedTuple, Optional

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.metrics import tagging

FLAGS = flags.FLAGS

flags.DEFINE_string("prediction_file", None, "Lines of character, true tag, predicted tag.")
flags.DEFINE_enum(
    "scheme",
    "seqeval",
    sorted(tagging.SCHEMES),
    "Whose rules say what the entities are; both refuse no tag. seqeval: its default mode, for BIO "
    "and BIOES. conlleval: CoNLL-2000's program, for BIO; of BIOES it joins neighbours of a type.",
)
flags.mark_flags_as_required(["prediction_file"])

_PREFIXES = {"seqeval": ("B", "I", "E", "S"), "conlleval": ("B", "I", "E")}
_PERCENTS = ("precision", "recall", "f1", "accuracy")


class Tags(NamedTuple):
    """The tags of a file, by sentence, and what is odd about them.

    Attributes:
        expected: the true ones.
        predicted: the predicted ones.
        odd: how many are neither O nor of a prefix that --scheme knows.
        first_odd: where the first of these is, and what.
    """

    expected: List[List[str]]
    predicted: List[List[str]]
    odd: int
    first_odd: Optional[str]


def main(_) -> None:
    tags = read_tags(FLAGS.prediction_file)
    if not tags.expected:
        raise DataError(f"{FLAGS.prediction_file}: no tags; expected one sentence at least")
    scores = tagging.evaluate(tags.expected, tags.predicted, FLAGS.scheme)
    if tags.odd:
        known = ", ".join(f"{prefix}-" for prefix in _PREFIXES[FLAGS.scheme])
        print(
            f"{os.path.basename(sys.argv[0])}: {tags.odd:,} tag(s) neither are O nor begin with "
            f"one of {known}; the first is {tags.first_odd}",
            file=sys.stderr,
        )
    scores["sentences"] = len(tags.expected)
    scores["tokens"] = sum(map(len, tags.expected))
    for row in (scores, *scores["by_type"].values()):
        row.update({name: round(100 * row[name], 2) for name in _PERCENTS if name in row})
    print(json.dumps(scores, ensure_ascii=False))


def read_tags(path: str) -> Tags:
    """Reads a file of predictions. Raises DataError where a line has too few columns."""
    regular = re.compile(f"O$|[{''.join(_PREFIXES[FLAGS.scheme])}]-.")
    expected: List[List[str]] = []
    predicted: List[List[str]] = []
    odd, first_odd = 0, None
    behind_sentence = True
    for number, line in enumerate(files.read_lines(path), 1):
        # Only blanks and tabs: the character may be another kind of white space.
        if not line.strip(" \t"):
            behind_sentence = True
            continue
        columns = re.split("[ \t]+", line.rstrip(" \t"))
        if len(columns) < 3:
            raise DataError(
                f"{path}:{number}: {len(columns)} columns; expected a character, its true tag and "
                "its predicted tag"
            )
        if behind_sentence:
            expected.append([])
            predicted.append([])
            behind_sentence = False
        for tag, tags in zip(columns[-2:], (expected, predicted)):
            tags[-1].append(tag)
            if not regular.match(tag):
                odd += 1
                first_odd = first_odd or f"{tag!r} at {path}:{number}"
    return Tags(expected, predicted, odd, first_odd)


if __name__ == "__main__":
    app.run(main)
