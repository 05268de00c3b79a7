"""Documents to instances: the segments of each sequence, as spans of a block's pieces.

The procedure is that of google-research/bert's ``create_instances_from_document``, except that the
random second segment is never from the same document (the parts of one that was too long, and was
taken apart, count as documents).
"""

import bisect
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from bert_wwm.core.registry import Registry
from bert_wwm.core.seeding import integer
from bert_wwm.data.counts import Counts
from bert_wwm.data.tokenized import TokenizedBlock

# Pieces [a, b) and [c, d) of the block, and the label of the pair; c = d = 0 without a second.
Instance = tuple[int, int, int, int, int]


class Instances(NamedTuple):
    """The instances of one pass over a block; N of them."""

    starts: np.ndarray  # int64 [N, segments], where in the block's pieces each segment begins
    lengths: np.ndarray  # int64 [N, segments], pieces of each; none is 0
    labels: np.ndarray  # int64 [N], 1 where the second segment is random (NSP) or was first (SOP)


class Pass(NamedTuple):
    """A pass over the documents of a block."""

    block: TokenizedBlock
    rng: np.random.Generator  # only ``random()`` is drawn from
    counts: Counts  # takes what is counted on the way


class Pairing(NamedTuple):
    """A way to make sequences of documents."""

    name: str  # as the flag and the manifest of the records have it
    summary: str  # one line for the help
    segments: int  # of a sequence, 1 or 2
    has_loss: bool  # whether the label of the pair is to be predicted
    # Yields the instances of a document: (pass, document, target in pieces).
    instances: Callable[[Pass, int, int], Iterator[Instance]]

    @property
    def num_special_tokens(self) -> int:
        """``[CLS]``, and a ``[SEP]`` behind each segment."""
        return 1 + self.segments


def make_instances(
    run: Pass, pairing: Pairing, max_seq_length: int, short_seq_prob: float
) -> Instances:
    """Returns the instances of one pass over a block.

    ``max_seq_length`` is in tokens, special ones included; ``short_seq_prob`` is the share of the
    passes over a document that aim at a shorter, random length. A document that needs another one
    for a random next segment, and is alone, gives no instance and is counted.
    """
    limit = max_seq_length - pairing.num_special_tokens
    rows: list[Instance] = []
    for document in range(len(run.block.documents) - 1):
        target = limit
        if run.rng.random() < short_seq_prob:
            target = 2 + integer(run.rng, limit - 1)
        rows.extend(pairing.instances(run, document, target))
    table = np.asarray(rows, np.int64).reshape(-1, 5)
    spans = table[:, :4].reshape(-1, 2, 2)[:, : pairing.segments]
    starts, lengths = _truncate(spans[:, :, 0], spans[:, :, 1], limit, run)
    return Instances(starts, lengths, table[:, 4])


def next_sentence_pairs(run: Pass, document: int, target: int) -> Iterator[Instance]:
    """Pairs whose second segment follows, or is from another document of the block (label 1)."""
    ends = run.block.sentences
    first, last = run.block.documents[document], run.block.documents[document + 1]
    if len(run.block.documents) < 3:
        run.counts.documents_alone += 1
        return
    while first < last:
        end = _fill(ends, first, last, target)
        middle = first + (1 + integer(run.rng, end - first - 1) if end - first > 1 else 1)
        is_random = end - first == 1 or run.rng.random() < 0.5
        if is_random:
            length = target - (ends[middle] - ends[first])
            second = _random_segment(run, document, length)
            following = middle  # the sentences that were not used come again
        else:
            second = (ends[middle], ends[end])
            following = end
        yield (ends[first], ends[middle], *second, int(is_random))
        first = following


def _random_segment(run: Pass, document: int, length: int) -> tuple[int, int]:
    """Takes sentences from a random place of another document until ``length`` is reached."""
    ends = run.block.sentences
    other = integer(run.rng, len(run.block.documents) - 2)
    other += other >= document
    first, last = run.block.documents[other], run.block.documents[other + 1]
    start = first + integer(run.rng, last - first)
    return ends[start], ends[_fill(ends, start, last, length)]


def consecutive_pairs(run: Pass, document: int, target: int) -> Iterator[Instance]:
    """Pairs of segments that follow each other, parted at a random end of a sentence.

    A sentence that is alone is parted at a random end of a word.
    """
    ends = run.block.sentences
    first, last = run.block.documents[document], run.block.documents[document + 1]
    while first < last:
        end = _fill(ends, first, last, target)
        if end - first > 1:
            middle = ends[first + 1 + integer(run.rng, end - first - 1)]
        else:
            inner = np.flatnonzero(run.block.word_starts[ends[first] + 1 : ends[end]])
            middle = ends[first] + 1 + int(inner[integer(run.rng, len(inner))]) if len(inner) else 0
        if middle:
            yield ends[first], middle, middle, ends[end], 0
        else:
            run.counts.sentences_of_one_word += 1
        first = end


def sentence_order_pairs(run: Pass, document: int, target: int) -> Iterator[Instance]:
    """Consecutive pairs, half of them with their segments in the wrong order (label 1)."""
    for a, b, c, d, _ in consecutive_pairs(run, document, target):
        yield (a, b, c, d, 0) if run.rng.random() < 0.5 else (c, d, a, b, 1)


def single_segments(run: Pass, document: int, target: int) -> Iterator[Instance]:
    """As many whole sentences as fit."""
    ends = run.block.sentences
    first, last = run.block.documents[document], run.block.documents[document + 1]
    while first < last:
        end = max(first + 1, bisect.bisect_right(ends, ends[first] + target, first, last + 1) - 1)
        yield ends[first], ends[end], 0, 0, 0
        first = end


PAIRINGS: Registry[Pairing] = Registry("pairing")

for _pairing in (
    Pairing("nsp", "the next sentence, or one of another document", 2, True, next_sentence_pairs),
    Pairing("sop", "two segments in order, or swapped", 2, True, sentence_order_pairs),
    Pairing("contiguous", "two segments in order, nothing to predict", 2, False, consecutive_pairs),
    Pairing("single", "one segment", 1, False, single_segments),
):
    PAIRINGS.add(_pairing.name, _pairing)


def _fill(ends: list[int], first: int, last: int, target: int) -> int:
    """Returns the sentence behind those that reach ``target`` pieces; at least one is taken."""
    return min(last, bisect.bisect_left(ends, ends[first] + target, first + 1, last + 1))


def _truncate(
    starts: np.ndarray, ends: np.ndarray, limit: int, run: Pass
) -> tuple[np.ndarray, np.ndarray]:
    """Fits segments into ``limit`` pieces: the longer loses pieces, each from a random end."""
    lengths = ends - starts
    if lengths.shape[1] == 1:
        return starts, lengths
    kept = np.stack(truncate_lengths(lengths[:, 0], lengths[:, 1], limit), axis=1)
    surplus = (lengths - kept).ravel()
    from_front = run.rng.random(int(surplus.sum())) < 0.5
    before = np.append(0, np.cumsum(from_front))
    edges = np.append(0, np.cumsum(surplus))
    run.counts.truncated_pieces += int(edges[-1])
    return starts + np.diff(before[edges]).reshape(starts.shape), kept


def truncate_lengths(
    first: np.ndarray, second: np.ndarray, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """What is left when the longer of two loses one piece at a time until they fit.

    At a draw it is the second that loses (``truncate_seq_pair``).
    """
    half = limit // 2
    kept = np.where(first <= half, first, np.where(second <= half, limit - second, limit - half))
    kept = np.where(first + second <= limit, first, kept)
    return kept, np.minimum(second, limit - kept)
