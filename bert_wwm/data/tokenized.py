"""Blocks as arrays of pieces, with the words that they form.

P pieces, S sentences and D documents of a block.
"""

import dataclasses

import numpy as np

from bert_wwm.core.errors import DataError
from bert_wwm.corpus.segmented import SegmentedBlock
from bert_wwm.data.counts import Counts
from bert_wwm.masking.labels import label_id
from bert_wwm.text.bulk import BulkTokenizer, Pieces
from bert_wwm.text.vocabulary import UNK

_UNTAGGED = -1


@dataclasses.dataclass(frozen=True)
class TokenizedBlock:
    """The documents of a block, one after the other."""

    ids: np.ndarray  # int32 [P], the pieces
    # bool [P], whether a word begins there; the first piece of a sentence does.
    word_starts: np.ndarray
    tags: dict[str, np.ndarray]  # int8 [P] for each kind of linguistic label, that of the word
    sentences: list[int]  # S + 1 offsets in pieces; no sentence is empty, or longer than a sequence
    documents: list[int]  # D + 1 offsets in sentences; no document is empty


def tokenize_block(
    block: SegmentedBlock, tokenizer: BulkTokenizer, max_pieces: int, counts: Counts
) -> TokenizedBlock:
    """Tokenizes a block, and lays its words over the pieces.

    A sentence whose words can't be aligned with its pieces falls back to single pieces; where
    tags are wanted, one without them is left out. One that is longer than a whole sequence becomes
    several, where google-research/bert keeps only as much of it as fits: so nothing of a text
    without line breaks is lost.
    """
    pieces = tokenizer.tokenize(block.sentences)
    word_starts, word_of_piece, fallen_back = _align(block, pieces)
    tags = {task: _find_labels(block, task)[word_of_piece] for task in block.tags}
    lengths = np.diff(pieces.offsets)
    kept = lengths > 0
    counts.sentences += int(kept.sum())
    counts.sentences_fallen_back += int((fallen_back & kept).sum())
    if tags:
        untagged = np.any([values == _UNTAGGED for values in tags.values()], axis=0)
        lacking = np.unique(np.repeat(np.arange(len(lengths)), lengths)[untagged])
        counts.sentences_untagged += len(lacking)
        kept[lacking] = False
    of_kept = np.repeat(kept, lengths)
    ids, word_starts = pieces.ids[of_kept], word_starts[of_kept]
    per_sentence = np.where(kept, lengths, 0)
    sentences, parts = _split(np.cumsum(per_sentence), word_starts, max_pieces)
    counts.sentences_split += int((parts > 1).sum())

    documents = np.unique(np.append(0, np.cumsum(parts))[block.documents]).tolist()
    counts.documents += len(documents) - 1
    counts.documents_split += block.split_documents
    unknown = np.flatnonzero(pieces.ids == tokenizer.vocabulary.ids[UNK])
    counts.pieces += len(pieces.ids)
    counts.unknown_pieces += len(unknown)
    spans = zip(pieces.starts[unknown].tolist(), pieces.ends[unknown].tolist())
    counts.unknown.update(pieces.text[start:end] for start, end in spans)
    counts.add_words(np.diff(np.flatnonzero(word_starts), append=len(ids)))
    return TokenizedBlock(
        ids,
        word_starts,
        {task: values[of_kept] for task, values in tags.items()},
        sentences,
        documents,
    )


def _align(block: SegmentedBlock, pieces: Pieces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lays the words over the pieces by their characters.

    Returns:
        bool [P], where words begin; int [P], the number of each piece's word among all words;
        bool [S], the sentences in which a piece reaches over the end of a word.
    """
    begins = [
        offset + start
        for offset, words in zip(pieces.characters.tolist(), block.words)
        for start, _ in words or ((0, 0),)
    ]
    is_begin = np.zeros(int(pieces.ends[-1]) if len(pieces.ids) else 0, bool)
    # Sentences at the end may have no piece at all.
    is_begin[[begin for begin in begins if begin < len(is_begin)]] = True
    word_of_character = np.cumsum(is_begin) - 1
    word = word_of_character[pieces.starts]
    sentence = np.repeat(np.arange(len(block.sentences)), np.diff(pieces.offsets))
    fallen_back = np.fromiter((words is None for words in block.words), bool, len(block.words))
    fallen_back[sentence[word != word_of_character[pieces.ends - 1]]] = True
    word_starts = (np.diff(word, prepend=-1) != 0) | fallen_back[sentence]
    return word_starts, word, fallen_back


def _find_labels(block: SegmentedBlock, task: str) -> np.ndarray:
    """Returns the label of each word, _UNTAGGED where there is none."""
    labels: list[int] = []
    for number, tags in enumerate(block.tags[task]):
        try:
            labels += [_UNTAGGED if tag is None else label_id(task, tag) for tag in tags or (None,)]
        except (DataError, TypeError) as error:
            raise DataError(f"{block.find_place(number)}: {error}") from None
    return np.asarray(labels, np.int8)


def _split(ends: np.ndarray, word_starts: np.ndarray, limit: int) -> tuple[list[int], np.ndarray]:
    """Cuts sentences of more than ``limit`` pieces, at ends of words where it can.

    int [S] ``ends`` are where sentences end, in pieces. A word that is itself too long is cut: its
    bool [P] ``word_starts`` are changed. Returns the offsets of the sentences that are not empty,
    and int [S], how many became of each.
    """
    begins = np.append(0, ends)[:-1]
    parts = np.minimum(ends - begins, 1)
    cuts: list[int] = []
    for number in np.flatnonzero(ends - begins > limit).tolist():
        begin, end = int(begins[number]), int(ends[number])
        while end - begin > limit:
            inner = np.flatnonzero(word_starts[begin + 1 : begin + limit + 1])
            begin += int(inner[-1]) + 1 if len(inner) else limit
            word_starts[begin] = True
            cuts.append(begin)
            parts[number] += 1
    return np.unique(np.concatenate([[0], ends, cuts])).astype(int).tolist(), parts
