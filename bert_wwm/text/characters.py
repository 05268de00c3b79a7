"""How BERT's tokenizer treats a single character: google-research/bert's, or HFL's variant.

LERT's and CMRC's code drop all of Unicode's category C, Google's only Cc and Cf.
"""

from typing import NamedTuple

from bert_wwm.text import unicode11

DROP, SPACE, ALONE, WORD = range(4)

# The blocks of CJK ideographs; neither kana nor hangul.
_CJK_RANGES = (
    (0x4E00, 0x9FFF),  # Unified Ideographs
    (0x3400, 0x4DBF),  # Extension A
    (0x20000, 0x2A6DF),  # Extension B
    (0x2A700, 0x2B73F),  # Extension C
    (0x2B740, 0x2B81F),  # Extension D
    (0x2B820, 0x2CEAF),  # Extension E
    (0xF900, 0xFAFF),  # Compatibility Ideographs
    (0x2F800, 0x2FA1F),  # Compatibility Ideographs Supplement
)
_ASCII_PUNCTUATION_RANGES = ((33, 47), (58, 64), (91, 96), (123, 126))


class Character(NamedTuple):
    """How the tokenizer treats a character."""

    # DROP; SPACE, which separates words and is dropped; ALONE, a word by itself whatever its
    # neighbours are; or WORD, which joins its neighbours.
    kind: int
    text: str  # its replacement: lower-cased and decomposed if uncased; accents are still there


class CharacterTable(dict):
    """The treatment of each character, found at its first use: ``table[char]``.

    With ``do_lower_case`` text is lower-cased and decomposed (NFD). With ``drop_category_c``, HFL's
    variant, private, unassigned and surrogate code points are dropped like control characters.
    """

    def __init__(self, do_lower_case: bool = True, drop_category_c: bool = False):
        super().__init__()
        self._do_lower_case = do_lower_case
        self._drop_category_c = drop_category_c

    def __missing__(self, char: str) -> Character:
        character = self[char] = self._classify(char)
        return character

    def _classify(self, char: str) -> Character:
        if char in "\0\ufffd" or is_control(char, self._drop_category_c):
            return Character(DROP, "")
        # str.split() splits at U+2028 and U+2029 as well, which is_whitespace leaves out.
        if is_whitespace(char) or char.isspace():
            return Character(SPACE, "")
        text = unicode11.fold(char) if self._do_lower_case else char
        return Character(ALONE if is_cjk(char) else WORD, text)


def is_whitespace(char: str) -> bool:
    """True for spaces as ``BasicTokenizer`` knows them: category Zs, tab and line ends."""
    return char in " \t\n\r" or unicode11.category(char) == "Zs"


def is_control(char: str, drop_category_c: bool = False) -> bool:
    """True for control characters, but tab and line ends, which are white space.

    ``drop_category_c`` counts all of category C, as HFL does, rather than Cc and Cf.
    """
    if char in "\t\n\r":
        return False
    category = unicode11.category(char)
    return category.startswith("C") if drop_category_c else category in ("Cc", "Cf")


def is_punctuation(char: str) -> bool:
    """True for category P and for all of ASCII that is neither letter, digit, space nor control.

    So ``$``, ``^`` and ````` are punctuation, unlike in Unicode.
    """
    code = ord(char)
    if any(low <= code <= high for low, high in _ASCII_PUNCTUATION_RANGES):
        return True
    return unicode11.category(char).startswith("P")


def is_cjk(char: str) -> bool:
    """True for CJK ideographs."""
    code = ord(char)
    return any(low <= code <= high for low, high in _CJK_RANGES)
