"""Turns the model's outputs for chunks of contexts into answers: ``predictions.json`` and so on.

A span's score is its log-probability in its chunk: log-softmax of the start plus that of the end,
so that chunks of one context compare (ymcui/cmrc2018, baseline). As in google-research/bert, a span
is sought in the chunk that shows most around its beginning. Unlike there, a span that doesn't fit
in that chunk is sought in the others; all pairs of start and end are compared, not those of the
twenty best starts and ends; and the text is cut from the context unchanged.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bert_wwm.tasks.examples import ANSWER_TYPES, NO, SPAN, UNANSWERABLE, YES, Question
from bert_wwm.tasks.features import FeatureTable
from bert_wwm.tasks.reading_features import (
    CHAR_ENDS,
    CHAR_STARTS,
    CONTEXT_BEGIN,
    CONTEXT_END,
    MAX_CONTEXT,
)
from bert_wwm.text import unicode11

START_LOG_PROBS, END_LOG_PROBS = "start_log_probs", "end_log_probs"
ANSWER_TYPE_LOG_PROBS = "answer_type_log_probs"

_GROWTH = 4  # by which more pairs are looked at where texts are the same
# The score of a span where a context has none: that of two positions which are masked.
_NO_SPAN = -2e4

Outputs = Mapping[str, np.ndarray]
Entry = dict[str, str | float]


class Answers(NamedTuple):
    """Predictions, by the ids of questions."""

    texts: dict[str, str]  # words of the context, YES, NO, or empty for no answer
    # The best answers, the predicted one first: "text", "probability" (they sum to 1),
    # "start_logit" and "end_logit" (log-probabilities).
    n_best: dict[str, list[Entry]]
    # The log-probability of no answer minus the best one's; empty if all questions have answers.
    null_odds: dict[str, float]


class _Span(NamedTuple):
    text: str
    start: float
    end: float

    @property
    def score(self) -> float:
        return self.start + self.end


class _Chunk(NamedTuple):
    """A chunk's predictions: float64 log-probabilities of its pieces of the context, [pieces]."""

    starts: np.ndarray
    ends: np.ndarray
    # The first piece at which a span that starts here may end: the piece itself, or the first one
    # that is missing in the chunk that shows more around it.
    first_ends: np.ndarray
    char_starts: np.ndarray
    char_ends: np.ndarray
    null: _Span  # of [CLS]
    types: np.ndarray  # empty if types aren't predicted


def best_answers(
    questions: Sequence[Question],
    table: FeatureTable,
    outputs: Sequence[Outputs],
    n_best_size: int = 20,
    max_answer_length: int = 64,
    null_score_diff_threshold: float = 0.0,
    with_null: bool = False,
    hfl_compat: bool = False,
    answer_types: bool = False,
) -> Answers:
    """Returns the best answers to questions; empty ones where a context holds nothing.

    Args:
        table: the features of the questions; ``example`` counts from the first one.
        outputs: of each sequence, in the table's order, ``start_log_probs`` and
            ``end_log_probs`` [length], and ``answer_type_log_probs`` [4] if asked for.
        n_best_size: the maximum number of answers to list; their texts differ.
        max_answer_length: in pieces.
        null_score_diff_threshold: a question has no answer if its null odds are above this.
        with_null: whether a question may have no answer. That is as likely as in the chunk where
            it is least likely (SQuAD 2.0, google-research/bert).
        hfl_compat: remove spaces from answers, as HFL's code for CMRC 2018 does.
        answer_types: whether the type of answer is predicted (CJRC). A span, YES and NO are as
            likely as in the chunk where they are most likely, no answer as where it is least; the
            most probable type, up to the threshold, is the answer's. Implies ``with_null``.
    """
    if len(outputs) != len(table):
        raise ValueError(f"{len(outputs)} outputs for {len(table)} sequences")
    rows_of: list[list[int]] = [[] for _ in questions]
    for row, number in enumerate(table.rows["example"].tolist()):
        rows_of[number].append(row)
    answers = Answers({}, {}, {})
    for question, rows in zip(questions, rows_of):
        chunks = _with_first_ends([_chunk(table, row, outputs[row]) for row in rows])
        spans = _best_spans(question.context, chunks, n_best_size, max_answer_length, hfl_compat)
        if answer_types:
            entries, odds = _by_type(spans, chunks, null_score_diff_threshold)
            answers.null_odds[question.id] = odds
        elif with_null:
            null = min((chunk.null for chunk in chunks), key=lambda span: span.score)
            odds = null.score - (spans[0].score if spans else _NO_SPAN)
            is_null = odds > null_score_diff_threshold or not spans
            entries = _entries(_with_null(spans, null, is_null, n_best_size))
            answers.null_odds[question.id] = odds
        else:
            entries = _entries(spans or [_Span("", 0.0, 0.0)])
        answers.n_best[question.id] = entries
        answers.texts[question.id] = str(entries[0]["text"])
    return answers


