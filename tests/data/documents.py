"""Blocks of documents whose pieces tell where they are from."""

import numpy as np
from hypothesis import strategies as st

from bert_wwm.data.tokenized import TokenizedBlock

FIRST_ID = 5  # behind the special tokens

# Documents of sentences of words, by their lengths in pieces.
SENTENCES = st.lists(st.integers(1, 5), min_size=1, max_size=12)
SHAPES = st.lists(st.lists(SENTENCES, min_size=1, max_size=8), max_size=4)


def block_of(shape, longest=None, tasks=()):
    """Each piece has an id of its own: FIRST_ID and its number. So have the labels of words.

    Args:
        shape: documents of sentences of words, by their lengths in pieces.
        longest: sentences are cut to so many pieces.
        tasks: labels of words.
    """
    word_starts, tags, sentences, documents = [], [], [0], [0]
    for document in shape:
        for words in document:
            starts = [n == 0 for length in words for n in range(length)][:longest]
            word_starts += starts
            sentences.append(len(word_starts))
        documents.append(len(sentences) - 1)
    word_starts = np.array(word_starts, bool)
    tags = (np.cumsum(word_starts) % 13).astype(np.int8)
    ids = np.arange(FIRST_ID, FIRST_ID + len(word_starts), dtype=np.int32)
    return TokenizedBlock(ids, word_starts, dict.fromkeys(tasks, tags), sentences, documents)
