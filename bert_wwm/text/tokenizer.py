"""Text to wordpieces: those of google-research/bert's ``FullTokenizer``, and their positions.

A text is cut into words (``basic_words``), words into pieces (``WordPieces``), in one pass that
carries for each character the position it came from. So every piece knows its half-open span of
the original string, whatever lower-casing, accent stripping and cleaning did on the way.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bert_wwm.text import characters, unicode11
from bert_wwm.text.characters import ALONE, DROP, WORD, CharacterTable
from bert_wwm.text.vocabulary import UNK, Vocabulary

MAX_CHARS_PER_WORD = 200  # FullTokenizer's: a longer word becomes [UNK]
_CACHED_WORDS = 200_000  # about 30 MB; then the cache is cleared


class Word(NamedTuple):
    """A word of the basic tokenizer, lower-cased and without accents if that is uncased."""

    text: str
    origins: Sequence[int]  # for each character the position of its original in the string


class Piece(NamedTuple):
    """A wordpiece and its half-open span of characters in the original string."""

    text: str
    id: int
    start: int
    end: int


class Tokenizer:
    """Google's uncased or cased tokenizer, or HFL's variant, with offsets.

    ``do_lower_case`` also strips accents; ``drop_category_c`` is HFL's variant, which drops every
    character of Unicode's category C. The vocabulary needs ``[UNK]``.
    """

    def __init__(
        self, vocabulary: Vocabulary, do_lower_case: bool = True, drop_category_c: bool = False
    ):
        self.vocabulary = vocabulary
        self.do_lower_case = do_lower_case
        self.drop_category_c = drop_category_c
        self._table = CharacterTable(do_lower_case, drop_category_c)
        self._wordpieces = WordPieces(vocabulary.ids)

    def tokenize(self, text: str) -> list[Piece]:
        """Returns the pieces of a text.

        Example:
            Tokenizer(vocabulary).tokenize("使用BERT")
            -> [("使", 0, 1), ("用", 1, 2), ("be", 2, 4), ("##rt", 4, 6)]  (ids left out)
        """
        pieces: list[Piece] = []
        for word, origins in basic_words(text, self._table, self.do_lower_case):
            for piece, piece_id, start, end in self._wordpieces[word]:
                pieces.append(Piece(piece, piece_id, origins[start], origins[end - 1] + 1))
        return pieces


class WordPieces(dict):
    """Greedy longest-match-first pieces of a word: ``wordpieces[word]``, cached.

    Each is ``(piece, id, start, end)``, a half-open span of the word's characters. A word that
    can't be cut into pieces of the vocabulary, or is longer than ``MAX_CHARS_PER_WORD`` characters,
    is one ``[UNK]``.
    """

    def __init__(self, ids: Mapping[str, int]):
        super().__init__()
        self._ids = ids
        self._longest = max(map(len, ids), default=0)

    def __missing__(self, word: str) -> list[tuple[str, int, int, int]]:
        if len(self) >= _CACHED_WORDS:
            self.clear()
        pieces = self[word] = self._cut(word)
        return pieces

    def _cut(self, word: str) -> list[tuple[str, int, int, int]]:
        if len(word) > MAX_CHARS_PER_WORD:
            return self._unknown_word(word)
        pieces = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(min(len(word), start + self._longest), start, -1):
                piece = prefix + word[start:end]
                if piece in self._ids:
                    break
            else:
                return self._unknown_word(word)
            pieces.append((piece, self._ids[piece], start, end))
            start = end
        return pieces

    def _unknown_word(self, word: str) -> list[tuple[str, int, int, int]]:
        return [(UNK, self._ids[UNK], 0, len(word))]


def basic_words(text: str, table: CharacterTable, do_lower_case: bool) -> Iterator[Word]:
    """Yields the words of ``BasicTokenizer``, punctuation marks and CJK characters among them."""
    start = -1  # of the run of WORD characters that is under way
    for position, char in enumerate(text):
        kind, becomes = table[char]
        if kind == WORD:
            if start < 0:
                start = position
        elif kind != DROP:
            if start >= 0:
                yield from _split_run(text, start, position, table, do_lower_case)
                start = -1
            if kind == ALONE:
                # A compatibility ideograph may decompose, never to more than one character.
                yield Word(becomes, (position,))
    if start >= 0:
        yield from _split_run(text, start, len(text), table, do_lower_case)


def _split_run(
    text: str, start: int, end: int, table: CharacterTable, do_lower_case: bool
) -> Iterator[Word]:
    """Cuts a run between spaces and ideographs at its punctuation marks."""
    run = text[start:end]
    if run.isascii() and run.isalnum():
        yield Word(run.lower() if do_lower_case else run, range(start, end))
        return
    chars, origins = _normalise(text, start, end, table, do_lower_case)
    first = 0
    for index, char in enumerate(chars):
        if characters.is_punctuation(char):
            if index > first:
                yield Word("".join(chars[first:index]), origins[first:index])
            yield Word(char, origins[index : index + 1])
            first = index + 1
    if first < len(chars):
        yield Word("".join(chars[first:]), origins[first:])


def _normalise(
    text: str, start: int, end: int, table: CharacterTable, do_lower_case: bool
) -> tuple[list[str], list[int]]:
    """Returns the characters that a run becomes, and where each came from."""
    chars: list[str] = []
    origins: list[int] = []
    for position in range(start, end):
        for char in table[text[position]].text:
            chars.append(char)
            origins.append(position)
    if not do_lower_case:
        return chars, origins
    _place_final_sigmas(text, start, end, table, chars, origins)
    _order_marks(chars)
    kept = [i for i, char in enumerate(chars) if unicode11.category(char) != "Mn"]
    return [chars[i] for i in kept], [origins[i] for i in kept]


def _place_final_sigmas(
    text: str,
    start: int,
    end: int,
    table: CharacterTable,
    chars: list[str],
    origins: list[int],
) -> None:
    """Turns sigmas at the ends of words into ς: lower() looks at neighbours only for these."""
    if "Σ" not in text[start:end]:
        return
    kept = [p for p in range(start, end) if table[text[p]].kind != DROP]
    lowered = iter(unicode11.lower("".join(text[p] for p in kept)))
    for position in kept:
        lower = [next(lowered) for _ in unicode11.lower(text[position])]
        if text[position] == "Σ":
            chars[origins.index(position)] = lower[0]


def _order_marks(chars: list[str]) -> None:
    """Puts runs of combining marks into Unicode's canonical order, as NFD of the whole does.

    Their origins stay in order, so that a piece's span does too.
    """
    classes = [unicode11.combining(char) for char in chars]
    index = 0
    while index < len(chars):
        stop = index
        while stop < len(chars) and classes[stop]:
            stop += 1
        if stop - index > 1:
            order = sorted(range(index, stop), key=classes.__getitem__)
            chars[index:stop] = [chars[i] for i in order]
        index = stop + 1