def _chunk(table: FeatureTable, row: int, output: Outputs) -> _Chunk:
    context = slice(int(table.rows[CONTEXT_BEGIN][row]), int(table.rows[CONTEXT_END][row]))
    starts = np.asarray(output[START_LOG_PROBS], np.float64)
    ends = np.asarray(output[END_LOG_PROBS], np.float64)
    is_best = table.of_tokens(MAX_CONTEXT, row)[context] != 0
    return _Chunk(
        starts[context],
        ends[context],
        np.where(is_best, np.arange(len(is_best)), len(is_best)),
        table.of_tokens(CHAR_STARTS, row)[context],
        table.of_tokens(CHAR_ENDS, row)[context],
        _Span("", float(starts[0]), float(ends[0])),
        np.asarray(output.get(ANSWER_TYPE_LOG_PROBS, ()), np.float64),
    )


def _with_first_ends(chunks: Sequence[_Chunk]) -> Sequence[_Chunk]:
    """Lets spans that don't fit in the chunk that shows most around their start end in others."""
    if len(chunks) == 1:
        return chunks
    # By the character at which a piece starts: where the best chunk for it ends.
    limits = np.zeros(max(int(chunk.char_ends[-1]) for chunk in chunks), np.int64)
    for chunk in chunks:
        is_best = chunk.first_ends < len(chunk.starts)
        limits[chunk.char_starts[is_best]] = chunk.char_ends[-1]
    return [
        chunk._replace(
            first_ends=np.minimum(
                chunk.first_ends,
                np.searchsorted(chunk.char_ends, limits[chunk.char_starts], "right"),
            )
        )
        for chunk in chunks
    ]


def _best_spans(
    context: str,
    chunks: Sequence[_Chunk],
    n_best_size: int,
    max_answer_length: int,
    hfl_compat: bool,
) -> list[_Span]:
    """Returns the ``n_best_size`` best spans of different texts in all chunks, the best first."""
    count = n_best_size
    while True:
        found: list[tuple[float, int, int, int]] = []
        floor = -np.inf  # no pair that was left out scores higher
        for number, chunk in enumerate(chunks):
            scores, begins, ends = _top_pairs(
                chunk.starts, chunk.ends, chunk.first_ends, max_answer_length, count
            )
            found += zip((-scores).tolist(), [number] * len(scores), begins.tolist(), ends.tolist())
            if len(scores) == count:
                floor = max(floor, float(scores.min()))
        spans: dict[str, _Span] = {}
        for negative, number, begin, end in sorted(found):
            if -negative < floor:
                break
            chunk = chunks[number]
            text = _cut(context, int(chunk.char_starts[begin]), int(chunk.char_ends[end]))
            if hfl_compat:
                text = text.replace(" ", "")
            if text not in spans:
                spans[text] = _Span(text, float(chunk.starts[begin]), float(chunk.ends[end]))
            if len(spans) == n_best_size:
                return list(spans.values())
        if floor == -np.inf:
            return list(spans.values())
        count *= _GROWTH


def _cut(context: str, start: int, end: int) -> str:
    """Returns a part of a text, with the marks on its last letter, which no piece may hold."""
    while end < len(context) and unicode11.category(context[end]) == "Mn":
        end += 1
    return context[start:end]


