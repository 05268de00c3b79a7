"""Questions to features: ``[CLS] question [SEP] a chunk of the context [SEP]``.

A context that is too long is cut into chunks that overlap (google-research/bert, run_squad.py).
NumPy gathers each sequence from the pieces of all questions and contexts.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from bert_wwm.core.errors import ConfigError
from bert_wwm.tasks.examples import ANSWER_TYPES, SPAN, UNANSWERABLE, Question
from bert_wwm.tasks.features import INPUT_IDS, SEGMENT_IDS, FeatureTable, compute_offsets, ranges
from bert_wwm.tasks.featurize import Featurizer
from bert_wwm.tasks.reading_files import find_answer
from bert_wwm.text.bulk import Pieces
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import CLS, SEP

START_POSITIONS, END_POSITIONS = "start_positions", "end_positions"
ANSWER_TYPE_IDS = "answer_types"
CONTEXT_BEGIN, CONTEXT_END, TRUNCATED = "context_begin", "context_end", "truncated"
CHAR_STARTS, CHAR_ENDS, MAX_CONTEXT = "char_starts", "char_ends", "max_context"
UNKNOWN = -1  # a position or type that isn't trained on
NO_ANSWER = 0  # the position of [CLS]

_SPECIAL = 3  # [CLS], [SEP], [SEP]
_PARTS = 5  # of a sequence


class ReadingFeaturizer(Featurizer):
    """Makes features of questions.

    Tokens have half-open spans of the context's characters, ``char_starts`` and ``char_ends`` (-1
    outside the context), and ``max_context``: 1 if no other chunk shows more of the context around
    this piece.

    Sequences have ``start_positions`` and ``end_positions``, inclusive, of the first answer; 0,
    [CLS], if it isn't wholly in this chunk or is not a span; -1, not trained on, if the file has no
    answer, or one that isn't in the context. ``context_begin`` to ``context_end``, half-open, are
    the context's positions. ``truncated`` is 1 if the question has more pieces than fit.
    ``answer_types``, if asked for, are numbers of ``ANSWER_TYPES``, -1 as above; of a span that
    isn't wholly in this chunk, unanswerable.

    A chunk begins ``doc_stride`` pieces after the one before. A question keeps ``max_query_length``
    pieces; fewer if it would leave to its context less than a quarter of the sequence, not counting
    [CLS] and [SEP]. ``hfl_compat`` means the first occurrence of an answer, whatever the file says.
    """

    kind = "reading"
    version = 2
    vocabulary_key = "vocabulary_sha256"
    shortest = _SPECIAL + 5
    shortest_holds = "four pieces of a question, and one of its context"

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_seq_length: int,
        doc_stride: int = 128,
        max_query_length: int = 64,
        hfl_compat: bool = False,
        answer_types: bool = False,
    ):
        super().__init__(tokenizer, max_seq_length)
        for name, value in (("doc_stride", doc_stride), ("max_query_length", max_query_length)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; expected at least 1")
        self._doc_stride = doc_stride
        self._max_query_length = max_query_length
        room = max_seq_length - _SPECIAL
        # The maximum number of pieces that a question keeps.
        self.longest_question = min(max_query_length, room - max(1, room // 4))
        self._hfl_compat = hfl_compat
        self._answer_types = answer_types

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "doc_stride": self._doc_stride,
            "max_query_length": self._max_query_length,
            "hfl_compat": self._hfl_compat,
            "answer_types": self._answer_types,
        }

    def __call__(self, examples: Sequence[Question], first: int) -> FeatureTable:
        """Returns the features of questions: of each at least one sequence, in their order."""
        numbers = {text: i for i, text in enumerate(dict.fromkeys(q.context for q in examples))}
        contexts = self.tokenize(numbers)
        questions = self.tokenize(q.question for q in examples)
        context_of = np.asarray([numbers[q.context] for q in examples], np.int64)

        room = self.max_seq_length - _SPECIAL
        question_lengths = np.diff(questions.offsets)
        query_lengths = np.minimum(question_lengths, self.longest_question)
        context_lengths = np.diff(contexts.offsets)[context_of]
        chunks = _chunks(context_lengths, room - query_lengths, self._doc_stride, query_lengths)
        tokens, offsets = self._tokens(questions, contexts, context_of, chunks)
        rows = {
            "example": chunks.question + first,
            CONTEXT_BEGIN: chunks.query_lengths + 2,
            CONTEXT_END: chunks.query_lengths + 2 + chunks.lengths,
            TRUNCATED: (question_lengths > query_lengths)[chunks.question],
        }
        rows.update(self._targets(examples, contexts, context_of, chunks))
        return FeatureTable(
            offsets,
            {name: values.astype(np.int32) for name, values in tokens.items()},
            {name: values.astype(np.int32) for name, values in rows.items()},
        )

    def _tokens(
        self, questions: Pieces, contexts: Pieces, context_of: np.ndarray, chunks: "_Chunks"
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Gathers the tokens of all sequences, and their offsets, from [CLS], [SEP] and pieces."""
        ids = self.tokenizer.vocabulary.ids
        # Where [CLS], [SEP], the questions and the contexts begin in what is gathered from.
        cls, sep, query_base = 0, 1, 2
        context_base = query_base + len(questions.ids)
        begins = np.empty((len(chunks), _PARTS), np.int64)
        begins[:, 0], begins[:, 2], begins[:, 4] = cls, sep, sep
        begins[:, 1] = query_base + questions.offsets[chunks.question]
        context_begins = contexts.offsets[context_of[chunks.question]] + chunks.begins
        begins[:, 3] = context_base + context_begins
        counts = np.ones((len(chunks), _PARTS), np.int64)
        counts[:, 1], counts[:, 3] = chunks.query_lengths, chunks.lengths
        source = ranges(begins.ravel(), counts.ravel())

        outside = np.full(context_base, -1, np.int64)
        of_text = np.repeat(contexts.characters, np.diff(contexts.offsets))
        pieces = np.concatenate([[ids[CLS], ids[SEP]], questions.ids, contexts.ids])
        segments = np.tile(np.asarray([0, 0, 0, 1, 1]), len(chunks))
        lengths = counts.sum(axis=1)
        offsets = compute_offsets(lengths)
        max_context = np.zeros(len(source), np.int64)
        positions = ranges(offsets[:-1] + chunks.query_lengths + 2, chunks.lengths)
        max_context[positions] = _has_max_context(chunks)
        return {
            INPUT_IDS: pieces[source],
            SEGMENT_IDS: np.repeat(segments, counts.ravel()),
            CHAR_STARTS: np.concatenate([outside, contexts.starts - of_text])[source],
            CHAR_ENDS: np.concatenate([outside, contexts.ends - of_text])[source],
            MAX_CONTEXT: max_context,
        }, offsets

    def _targets(
        self,
        examples: Sequence[Question],
        contexts: Pieces,
        context_of: np.ndarray,
        chunks: "_Chunks",
    ) -> dict[str, np.ndarray]:
        """Positions, and types if asked for, of each sequence."""
        spans = np.full((len(examples), 2), UNKNOWN, np.int64)
        types = np.full(len(examples), UNKNOWN, np.int64)
        for i, question in enumerate(examples):
            if not question.answers:
                continue
            if question.answer_type == SPAN:
                spans[i] = self._piece_span(question, contexts, context_of[i])
                if spans[i, 0] == UNKNOWN:
                    continue
            types[i] = ANSWER_TYPES.index(question.answer_type)

        types = types[chunks.question]
        first, last = spans[chunks.question].T
        is_span = types == ANSWER_TYPES.index(SPAN)
        is_here = is_span & (first >= chunks.begins) & (last < chunks.begins + chunks.lengths)
        shift = chunks.query_lengths + 2 - chunks.begins
        elsewhere = np.where(types == UNKNOWN, UNKNOWN, NO_ANSWER)
        targets = {
            START_POSITIONS: np.where(is_here, first + shift, elsewhere),
            END_POSITIONS: np.where(is_here, last + shift, elsewhere),
        }
        if self._answer_types:
            unanswerable = ANSWER_TYPES.index(UNANSWERABLE)
            targets[ANSWER_TYPE_IDS] = np.where(is_span & ~is_here, unanswerable, types)
        return targets

    def _piece_span(self, question: Question, contexts: Pieces, number: int) -> tuple[int, int]:
        """The pieces, both inclusive, that touch the first answer; UNKNOWN where there are none."""
        span = find_answer(question.context, question.answers[0], self._hfl_compat)
        if span is None:
            return UNKNOWN, UNKNOWN
        begin, end = contexts.offsets[number : number + 2]
        start, stop = np.asarray(span) + contexts.characters[number]
        first = int(np.searchsorted(contexts.ends[begin:end], start, "right"))
        last = int(np.searchsorted(contexts.starts[begin:end], stop, "left")) - 1
        return (first, last) if first <= last else (UNKNOWN, UNKNOWN)


