"""Measures of sequence tagging: the entities that tags make up, and how many of them are found.

Two programs are followed, which count entities by rules of their own, none of which refuses a tag:

- ``seqeval`` 1.2.2 in its default (lenient) mode, with ``suffix=False``; HFL reports its micro F1.
  It knows BIO (IOB1 and IOB2) and BIOES, also called BIES. Here it also knows BMES, the usual form
  of Chinese data: M-x is read as I-x, and a bare M as a bare I. (To seqeval itself M-x is unknown,
  and B-x M-x E-x are entities that overlap.)
- ``conlleval``, the Perl program of the CoNLL-2000 shared task (version of 2004-01-26); it knows
  BIO (IOB1 and IOB2). Its tags ``[``, ``]`` and ``.`` aren't followed, and of an unknown tag
  without a type, such as X, only how many entities it makes, not always which of them are right.

Where tags are O, B-x and I-x the two agree, on illegal sequences too: I-x behind O, or at the
beginning, begins an entity, and B-x I-y is two entities, x and y. (seqeval's strict mode, not
offered here, drops both of these I.) They differ

- behind E-x: seqeval ends the entity there. conlleval goes on through a following B-x: E-x B-x are
  one chunk;
- at S-x: for seqeval always an entity of its own. conlleval doesn't know it: S-x S-x is one chunk,
  B-x S-x too;
- at M-x: here seqeval reads I-x. conlleval doesn't know it: B-x M-x E-x is one chunk, and so are
  M-x B-x and E-x M-x;
- at a tag with no type: seqeval calls the type ``_``, conlleval leaves it empty;
- at other tags, such as X or [CLS]: both see a type that changes, and may see an entity there;
  seqeval may even have it begin where the entity before began.

So BIOES and BMES are for seqeval only.
"""

import collections
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from bert_wwm.core.errors import DataError

OUTSIDE = "O"


class Entity(NamedTuple):
    """Tokens of a sequence that are something together."""

    type: str  # what they are, such as ``PER``
    start: int  # the first token
    end: int  # the token behind the last. (seqeval gives the last itself.)


def seqeval_entities(tags: Sequence[str]) -> list[Entity]:
    """Returns the entities of tags, as seqeval's ``get_entities`` does if M were I.

    Example: ``["B-PER", "I-PER", "O", "I-LOC"]`` -> ``[("PER", 0, 2), ("LOC", 3, 4)]``
    """
    entities = []
    start = 0
    previous, previous_type = OUTSIDE, ""
    for position, tag in enumerate(itertools.chain(tags, [OUTSIDE])):
        prefix, type_ = tag[:1], tag[1:].split("-", 1)[-1] or "_"
        if tag == "M" or tag.startswith("M-"):
            prefix = "I"
        changes = type_ != previous_type
        if (
            previous in ("E", "S")
            or (previous in ("B", "I") and prefix in ("B", "S", "O"))
            or (previous not in ("O", ".") and changes)
        ):
            entities.append(Entity(previous_type, start, position))
        if (
            prefix in ("B", "S")
            or (previous in ("E", "S", "O") and prefix in ("E", "I"))
            or (prefix not in ("O", ".") and changes)
        ):
            start = position
        previous, previous_type = prefix, type_
    return entities


def conlleval_chunks(tags: Sequence[str]) -> list[Entity]:
    """Returns the entities of tags, as conlleval counts them.

    Example: ``["B-PER", "I-PER", "O", "I-LOC"]`` -> ``[("PER", 0, 2), ("LOC", 3, 4)]``
    """
    chunks = []
    start = None
    previous, previous_type = OUTSIDE, ""
    for position, tag in enumerate(itertools.chain(tags, [OUTSIDE])):
        prefix, _, type_ = tag.partition("-")
        changes = type_ != previous_type
        ends = (
            (previous in ("B", "I") and prefix in ("B", "O"))
            or (previous == "E" and prefix in ("E", "I", "O"))
            or (previous != "O" and changes)
        )
        begins = (
            (prefix == "B" and previous in ("B", "I", "O"))
            or (prefix in ("I", "E") and previous in ("E", "O"))
            or (prefix != "O" and changes)
        )
        # Nothing may end a chunk of an unknown tag without a type, but it was counted.
        if start is not None and (ends or begins):
            chunks.append(Entity(previous_type, start, position))
            start = None
        if begins:
            start = position
        previous, previous_type = prefix, type_
    if start is not None:
        chunks.append(Entity(previous_type, start, len(tags)))
    return chunks


SCHEMES: dict[str, Callable[[Sequence[str]], list[Entity]]] = {
    "seqeval": seqeval_entities,
    "conlleval": conlleval_chunks,
}


def evaluate(
    targets: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]], scheme: str = "seqeval"
) -> dict[str, Any]:
    """Scores the tags of sentences. An entity is found if type, beginning and end are right.

    Returns:
        ``precision``, ``recall`` and ``f1`` over all entities (micro), and ``accuracy``, the share
        of tags that are right: fractions of 1, 0.0 for 0/0; ``support``, the number of true
        entities; and ``by_type``, the first three and the support of each type.
    """
    _check(targets, predictions)
    # Both programs read sentences as one sequence with an O behind each.
    expected, predicted = list(_joined(targets)), list(_joined(predictions))
    found = {*SCHEMES[scheme](predicted)}
    true = {*SCHEMES[scheme](expected)}
    right = collections.Counter(entity.type for entity in true & found)
    in_found = collections.Counter(entity.type for entity in found)
    in_true = collections.Counter(entity.type for entity in true)
    tokens = sum(map(len, targets))
    equal = sum(map(str.__eq__, expected, predicted)) - len(targets)
    return {
        **_scores(len(true & found), len(found), len(true)),
        "accuracy": equal / tokens,
        "by_type": {
            type_: _scores(right[type_], in_found[type_], in_true[type_])
            for type_ in sorted({*in_true, *in_found})
        },
    }


def _joined(sentences: Iterable[Sequence[str]]) -> Iterable[str]:
    for tags in sentences:
        yield from tags
        yield OUTSIDE


def _scores(right: int, found: int, support: int) -> dict[str, float]:
    return {
        "precision": right / found if found else 0.0,
        "recall": right / support if support else 0.0,
        "f1": 2 * right / (found + support) if found + support else 0.0,
        "support": support,
    }


def _check(targets: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> None:
    if len(targets) != len(predictions):
        raise DataError(
            f"{len(targets)} sentences and predictions of {len(predictions)}; expected as many"
        )
    for number, (expected, predicted) in enumerate(zip(targets, predictions)):
        if len(expected) != len(predicted):
            raise DataError(
                f"sentence {number} has {len(expected)} tags and {len(predicted)} predictions; "
                "expected as many"
            )
    if not any(targets):
        raise DataError("no tags; expected one at least")