def _top_pairs(
    starts: np.ndarray, ends: np.ndarray, first_ends: np.ndarray, width: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds the ``count`` highest ``starts[i] + ends[j]`` with ``first_ends[i] <= j < i + width``.

    It returns scores, i and j, in no particular order.
    """
    width = min(width, len(starts))
    places = np.arange(len(starts))
    rows = np.flatnonzero(first_ends < np.minimum(places + width, len(starts)))
    if not len(rows):
        return np.zeros(0), rows, rows
    padded = np.concatenate([ends, np.full(width - 1, -np.inf)])
    band = np.lib.stride_tricks.sliding_window_view(padded, width)[rows]
    late = np.flatnonzero(first_ends[rows] > rows)
    skipped = (first_ends[rows] - rows)[late][:, None]
    band[late] = np.where(places[:width] < skipped, -np.inf, band[late])

    # The best pairs are in the rows whose own best are highest.
    top = _top(starts[rows] + band.max(axis=1), count)
    scores = (starts[rows[top]][:, None] + band[top]).ravel()
    best = _top(scores, count)
    best = best[scores[best] > -np.inf]
    begins = rows[top[best // width]]
    return scores[best], begins, begins + best % width


def _top(values: np.ndarray, count: int) -> np.ndarray:
    """Returns where the ``count`` highest values are."""
    if len(values) <= count:
        return np.arange(len(values))
    return np.argpartition(values, len(values) - count)[len(values) - count :]


def _entries(spans: Sequence[_Span]) -> list[Entry]:
    scores = np.asarray([span.score for span in spans])
    probabilities = np.exp(scores - scores.max())
    return _with_probabilities(spans, probabilities / probabilities.sum())


def _with_probabilities(spans: Sequence[_Span], probabilities: np.ndarray) -> list[Entry]:
    return [
        {
            "text": span.text,
            "probability": probability,
            "start_logit": span.start,
            "end_logit": span.end,
        }
        for span, probability in zip(spans, probabilities.tolist())
    ]


def _with_null(spans: Sequence[_Span], null: _Span, is_null: bool, n_best_size: int) -> list[_Span]:
    """Puts no answer, which is always listed, into the order; first if it is what is predicted."""
    others = [*spans[: max(n_best_size - 1, 1)], null]
    others.sort(key=lambda span: -span.score)
    chosen = null if is_null else spans[0]
    others.remove(chosen)
    return [chosen, *others]


def _by_type(
    spans: Sequence[_Span], chunks: Sequence[_Chunk], threshold: float
) -> tuple[list[Entry], float]:
    """Returns the entries and the null odds of a question whose type of answer is predicted."""
    # The probability of a type is that of its entry, of span shared out among the spans. The
    # log-probabilities of YES, NO and none are those of [CLS], where none is least likely.
    types = np.stack([chunk.types for chunk in chunks])
    scores = dict(zip(ANSWER_TYPES, types.max(axis=0).tolist()))
    scores[UNANSWERABLE] = float(types[:, ANSWER_TYPES.index(UNANSWERABLE)].min())
    if not spans:
        scores[SPAN] = _NO_SPAN
    likeliest = max((SPAN, YES, NO) if spans else (YES, NO), key=scores.__getitem__)
    odds = scores[UNANSWERABLE] - scores[likeliest]
    chosen = UNANSWERABLE if odds > threshold else likeliest

    null = min((chunk.null for chunk in chunks), key=lambda span: span.score)
    shares = np.exp(np.asarray(list(scores.values())) - max(scores.values()))
    probability = dict(zip(scores, shares / shares.sum()))
    texts = {YES: YES, NO: NO, UNANSWERABLE: ""}
    entries = _with_probabilities(
        [null._replace(text=text) for text in texts.values()],
        np.asarray([probability[kind] for kind in texts]),
    )
    by_type = list(zip(texts, entries))
    for entry in _entries(spans) if spans else []:
        entry["probability"] = float(entry["probability"]) * float(probability[SPAN])
        by_type.append((SPAN, entry))
    by_type.sort(key=lambda item: -float(item[1]["probability"]))
    # Spans are in their order still, so the first of the type is the best.
    first = next(item for item in by_type if item[0] == chosen)
    by_type.remove(first)
    return [first[1], *(entry for _, entry in by_type)], odds
