"""Sentences as pieces grouped into words."""

import itertools
from typing import Iterable, Iterator, List, NamedTuple, Sequence

from bert_wwm.data.counts import Counts
from bert_wwm.text.alignment import word_lengths
from bert_wwm.text.corpus import Document
from bert_wwm.text.segmenters import Segmenter
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import UNK

_BATCH_SENTENCES = 1024  # segmenters work on batches


class Tokens(NamedTuple):
    """A run of pieces, and the words that they form.

    Attributes:
        ids: ids of the pieces.
        words: number of pieces of each word; they add up to ``len(ids)``.
    """

    ids: List[int]
    words: List[int]


TokenizedDocument = List[Tokens]  # a Tokens for each sentence


def join(runs: Iterable[Tokens]) -> Tokens:
    """Puts runs one after the other; no word goes over from one to the next."""
    ids: List[int] = []
    words: List[int] = []
    for run in runs:
        ids += run.ids
        words += run.words
    return Tokens(ids, words)


def cut(run: Tokens, start: int, end: int) -> Tokens:
    """Returns the pieces from ``start`` to ``end``; a word at the edge keeps what is within."""
    words = []
    position = 0
    for length in run.words:
        kept = min(position + length, end) - max(position, start)
        if kept > 0:
            words.append(kept)
        position += length
    return Tokens(run.ids[start:end], words)


def split(run: Tokens, limit: int) -> List[Tokens]:
    """Cuts a run into parts of at most ``limit`` pieces, at ends of words where it can."""
    if len(run.ids) <= limit:
        return [run]
    parts: List[Tokens] = []
    words: List[int] = []
    start = end = 0
    for word in run.words:
        # A word that is itself too long is cut too.
        for length in [limit] * (word // limit) + [word % limit] * (word % limit > 0):
            if end + length - start > limit:
                parts.append(Tokens(run.ids[start:end], words))
                start, words = end, []
            words.append(length)
            end += length
    parts.append(Tokens(run.ids[start:], words))
    return parts


def tokenize_documents(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    segmenter: Segmenter,
    max_pieces: int,
    counts: Counts,
) -> List[TokenizedDocument]:
    """Tokenizes and segments documents; those without a single piece are left out.

    A sentence whose words can't be aligned with its pieces falls back to single pieces. One that
    is longer than a whole sequence becomes several, where google-research/bert keeps only as much
    of it as fits: so nothing of a text without line breaks is lost.

    Args:
        documents: documents as read.
        tokenizer: sentences to pieces.
        segmenter: sentences to words.
        max_pieces: what fits into a sequence, in pieces.
        counts: takes what is counted on the way.
    """
    tokenized: List[TokenizedDocument] = []
    for batch in _batches(documents):
        sentences = [sentence for document in batch for sentence in document.sentences]
        runs = iter(_tokenize_sentences(sentences, tokenizer, segmenter, counts))
        for document in batch:
            result: TokenizedDocument = []
            for run in itertools.islice(runs, len(document.sentences)):
                parts = split(run, max_pieces) if run.ids else []
                counts.sentences_split += len(parts) > 1
                result.extend(parts)
            if result:
                tokenized.append(result)
    counts.documents += len(tokenized)
    return tokenized


def _tokenize_sentences(
    sentences: Sequence[str], tokenizer: Tokenizer, segmenter: Segmenter, counts: Counts
) -> Iterator[Tokens]:
    unknown = tokenizer.vocabulary.ids[UNK]
    for sentence, words in zip(sentences, segmenter.segment(sentences)):
        pieces = tokenizer.tokenize(sentence)
        lengths = word_lengths(pieces, words)
        if lengths is None:
            counts.sentences_fallen_back += 1
            lengths = [1] * len(pieces)
        ids = [piece.id for piece in pieces]
        counts.sentences += 1
        counts.pieces += len(ids)
        counts.unknown_pieces += ids.count(unknown)
        counts.words_by_length.update(lengths)
        yield Tokens(ids, lengths)


def _batches(documents: Iterable[Document]) -> Iterator[List[Document]]:
    batch: List[Document] = []
    sentences = 0
    for document in documents:
        batch.append(document)
        sentences += len(document.sentences)
        if sentences >= _BATCH_SENTENCES:
            yield batch
            batch, sentences = [], 0
    if batch:
        yield batch