@dataclasses.dataclass(frozen=True)
class _Chunks:
    """The chunks of all questions' contexts, in the order of the questions; int64 [chunks] each."""

    question: np.ndarray  # whose chunk it is
    number: np.ndarray  # among the chunks of that question
    begins: np.ndarray  # the piece of the context with which it begins
    lengths: np.ndarray  # in pieces, as those below
    context_lengths: np.ndarray
    query_lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.question)


def _chunks(
    context_lengths: np.ndarray, rooms: np.ndarray, stride: int, query_lengths: np.ndarray
) -> _Chunks:
    """Cuts contexts into chunks, of at most ``rooms`` pieces each; of an empty one there is one."""
    strides = np.minimum(stride, rooms)
    counts = 1 + -(-np.maximum(context_lengths - rooms, 0) // strides)
    question = np.repeat(np.arange(len(counts)), counts)
    number = ranges(np.zeros(len(counts), np.int64), counts)
    begins = number * strides[question]
    lengths = np.minimum(context_lengths[question] - begins, rooms[question])
    return _Chunks(
        question, number, begins, lengths, context_lengths[question], query_lengths[question]
    )


def _has_max_context(chunks: _Chunks) -> np.ndarray:
    """Whether no other chunk of its question shows a piece better: bool [pieces of all chunks].

    The score is google-research/bert's (run_squad.py, _check_is_max_context): the smaller of the
    numbers of pieces before and after it, plus a hundredth of the chunk's length; of equal chunks,
    the first.
    """
    is_first = chunks.number == 0
    of_question = compute_offsets(chunks.context_lengths[is_first])
    piece = ranges(of_question[chunks.question] + chunks.begins, chunks.lengths)
    place = ranges(np.zeros(len(chunks), np.int64), chunks.lengths)
    length = np.repeat(chunks.lengths, chunks.lengths)
    score = np.minimum(place, length - 1 - place) + 0.01 * length

    best = np.full(of_question[-1], -1.0)
    owner = np.zeros(of_question[-1], np.int64)
    offsets = compute_offsets(chunks.lengths)
    order = np.argsort(chunks.number, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(chunks.number[order])) + 1):
        # One chunk of each question, so no piece is there twice.
        at = ranges(offsets[same], chunks.lengths[same])
        better = at[score[at] > best[piece[at]]]
        best[piece[better]] = score[better]
        owner[piece[better]] = np.searchsorted(offsets, better, "right") - 1
    return owner[piece] == np.repeat(np.arange(len(chunks)), chunks.lengths)
