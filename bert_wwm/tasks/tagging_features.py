"""Turns tagged sentences into features, and the model's outputs into tags."""

import collections
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bert_wwm.core.errors import DataError
from bert_wwm.metrics.tagging import OUTSIDE
from bert_wwm.tasks.examples import Tagged
from bert_wwm.tasks.features import INPUT_IDS, SEGMENT_IDS, FeatureTable, compute_offsets, ranges
from bert_wwm.tasks.featurize import Featurizer
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import CLS, SEP, UNK

TAG_IDS, TOKEN_INDEX, TAG_LOGITS = "tag_ids", "token_index", "tag_logits"
EXAMPLE = "example"
NONE = -1  # no tag, or no token, at a position

_SPECIAL = 2  # [CLS] and [SEP]


def collect_labels(path: str, examples: Sequence[Tagged]) -> list[str]:
    """Returns the tags of training examples, O first, the others sorted."""
    tags = {tag for example in examples for tag in example.tags or ()}
    if not tags:
        raise DataError(f"{path}: has no tags; expected one for each token")
    return sorted(tags, key=lambda tag: (tag != OUTSIDE, tag))


def count_unknown_tags(examples: Sequence[Tagged], labels: Sequence[str]) -> dict[str, int]:
    """Counts the tags that aren't among the labels: they are not learned, nor predicted."""
    counts = collections.Counter(tag for example in examples for tag in example.tags or ())
    return {tag: counts[tag] for tag in sorted(counts.keys() - set(labels))}


class TaggingFeaturizer(Featurizer):
    """Features of tagged sentences: ``[CLS] pieces [SEP]``, the tag at each token's first piece.

    Each token is tokenized by itself. One that has no piece, such as a space or a zero-width
    character, becomes ``[UNK]``, and one with more pieces than fit into a sequence loses the last
    ones: so each is predicted. A sentence that is longer than a sequence is cut into windows that
    overlap by half. A token counts, in training as in prediction, only in the window where it has
    the most context on its narrower side.

    At the first piece of each token, ``tag_ids`` are the number of its tag (0 without tags, -1 if
    it is not among the labels), and ``token_index`` that of the token in its example; elsewhere -1.
    An example without tokens has no row.
    """

    kind = "tagging"
    shortest = _SPECIAL + 1
    shortest_holds = "[CLS], a piece and [SEP]"

    def __init__(self, tokenizer: Tokenizer, max_seq_length: int, labels: Sequence[str]):
        super().__init__(tokenizer, max_seq_length)
        self._labels = list(labels)
        self._capacity = max_seq_length - _SPECIAL

    def describe(self) -> dict[str, object]:
        return {**super().describe(), "labels": self._labels}

    def __call__(self, examples: Sequence[Tagged], first: int) -> FeatureTable:
        # E examples, T tokens of them all, P pieces of those, W windows, S positions of those.
        lengths = np.array([len(example.tokens) for example in examples], np.int64)
        tokens_of = compute_offsets(lengths)  # [E + 1]
        pieces, pieces_of = self._pieces_of(examples)  # [P], [T + 1]
        begins, ends, owners = _windows(tokens_of, pieces_of, self._capacity)  # [W], [W], [T]

        bodies = pieces_of[ends] - pieces_of[begins]  # pieces of each window, [W]
        offsets = compute_offsets(bodies + _SPECIAL)
        sources = ranges(pieces_of[begins], bodies)  # of each position's piece
        targets = ranges(offsets[:-1] + 1, bodies)  # that position
        tokens = np.repeat(np.arange(len(owners)), np.diff(pieces_of))[sources]
        windows = np.repeat(np.arange(len(begins)), bodies)
        counts = (pieces_of[tokens] == sources) & (owners[tokens] == windows)

        ids = self.tokenizer.vocabulary.ids
        input_ids = np.full(offsets[-1], ids[SEP], np.int32)
        input_ids[offsets[:-1]] = ids[CLS]
        input_ids[targets] = pieces[sources]
        tag_ids = np.full(offsets[-1], NONE, np.int32)
        tag_ids[targets[counts]] = self._tags_of(examples)[tokens[counts]]
        token_index = np.full(offsets[-1], NONE, np.int32)
        numbers = ranges(np.zeros_like(lengths), lengths)  # of each token in its example, [T]
        token_index[targets[counts]] = numbers[tokens[counts]]
        example = np.searchsorted(tokens_of, begins, side="right") - 1 + first
        return FeatureTable(
            offsets,
            {
                INPUT_IDS: input_ids,
                SEGMENT_IDS: np.zeros_like(input_ids),
                TAG_IDS: tag_ids,
                TOKEN_INDEX: token_index,
            },
            {EXAMPLE: example.astype(np.int32)},
        )

    def _pieces_of(self, examples: Sequence[Tagged]) -> tuple[np.ndarray, np.ndarray]:
        """Ids of all pieces, int32 [P], and where those of each token begin, int64 [T + 1]."""
        numbers: dict[str, int] = {}  # of the distinct tokens
        which = np.array(
            [
                numbers.setdefault(token, len(numbers))
                for example in examples
                for token in example.tokens
            ],
            np.int64,
        )
        pieces = self.tokenize(numbers)
        ids = np.append(pieces.ids, np.int32(self.tokenizer.vocabulary.ids[UNK]))
        counts = np.diff(pieces.offsets)
        begins = np.where(counts > 0, pieces.offsets[:-1], len(pieces.ids))[which]
        counts = np.clip(counts, 1, self._capacity)[which]
        return ids[ranges(begins, counts)], compute_offsets(counts)

    def _tags_of(self, examples: Sequence[Tagged]) -> np.ndarray:
        """The number of each token's tag: int32 [T]."""
        numbers = {label: number for number, label in enumerate(self._labels)}
        tags: list[int] = []
        for example in examples:
            if example.tags is None:
                tags += [0] * len(example.tokens)
            else:
                tags += [numbers.get(tag, NONE) for tag in example.tags]
        return np.array(tags, np.int32)


