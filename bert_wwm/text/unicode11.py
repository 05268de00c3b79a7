"""Unicode 11, whatever Python's own version: the database that the released models were made with.

google-research/bert ran on Python 3.6 and 3.7 (Unicode 9 and 11); Python 3.10 to 3.13 know Unicode
13 to 15.1, by which the same text would give other pieces. The few changes are listed here.
"""

import functools
import itertools
import unicodedata
from collections.abc import Callable

# Code points (hexadecimal, ranges inclusive) assigned by Unicode 12 to 15.1: compared, code point
# by code point, between the unicodedata modules of Python 3.7, 3.11, 3.12 and 3.13.
_ASSIGNED_SINCE = """
    61d 870-89f 8b5 8be-8d2 b55 c3c c5d c77 cdd cf3 d04 d81 e86 e89 e8c e8e-e93 e98 ea0 ea8-ea9
    eac eba ece 170d 1715-171f 180f 1abf-1ace 1b4c 1b7d-1b7e 1cfa 1dfa 20c0 2b97 2bc9 2bff 2c2f
    2c5f 2e4f-2e5d 2ffc-2fff 31bb-31bf 31ef 32ff 4db6-4dbf 9ff0-9fff a7ba-a7f6 a82c ab66-ab6b
    fbc2 fd40-fd4f fdcf fdfe-fdff 1019c 10570-105bc 10780-107ba 10e80-10eff 10f70-10ff6
    11070-11075 110c2 11147 111ce-111cf 1123f-11241 1145a 1145f-11461 116b8-116b9 11740-11746
    11900-119e4 11a84-11a85 11ab0-11abf 11b00-11b09 11f00-11fff 12f90-12ff2 1342f-13455
    16a70-16ac9 16f45-16f4f 16f7f-16f87 16fe2-16ff1 187f2-187f7 18af3-1affe 1b11f-1b167
    1cf00-1cfc3 1d1e9-1d1ea 1d2c0-1d2d3 1df00-1df2a 1e030-1e7fe 1e94b 1ed01-1ed3d 1f10d-1f10f
    1f16c-1f16f 1f1ad 1f6d5-1f6df 1f6fa-1f6fc 1f774-1f77f 1f7d9-1f7f0 1f8b0-1f8b1 1f90c-1f90f
    1f93f 1f971-1f972 1f977-1f979 1f97b 1f9a3-1f9af 1f9ba-1f9bf 1f9c3-1f9cf 1fa00-1fa53
    1fa70-1fbf9 2a6d7-2a6df 2b735-2b739 2ebf0-2ee5d 30000-323af
"""
# General categories that have changed since.
_CHANGED = {
    "\u166d": "Po",  # CANADIAN SYLLABICS CHI SIGN
    "\u1734": "Mn",  # HANUNOO SIGN PAMUDPOD
    "\u1cf2": "Mc",  # VEDIC SIGN ARDHAVISARGA
    "\u1cf3": "Mc",  # VEDIC SIGN ROTATED ARDHAVISARGA
    "\ua9bd": "Mc",  # JAVANESE CONSONANT SIGN KERET
}

_NEWER: set[int] = set()
for _span in _ASSIGNED_SINCE.split():
    _first, _, _last = _span.partition("-")
    _NEWER.update(range(int(_first, 16), int(_last or _first, 16) + 1))


def is_newer(char: str) -> bool:
    """True where Unicode 11 has no such character."""
    return ord(char) in _NEWER


@functools.cache
def category(char: str) -> str:
    """The general category of a character, such as ``Lo``; ``Cn`` where it is unassigned."""
    if is_newer(char):
        return "Cn"
    return _CHANGED.get(char) or unicodedata.category(char)


def lower(text: str) -> str:
    """Lower-cases a text as ``str.lower`` does; a newer character has no case."""
    return _map_known(str.lower, text)


def decompose(text: str) -> str:
    """Decomposes a text (NFD); a newer character stays as it is, and where it is."""
    return _map_known(functools.partial(unicodedata.normalize, "NFD"), text)


def fold(text: str) -> str:
    """Lower-cases and decomposes a text; its accents are still there."""
    return decompose(lower(text))


def _map_known(function: Callable[[str], str], text: str) -> str:
    """Applies a function to the stretches between newer characters.

    An unassigned character neither belongs to a word nor combines, so nothing reaches over it.
    """
    if text.isascii():
        return function(text)
    stretches = ((newer, "".join(chars)) for newer, chars in itertools.groupby(text, is_newer))
    return "".join(stretch if newer else function(stretch) for newer, stretch in stretches)


def combining(char: str) -> int:
    """The canonical combining class of a character: 0 for all that aren't marks."""
    return 0 if is_newer(char) else unicodedata.combining(char)
