"""Words meet wordpieces: which runs of pieces form one word.

Segmentation and WordPiece run independently on the raw sentence; both say where in it their parts
stand, and that is all they need to be aligned (ymcui/Chinese-BERT-wwm#13). Words never
travel as ``##`` marks.
"""

from collections.abc import Sequence

from bert_wwm.segmentation.segmenters import Span
from bert_wwm.text.tokenizer import Piece


def word_lengths(pieces: Sequence[Piece], words: Sequence[Span] | None) -> list[int] | None:
    """Returns the number of pieces of each word, words without pieces left out.

    Args:
        pieces: the pieces of a sentence, in order.
        words: spans of characters that tile the sentence; None where the segmenter found none.

    Returns:
        Lengths that add up to ``len(pieces)``; None where the two can't be aligned, because a
        piece (such as the ``[UNK]`` of a long string) reaches over the end of its word.

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