def _windows(
    tokens_of: np.ndarray, pieces_of: np.ndarray, capacity: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cuts examples into windows of whole tokens, of at most ``capacity`` pieces each.

    ``tokens_of`` [E + 1] and ``pieces_of`` [T + 1] are offsets; no token has more pieces than fit.
    Returns half-open spans of tokens, int64 [W] each, and the window in which each token counts,
    int64 [T].
    """
    begins: list[int] = []
    ends: list[int] = []
    owners = np.zeros(tokens_of[-1], np.int64)
    for first, last in zip(tokens_of[:-1].tolist(), tokens_of[1:].tolist()):
        if first == last:
            continue
        owners[first:last] = len(begins)
        cuts = [(0, last - first)]
        if pieces_of[last] - pieces_of[first] > capacity:
            cuts = list(_cuts(pieces_of[first : last + 1], capacity))
            owners[first:last] += _most_context(pieces_of[first : last + 1], cuts)
        begins += [first + begin for begin, _ in cuts]
        ends += [first + end for _, end in cuts]
    return np.array(begins, np.int64), np.array(ends, np.int64), owners


def _cuts(starts: np.ndarray, capacity: int) -> Iterator[tuple[int, int]]:
    """Yields the windows of an example, half-open spans of its n tokens.

    ``starts`` says where the pieces of each token begin, and where the last one's end, [n + 1].
    """
    begin = 0
    while True:
        end = int(np.searchsorted(starts, starts[begin] + capacity, side="right")) - 1
        yield begin, end
        if end == len(starts) - 1:
            return
        half = int(np.searchsorted(starts, starts[begin] + capacity // 2))
        last = int(np.searchsorted(starts, starts[-1] - capacity))  # ends where the example does
        begin = max(begin + 1, min(half, last, end))


def _most_context(starts: np.ndarray, cuts: Sequence[tuple[int, int]]) -> np.ndarray:
    """Returns in which of the windows each token has most context on its narrower side: [n].

    Of equal windows it is the first. Arguments as in ``_cuts``.
    """
    most = np.full(len(starts) - 1, -1, np.int64)
    owners = np.zeros(len(starts) - 1, np.int64)
    for number, (begin, end) in enumerate(cuts):
        before = starts[begin:end] - starts[begin]
        behind = starts[end] - starts[begin + 1 : end + 1]
        context = np.minimum(before, behind)
        better = begin + np.flatnonzero(context > most[begin:end])
        most[better] = context[better - begin]
        owners[better] = number
    return owners


def pick_tags(
    examples: Sequence[Tagged],
    table: FeatureTable,
    outputs: Sequence[Mapping[str, np.ndarray]],
    labels: Sequence[str],
) -> list[list[str]]:
    """Returns the most probable tag of each token, by example.

    ``outputs`` has ``tag_logits`` [length, labels] of each sequence of the table.
    """
    lengths = np.array([len(example.tokens) for example in examples], np.int64)
    offsets = compute_offsets(lengths)
    tags = np.full(offsets[-1], NONE, np.int64)
    for row, example in enumerate(table.rows[EXAMPLE].tolist()):
        tokens = table.of_tokens(TOKEN_INDEX, row)
        counts = tokens != NONE
        tags[offsets[example] + tokens[counts]] = outputs[row][TAG_LOGITS].argmax(-1)[counts]
    if (tags == NONE).any():
        raise ValueError("a token has no prediction; the features are of other examples")
    names = [labels[tag] for tag in tags.tolist()]
    return [names[begin:end] for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist())]
