"""What was counted while the data was made; printed at the end and kept in the manifest."""

import copy
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bert_wwm.masking.corruption import Kind, Predictions
from bert_wwm.masking.selection import Units

# Of the many kinds of [UNK], those that matter are kept.
_MOST_UNKNOWN, _SHOWN_UNKNOWN = 2000, 50

_LENGTHS = ("words_by_length", "ngrams_drawn", "ngrams")  # histograms of numbers

_KIND_NAMES = {
    "mask": "by [MASK]",
    "similar": "by similar words",
    "moved": "permuted",
    "random": "at random",
    "fallback": "at random for want of a similar word",
    "kept": "kept",
}


class Tally:
    """A dataclass of whole numbers and histograms, those of one run or of a part of it."""

    def __add__(self, other: Any) -> Any:
        """Returns what both parts of the run have counted."""
        total = copy.copy(self)
        for name, theirs in vars(other).items():
            mine = getattr(self, name)
            if isinstance(mine, Counter):
                mine = mine.copy()  # in C; a sum of two would look through both in Python
                mine.update(theirs)
            else:
                mine += theirs
            setattr(total, name, mine)
        return total

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary that ``from_json`` reads."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Any:
        """Returns what ``to_json`` was made of. Raises ValueError for anything else."""
        counts = cls()
        for name, value in values.items():
            if isinstance(vars(counts).get(name), Counter):
                fits = isinstance(value, dict) and _is_histogram(name, value)
            else:
                fits = name in vars(counts) and type(value) is int
            if not fits:
                raise ValueError(f"{name} is broken")
            setattr(counts, name, Counter(value) if isinstance(value, dict) else value)
        return counts


