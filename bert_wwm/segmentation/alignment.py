"""Which runs of wordpieces form one word.

Segmentation and WordPiece run independently on the raw sentence; both give the positions of their
parts in it, which is enough to align them (ymcui/Chinese-BERT-wwm#13). ``##`` never marks words.
"""

from collections.abc import Sequence

from bert_wwm.segmentation.segmenters import Span
from bert_wwm.text.tokenizer import Piece


def word_lengths(pieces: Sequence[Piece], words: Sequence[Span] | None) -> list[int] | None:
    """Returns the number of pieces of each word, without words that have none.

    The words tile the sentence. None where the two can't be aligned: there are no words, or a piece
    (such as the ``[UNK]`` of a long string) reaches over the end of its word.

    Example:
        使 用 be ##rt  with the words 使用, BERT  -> [2, 2]
    """
    if words is None:
        return None
    lengths: list[int] = []
    ends = iter(words)
    end = 0
    for piece in pieces:
        if piece.start >= end:
            while piece.start >= end:
                end = next(ends)[1]
            lengths.append(0)
        if piece.end > end:
            return None
        lengths[-1] += 1
    return lengths
