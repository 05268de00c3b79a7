"""Finds tags that a score does not know, and files that mix two tagging schemes."""

import collections
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from bert_wwm.core.errors import list_few
from bert_wwm.metrics.tagging import OUTSIDE

# The prefixes that each of tagging.SCHEMES knows.
_PREFIXES = {"seqeval": "BMIES", "conlleval": "BIE"}
_INSIDE = ("B", "M", "I")  # prefixes that another token of the entity may follow


def tag_notes(
    path: str,
    sentences: Sequence[Sequence[str]],
    first_lines: Sequence[int],
    scheme: str = "seqeval",
) -> Iterator[str]:
    """Yields a sentence on each thing that is odd about the tags of a file."""
    tags = collections.Counter(itertools.chain.from_iterable(sentences))
    prefixes = _PREFIXES[scheme]
    known = re.compile(f"{OUTSIDE}|[{prefixes}](-.+)?", re.DOTALL)
    odd = collections.Counter(
        {tag: count for tag, count in tags.items() if not known.fullmatch(tag)}
    )
    if odd:
        tag, line = _first(sentences, first_lines, odd)
        expected = ", ".join(f"{prefix}-" for prefix in prefixes)
        listed = [f"{tag} ({count:,})" for tag, count in odd.most_common()]
        yield (
            f"{path}: {sum(odd.values()):,} tag(s) neither are {OUTSIDE} nor begin with one of "
            f"{expected}: {list_few(listed)}; the first is {tag!r} at {path}:{line}"
        )
    by_prefix: Counter[str] = collections.Counter()
    for tag, count in (tags - odd).items():
        by_prefix[tag[0]] += count
    if by_prefix["I"] and by_prefix["M"]:
        yield (
            f"{path}: {by_prefix['I']:,} tag(s) begin with I and {by_prefix['M']:,} with M; "
            "expected one scheme in a file: BIO, BIES or BMES"
        )


def unfinished_note(path: str, sentences: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yields a sentence if some entities end with E or S, and others, as in BIO, do not."""
    pairs = collections.Counter(
        itertools.chain.from_iterable(zip(tags, (*tags[1:], OUTSIDE)) for tags in sentences)
    )
    finished = unfinished = 0
    for (tag, following), count in pairs.items():
        prefix, _, type_ = tag.partition("-")
        next_prefix, _, next_type = following.partition("-")
        if prefix in ("E", "S"):
            finished += count
        elif prefix in _INSIDE and (next_prefix not in ("M", "I", "E") or next_type != type_):
            unfinished += count
    if finished and unfinished:
        yield (
            f"{path}: {finished:,} entities end with E or S, and {unfinished:,} do not; expected "
            "one scheme in a file: BIO, BIES or BMES"
        )


def _first(
    sentences: Sequence[Sequence[str]], first_lines: Sequence[int], odd: Counter[str]
) -> tuple[str, int]:
    """Returns the first odd tag and the number of its line."""
    return next(
        (tag, line)
        for tags, first in zip(sentences, first_lines)
        for line, tag in enumerate(tags, first)
        if tag in odd
    )
