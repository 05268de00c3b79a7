"""Documents to pairs of segments for next sentence prediction.

The procedure is that of google-research/bert's ``create_instances_from_document``, except that the
random second segment is never from the same document.
"""

from typing import Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from bert_wwm.core.seeding import integer
from bert_wwm.data.counts import Counts
from bert_wwm.data.tokenized import TokenizedDocument, Tokens, cut, join

NUM_SPECIAL_TOKENS = 3  # [CLS] A [SEP] B [SEP]
MIN_SEQ_LENGTH = NUM_SPECIAL_TOKENS + 2


class Pair(NamedTuple):
    """Two segments, and whether the second is from another document."""

    first: Tokens
    second: Tokens
    is_random_next: bool


def next_sentence_pairs(
    block: Sequence[TokenizedDocument],
    index: int,
    max_seq_length: int,
    short_seq_prob: float,
    rng: np.random.Generator,
    counts: Counts,
) -> Iterator[Pair]:
    """Yields the pairs of one pass over one document.

    Args:
        block: the documents of a block, at least two; a random next segment is from another one.
        index: the document.
        max_seq_length: length of a sequence in tokens, special tokens included.
        short_seq_prob: share of the passes that aim at a shorter, random length; fraction of 1.
        rng: source of randomness; only ``random()`` is drawn from.
        counts: takes what is cut off.
    """
    limit = max_seq_length - NUM_SPECIAL_TOKENS
    document = block[index]
    target = limit
    if rng.random() < short_seq_prob:
        target = 2 + integer(rng, limit - 1)
    chunk: List[Tokens] = []
    length = 0
    position = 0
    while position < len(document):
        chunk.append(document[position])
        length += len(document[position].ids)
        position += 1
        if position < len(document) and length < target:
            continue
        num_first = 1 + integer(rng, len(chunk) - 1) if len(chunk) > 1 else 1
        first = join(chunk[:num_first])
        is_random_next = len(chunk) == 1 or rng.random() < 0.5
        if is_random_next:
            second = _random_segment(block, index, target - len(first.ids), rng)
            position -= len(chunk) - num_first  # the sentences that were not used come again
        else:
            second = join(chunk[num_first:])
        first, second = _truncate(first, second, limit, rng, counts)
        yield Pair(first, second, is_random_next)
        chunk, length = [], 0


def _random_segment(
    block: Sequence[TokenizedDocument], index: int, length: int, rng: np.random.Generator
) -> Tokens:
    """Takes sentences from a random place of another document until ``length`` is reached."""
    other = integer(rng, len(block) - 1)
    document = block[other + (other >= index)]
    start = integer(rng, len(document))
    taken = []
    total = 0
    for sentence in document[start:]:
        taken.append(sentence)
        total += len(sentence.ids)
        if total >= length:
            break
    return join(taken)


def _truncate(
    first: Tokens, second: Tokens, limit: int, rng: np.random.Generator, counts: Counts
) -> Tuple[Tokens, Tokens]:
    """Fits a pair into ``limit`` pieces: the longer loses pieces, each from a random end."""
    kept_first, kept_second = truncated_lengths(len(first.ids), len(second.ids), limit)
    counts.truncated_pieces += len(first.ids) + len(second.ids) - kept_first - kept_second
    return _trim(first, kept_first, rng), _trim(second, kept_second, rng)


def truncated_lengths(first: int, second: int, limit: int) -> Tuple[int, int]:
    """What is left when the longer of two loses one piece at a time until they fit.

    At a draw it is the second that loses (``truncate_seq_pair``).
    """
    if first + second <= limit:
        return first, second
    if first <= limit // 2:
        return first, limit - first
    if second <= limit // 2:
        return limit - second, second
    return limit - limit // 2, limit // 2


def _trim(run: Tokens, length: int, rng: np.random.Generator) -> Tokens:
    surplus = len(run.ids) - length
    if not surplus:
        return run
    start = int((rng.random(surplus) < 0.5).sum())
    return cut(run, start, start + length)
