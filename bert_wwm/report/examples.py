"""Training examples as they were before masking, with their words.

A record holds neither: the original pieces are in the labels, and a segmenter finds the words in
their text. That text lacks what the tokenizer dropped (case, spaces), so a few words differ from
those that the records were made with.
"""

import dataclasses
import itertools
from collections.abc import Sequence

from bert_wwm.core.errors import DataError
from bert_wwm.data.packing import unpack
from bert_wwm.masking.corruption import Kind
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.masking.strategies import STRATEGIES
from bert_wwm.segmentation.alignment import word_lengths
from bert_wwm.segmentation.segmenters import Segmenter
from bert_wwm.text.tokenizer import Piece
from bert_wwm.text.vocabulary import CLS, MASK, SEP, UNK, Vocabulary

Features = dict[str, list[float]]
# Positions [start, end) of an example.
Span = tuple[int, int]

PAIR_LABEL = "next_sentence_labels"
# Further labels that a prediction may have.
LABELS = (*(inventory.feature for inventory in INVENTORIES.values()), "target_positions")

_PREDICTION = ("masked_lm_positions", "masked_lm_ids")

# A segmenter takes the sign for a missing glyph for one character, but [UNK] for several.
_UNKNOWN_CHARACTER = "〓"


@dataclasses.dataclass(frozen=True)
class Example:
    """An example; positions count its tokens from 0, without padding."""

    where: str  # file and number of the record, and of several instances in it which one
    originals: list[str]  # the pieces before masking, special tokens included
    shown: list[str]  # the pieces that the model sees, as many
    # By selected position. SIMILAR stands for all words that MacBERT puts in place of another: a
    # record does not distinguish them.
    kinds: dict[int, Kind]
    segments: list[Span]  # without special tokens
    words: list[Span]  # of all segments
    max_seq_length: int  # tokens that the record has room for
    pair_label: int | None  # of the two segments
    labels: dict[str, list[int]]  # by field, further labels in the order of ``kinds``

    @property
    def num_pieces(self) -> int:
        """Number of tokens that might be selected: all but the special ones."""
        return sum(end - start for start, end in self.segments)


def parse_examples(
    records: Sequence[Features],
    where: Sequence[str],
    vocabulary: Vocabulary,
    segmenter: Segmenter,
    strategy: str | None,
) -> list[list[Example]]:
    """Returns the examples of each record, which has all fields of ``pretraining_schema``.

    A packed record has an example for each of its instances, any other record has one.

    The segmenter, which finds the words, gets all texts at once. ``where`` is file and number of
    each record, ``strategy`` the masking strategy, if it is known.

    Raises:
        DataError: a label or a position is out of range.
    """
    parsed = []
    for record, place in zip(records, where):
        instances = unpack(record, place)
        places = [place]
        if len(instances) > 1:
            count = len(instances)
            places = [f"{place}, instance {number} of {count}" for number in range(1, count + 1)]
        parsed.append([_parse(*pair, vocabulary, strategy) for pair in zip(instances, places)])
    examples = list(itertools.chain.from_iterable(parsed))
    segments = [(example, segment) for example in examples for segment in example.segments]
    written = [_join(example.originals[slice(*segment)]) for example, segment in segments]
    found = segmenter.segment([text for text, _ in written])
    for (example, (start, end)), (_, pieces), words in zip(segments, written, found):
        for length in word_lengths(pieces, words) or [1] * (end - start):
            example.words.append((start, start + length))
            start += length
    return parsed


def _parse(features: Features, where: str, vocabulary: Vocabulary, strategy: str | None) -> Example:
    used = int(sum(features["input_mask"]))
    shown = [vocabulary.pieces[int(i)] for i in features["input_ids"][:used]]
    originals = list(shown)
    kinds = {}
    replaced = Kind.RANDOM
    if strategy in STRATEGIES.names() and STRATEGIES[strategy].needs_similar_words:
        replaced = Kind.SIMILAR
    if "target_positions" in features:
        replaced = Kind.MOVED
    weights = features["masked_lm_weights"]
    predictions = [index for index, weight in enumerate(weights) if weight]
    for index in predictions:
        position, label = (int(features[f][index]) for f in _PREDICTION)
        if position >= used or label >= len(vocabulary):
            raise DataError(
                f"{where}: predicts piece {label} at position {position}; expected one of "
                f"{len(vocabulary)} pieces at one of {used} positions"
            )
        originals[position] = vocabulary.pieces[label]
        if shown[position] == MASK:
            kinds[position] = Kind.MASK
        else:
            kinds[position] = Kind.KEPT if shown[position] == originals[position] else replaced
    pair_label = features.get(PAIR_LABEL)
    labels = {
        name: [int(features[name][index]) for index in predictions]
        for name in LABELS
        if name in features
    }
    return Example(
        where=where,
        originals=originals,
        shown=shown,
        kinds=kinds,
        segments=_find_segments(originals, kinds),
        words=[],
        max_seq_length=len(features["input_ids"]),
        pair_label=int(pair_label[0]) if pair_label else None,
        labels=labels,
    )


def _find_segments(originals: Sequence[str], kinds: dict[int, Kind]) -> list[Span]:
    segments = []
    start = int(originals[:1] == [CLS])
    for position, piece in enumerate(originals):
        if piece == SEP and position not in kinds:
            segments.append((start, position))
            start = position + 1
    return segments


def _join(pieces: Sequence[str]) -> tuple[str, list[Piece]]:
    """Joins pieces to a text that the segmenter can read; says where in it each stands."""
    text = ""
    placed = []
    for piece in pieces:
        surface = _UNKNOWN_CHARACTER if piece == UNK else strip_mark(piece)
        if text and surface == piece and (text[-1] + surface[0]).isascii():
            text += " "
        placed.append(Piece(piece, 0, len(text), len(text) + len(surface)))
        text += surface
    return text, placed


def strip_mark(piece: str) -> str:
    """Returns a piece without the mark that it continues a word of the tokenizer."""
    return piece[2:] if piece.startswith("##") and len(piece) > 2 else piece
