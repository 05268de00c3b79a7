"""Text whose words are tagged in PKU's way, as the People's Daily of 1998, in LTP's tags."""

import collections
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import DataError, list_few

# LTP 4's label inventories (HIT-SCIR/ltp, python/core/data): the 863 part-of-speech set without g
# and x, and with %, to which no tag of PKU's is mapped; names of persons (Nh), organisations (Ni)
# and places (Ns), as B(egin), I(nside), E(nd) and S(ingle word).
POS_TAGS = tuple("a b c d e h i j k m n nd nh ni nl ns nt nz o p q r u v wp ws z %".split())
NER_TAGS = ("O", *(f"{place}-{kind}" for place in "BEIS" for kind in ("Nh", "Ni", "Ns")))

# PKU's tags (Yu et al. 2002, the People's Daily of 1998) in LTP's. Morphemes (Ag, Ng, ...) go to
# the class that they are morphemes of, uses of a class as another (ad, an, vd, vn) to the class.
PKU_TO_LTP = {
    **{tag: tag for tag in (*"abcdehijkmnopqruvz", "ns", "nz")},
    **{"Ag": "a", "ad": "a", "an": "a", "Bg": "b", "Dg": "d", "f": "nd", "l": "i", "Mg": "m"},
    **{"Ng": "n", "nr": "nh", "nt": "ni", "nx": "ws", "Qg": "q", "Rg": "r", "s": "nl", "t": "nt"},
    **{"Tg": "nt", "vd": "v", "vn": "v", "Vg": "v", "w": "wp", "x": "ws", "y": "u", "Yg": "u"},
}
# For a tag without an entry, no part of which has one either.
UNKNOWN_TAG = "n"

_NAMES = {"nh": "Nh", "ni": "Ni", "ns": "Ns"}
_LINE_ID = re.compile(r"\d{8}-\d{2}-\d{3}-\d{3}/m")
_PINYIN = re.compile(r"(?<=.)\{[a-z]+\d?\}$")


class Sentence(NamedTuple):
    """Words with LTP's tags; three lists of the same length."""

    words: list[str]
    pos: list[str]
    ner: list[str]


def map_tag(tag: str) -> str:
    """Returns LTP's tag for PKU's: by its entry, else its longest beginning with one, else n.

    Example: vn -> v, wkz (as newer releases write) -> wp, ?? -> n
    """
    for end in range(len(tag), 0, -1):
        if tag[:end] in PKU_TO_LTP:
            return PKU_TO_LTP[tag[:end]]
    return UNKNOWN_TAG


def parse_line(line: str, where: str, unknown: Counter[str] | None = None) -> Sentence:
    """Reads a line of ``word/tag`` tokens.

    An id at the start (``19980101-01-001-001/m``) and pinyin (``的{de5}/u``) are left out. Brackets
    (``[中央/n 电视台/n]nt``) make one name of what they hold, if it is one of an organisation or a
    place. Persons' surname and given name are two words in PKU's text: consecutive nr words are
    taken in pairs, the last of an odd number with the two before it.

    Tags that ``PKU_TO_LTP`` lacks are counted in ``unknown``. Messages begin with ``where``.
    """
    sentence = Sentence([], [], [])
    bracket: int | None = None
    for number, token in enumerate(line.split()):
        if number == 0 and _LINE_ID.fullmatch(token):
            continue
        word, _, tag = token.rpartition("/")
        tag, closing, name = tag.partition("]")
        if len(word) > 1 and word.startswith("["):
            if bracket is not None:
                raise DataError(f"{where}: {token!r} opens a bracket within another; expected one")
            bracket = len(sentence.words)
            word = word[1:]
        word, tag = _PINYIN.sub("", word), _PINYIN.sub("", tag)
        if not word or not tag or (closing and not name):
            raise DataError(f"{where}: token {number + 1} is {token!r}; expected word/tag")
        if unknown is not None and tag not in PKU_TO_LTP:
            unknown[tag] += 1
        sentence.words.append(word)
        sentence.pos.append(map_tag(tag))
        sentence.ner.append("O")
        if closing:
            if bracket is None:
                raise DataError(f"{where}: {token!r} closes a bracket that none opened")
            if map_tag(name) in _NAMES:
                _label(sentence.ner, bracket, len(sentence.words), _NAMES[map_tag(name)])
            bracket = None
    if bracket is not None:
        raise DataError(f"{where}: the bracket before {sentence.words[bracket]!r} is never closed")
    _label_names(sentence)
    return sentence


def _label_names(sentence: Sentence) -> None:
    """Labels the names that single words, or surname and given name, make."""
    start = 0
    while start < len(sentence.words):
        tag, end = sentence.pos[start], start + 1
        if tag in _NAMES and sentence.ner[start] == "O":
            persons = start
            while sentence.pos[persons : persons + 1] == ["nh"]:
                persons += 1
            if persons - start > 1:
                end = persons if persons - start == 3 else start + 2
            _label(sentence.ner, start, end, _NAMES[tag])
        start = end


def _label(labels: list[str], start: int, end: int, kind: str) -> None:
    """Writes the labels of one name of the words [start, end)."""
    if end - start == 1:
        labels[start] = f"S-{kind}"
        return
    inside = [f"I-{kind}"] * (end - start - 2)
    labels[start:end] = [f"B-{kind}", *inside, f"E-{kind}"]


def read_corpus(paths: Sequence[str]) -> tuple[list[Sentence], Counter[str]]:
    """Reads tagged sentences, one a line, and counts the tags that ``PKU_TO_LTP`` lacks."""
    unknown: Counter[str] = collections.Counter()
    sentences = []
    for path in paths:
        for number, line in enumerate(files.read_lines(path), 1):
            sentence = parse_line(line, f"{path}:{number}", unknown)
            if sentence.words:
                sentences.append(sentence)
    if not sentences:
        raise DataError(f"{list_few(paths)}: no sentence; expected word/tag tokens")
    return sentences, unknown
