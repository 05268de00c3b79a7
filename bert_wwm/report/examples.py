"""Training examples as a reader sees them: words parted by blanks, what was masked in colour."""

from typing import Dict, List, Optional, Sequence, Tuple

from bert_wwm.text.alignment import word_lengths
from bert_wwm.text.segmenters import Segmenter
from bert_wwm.text.tokenizer import Piece
from bert_wwm.text.vocabulary import CLS, MASK, SEP, Vocabulary

_RED, _YELLOW, _GREEN, _RESET = "\033[41m", "\033[43;30m", "\033[42;30m", "\033[0m"


def legend(colour: bool) -> str:
    """Says what the marks mean."""
    if not colour:
        return "[x] masked   [x>y] replaced by y   [x=] kept, but to be predicted"
    return (
        f"{_RED}x{_RESET} masked   {_YELLOW}x>y{_RESET} replaced by y   "
        f"{_GREEN}x{_RESET} kept, but to be predicted"
    )


def render_example(
    features: Dict[str, Sequence[float]],
    vocabulary: Vocabulary,
    segmenter: Segmenter,
    colour: bool,
) -> str:
    """Returns an example as text, a line for each segment.

    The originals are put back from the labels, and the words found anew, since records hold none.

    Args:
        features: the values of a record.
        vocabulary: the vocabulary that it was made with.
        segmenter: finds the words.
        colour: mark by the terminal's colours, not by brackets.
    """
    ids = [int(i) for i, used in zip(features["input_ids"], features["input_mask"]) if used]
    shown = [vocabulary.pieces[i] for i in ids]
    originals = list(shown)
    marks: Dict[int, str] = {}
    for position, label, weight in zip(
        features["masked_lm_positions"], features["masked_lm_ids"], features["masked_lm_weights"]
    ):
        if weight:
            originals[int(position)] = vocabulary.pieces[int(label)]
            marks[int(position)] = shown[int(position)]
    lines = []
    start = 0
    for end, piece in enumerate(originals):
        if piece == SEP and end not in marks:
            lines.append(_render_segment(originals, marks, start, end, segmenter, colour))
            start = end + 1
    return "\n".join(lines)


def _render_segment(
    originals: List[str],
    marks: Dict[int, str],
    start: int,
    end: int,
    segmenter: Segmenter,
    colour: bool,
) -> str:
    if originals[start] == CLS:
        start += 1
    text, pieces = _write_out(originals[start:end])
    lengths = word_lengths(pieces, segmenter.segment([text])[0]) or [1] * len(pieces)
    words = []
    position = start
    for length in lengths:
        word = "".join(
            _mark(originals[p], marks.get(p), p > position, colour)
            for p in range(position, position + length)
        )
        words.append(word)
        position += length
    return " ".join(words)


def _write_out(pieces: Sequence[str]) -> Tuple[str, List[Piece]]:
    """Joins pieces to a text that the segmenter can read; says where in it each stands."""
    text = ""
    placed = []
    for piece in pieces:
        surface = piece[2:] if piece.startswith("##") and len(piece) > 2 else piece
        if text and surface == piece and (text[-1] + surface[0]).isascii():
            text += " "
        placed.append(Piece(piece, 0, len(text), len(text) + len(surface)))
        text += surface
    return text, placed


def _mark(original: str, shown: Optional[str], continues: bool, colour: bool) -> str:
    surface = original[2:] if continues and original.startswith("##") else original
    if shown is None:
        return surface
    if shown == MASK:
        return f"{_RED}{surface}{_RESET}" if colour else f"[{surface}]"
    if shown == original:
        return f"{_GREEN}{surface}{_RESET}" if colour else f"[{surface}=]"
    return f"{_YELLOW}{surface}>{shown}{_RESET}" if colour else f"[{surface}>{shown}]"