@dataclass
class Counts(Tally):
    """Counts of one run, or of a part of it."""

    documents: int = 0  # documents with text
    documents_split: int = 0  # of these, rests of documents that were too long and taken apart
    # Passes over documents without another one to draw a next segment from.
    documents_alone: int = 0
    sentences: int = 0  # sentences read, before they are duplicated
    sentences_fallen_back: int = 0  # of these, masked by single pieces since the words did not fit
    sentences_untagged: int = 0  # of these, left out since tags were wanted and there were none
    sentences_split: int = 0  # of these, too long for a sequence and cut at the end of a word
    sentences_of_one_word: int = 0  # passes over sentences that could not be split into a pair
    pieces: int = 0  # pieces read
    unknown_pieces: int = 0  # of these, ``[UNK]``
    unknown: Counter[str] = field(default_factory=Counter)  # the characters of these
    words_by_length: Counter[str] = field(default_factory=Counter)  # words read; in pieces
    instances: int = 0  # examples made
    instances_without_prediction: int = 0  # further ones, left out since nothing could be selected
    rows: int = 0  # records of these, where several instances are packed into one
    # Of the examples made, those with a random second segment (NSP) or with swapped ones (SOP).
    pairs_labelled_1: int = 0
    tokens: int = 0  # pieces in the examples, special tokens included
    truncated_pieces: int = 0  # pieces cut off to fit the pairs into their sequences
    budget: int = 0  # pieces that might have been selected
    predicted: int = 0  # of these, to be predicted: no other unit fitted into what was left
    kinds: Counter[str] = field(default_factory=Counter)  # of these, what became of them
    # Units drawn and selected, by their number of words: long ones fit into the budget less often.
    ngrams_drawn: Counter[str] = field(default_factory=Counter)
    ngrams: Counter[str] = field(default_factory=Counter)

    @property
    def unit(self) -> str:
        """What the records are."""
        if self.rows:
            return "rows"
        return "instances" if self.instances else "sentences"

    def note(self, records: int) -> str:
        """Returns what to show while the work is done."""
        read = f"{self.documents:,} documents, " if self.documents else ""
        return f"{read}{records:,} {self.unit}"

    def __add__(self, other: "Counts") -> "Counts":
        total = super().__add__(other)
        if len(total.unknown) > 2 * _MOST_UNKNOWN:
            total.unknown = Counter(dict(total.unknown.most_common(_MOST_UNKNOWN)))
        return total

    def add_words(self, lengths: np.ndarray) -> None:
        """Counts words by their length in pieces."""
        self.words_by_length.update(_make_histogram(np.bincount(lengths)))

    def add_predictions(self, units: Units, predictions: Predictions) -> None:
        """Counts what might be selected, what was, and what became of it."""
        self.ngrams_drawn.update(_make_histogram(np.bincount(units.drawn)))
        self.ngrams.update(_make_histogram(predictions.ngrams))
        self.predicted += len(predictions.kinds)
        kinds = _make_histogram(np.bincount(predictions.kinds))
        self.kinds.update({Kind(int(kind)).name.lower(): kinds[kind] for kind in kinds})

    def to_manifest(self) -> dict[str, object]:
        """Returns a dictionary for readers: sorted, and only the most frequent ``[UNK]``."""
        values = self.to_json()
        for name in _LENGTHS:
            histogram = getattr(self, name)
            values[name] = {length: histogram[length] for length in sorted(histogram, key=int)}
        values["kinds"] = dict(sorted(self.kinds.items()))
        by_frequency = sorted(self.unknown.items(), key=lambda item: (-item[1], item[0]))
        values["unknown"] = dict(by_frequency[:_SHOWN_UNKNOWN])
        return values

    def describe_rows(self, max_seq_length: int) -> str:
        """Returns a line on packed rows, which have room for so many tokens."""
        before, now = (max_seq_length * number for number in (self.instances, self.rows))
        return (
            f"{self.rows:,}, {self.instances / self.rows:.2f} instances each; "
            f"{_percent(self.tokens, before)} full before, {_percent(self.tokens, now)} packed"
        )

    def summary(self, label_1: str, max_seq_length: int) -> str:
        """Returns a few lines for the terminal; rows have room for that many tokens."""
        rows = {
            "documents": f"{self.documents:,}",
            "  too long": self.documents_split
            and f"{self.documents_split:,}, taken apart: is there a blank line between documents?",
            "  alone": self.documents_alone
            and f"{self.documents_alone:,} times without another "
            "document for a random next segment, left out",
            "sentences": f"{self.sentences:,}",
            "  fell back": f"{self.sentences_fallen_back:,} "
            f"({_percent(self.sentences_fallen_back, self.sentences)}) to single pieces",
            "  no tags": self.sentences_untagged and f"{self.sentences_untagged:,}, left out",
            "  too long ": f"{self.sentences_split:,}, cut at ends of words",
            "  one word": self.sentences_of_one_word
            and f"{self.sentences_of_one_word:,} times, not to be parted into a pair, left out",
            "pieces": f"{self.pieces:,}, [UNK] {_percent(self.unknown_pieces, self.pieces)}",
            "words": _format_shares(self.words_by_length, "by length in pieces", 4),
            "instances": f"{self.instances:,}"
            + (label_1 and f", {label_1} {_percent(self.pairs_labelled_1, self.instances)}"),
            "  empty": self.instances_without_prediction
            and f"{self.instances_without_prediction:,} more, in which no unit fits the budget, "
            "left out",
            "tokens": f"{self.tokens:,}, {self.tokens / max(1, self.instances):.1f} an instance; "
            f"{self.truncated_pieces:,} pieces truncated",
            "rows": self.rows and self.describe_rows(max_seq_length),
            "selected": f"{self.predicted:,} pieces, {_percent(self.predicted, self.tokens)} of "
            f"all tokens, {_percent(self.predicted, self.budget)} of the budget",
            "  in n-grams": len(self.ngrams) > 1 and _format_shares(self.ngrams, "of words", 4),
            "  drawn": len(self.ngrams) > 1 and _format_shares(self.ngrams_drawn, "of words", 4),
            "replaced": ", ".join(
                f"{name} {_percent(self.kinds[kind], self.predicted)}"
                for kind, name in _KIND_NAMES.items()
                if kind in self.kinds
            ),
        }
        return "\n".join(f"  {name:<12}  {value}" for name, value in rows.items() if value)


def _is_histogram(name: str, values: dict[str, object]) -> bool:
    """Whether a histogram of that name has keys of its kind, and whole numbers."""
    if name == "kinds":
        keys_fit = {kind.name.lower() for kind in Kind}.issuperset(values)
    else:
        keys_fit = name not in _LENGTHS or all(map(str.isdecimal, values))
    return keys_fit and all(type(number) is int for number in values.values())


def _make_histogram(counts: np.ndarray) -> dict[str, int]:
    return {str(value): count for value, count in enumerate(counts.tolist()) if count}


def _format_shares(counter: Counter[str], what: str, longest: int) -> str:
    """Writes shares out; what is longer than ``longest`` goes together."""
    total = sum(counter.values())
    shares = [(str(n), counter[str(n)]) for n in range(1, longest + 1)]
    rest = total - sum(count for _, count in shares)
    if rest:
        shares.append((f"{longest + 1}+", rest))
    listed = ", ".join(f"{name}: {_percent(count, total)}" for name, count in shares)
    return f"{total:,}, {what} {listed}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "0 %"
