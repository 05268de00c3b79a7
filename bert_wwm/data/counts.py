"""What was counted while the data was made; printed at the end and kept in the manifest."""

import collections
import dataclasses
from typing import Counter, Dict


@dataclasses.dataclass
class Counts:
    """Counts of one run.

    Attributes:
        documents: documents with text.
        sentences: sentences read, before they are duplicated.
        sentences_fallen_back: of these, masked by single pieces since the words did not fit.
        sentences_split: of these, too long for a sequence and cut at the end of a word.
        pieces: pieces read.
        unknown_pieces: of these, ``[UNK]``.
        words_by_length: number of words read, by their length in pieces.
        instances: examples made.
        random_next: of these, with a second segment from another document.
        tokens: pieces in the examples, special tokens included.
        truncated_pieces: pieces cut off to fit the pairs into their sequences.
        budget: pieces that might have been masked.
        masked: of these, those to predict: no unmasked word fitted into what was left.
        as_mask, as_random, as_kept: of these, turned into ``[MASK]``, a random piece, or kept.
    """

    documents: int = 0
    sentences: int = 0
    sentences_fallen_back: int = 0
    sentences_split: int = 0
    pieces: int = 0
    unknown_pieces: int = 0
    words_by_length: Counter[int] = dataclasses.field(default_factory=collections.Counter)
    instances: int = 0
    random_next: int = 0
    tokens: int = 0
    truncated_pieces: int = 0
    budget: int = 0
    masked: int = 0
    as_mask: int = 0
    as_random: int = 0
    as_kept: int = 0

    def add(self, other: "Counts") -> None:
        """Adds what another part of the run has counted."""
        for field in dataclasses.fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            setattr(self, field.name, mine + theirs)

    def to_json(self) -> Dict[str, object]:
        """Returns a dictionary for the manifest."""
        values = dataclasses.asdict(self)
        values["words_by_length"] = {
            str(length): count for length, count in sorted(self.words_by_length.items())
        }
        return values

    def summary(self) -> str:
        """Returns a few lines for the terminal."""
        words = sum(self.words_by_length.values())
        by_length = [(str(n), self.words_by_length[n]) for n in range(1, 5)]
        by_length.append(("5+", words - sum(count for _, count in by_length)))
        lengths = ", ".join(f"{name}: {_percent(count, words)}" for name, count in by_length)
        fallen_back = _percent(self.sentences_fallen_back, self.sentences)
        random_next = _percent(self.random_next, self.instances)
        rows = {
            "documents": f"{self.documents:,}",
            "sentences": f"{self.sentences:,}",
            "  fell back": f"{self.sentences_fallen_back:,} ({fallen_back}) to single pieces",
            "  too long": f"{self.sentences_split:,}, cut at ends of words",
            "pieces": f"{self.pieces:,}, [UNK] {_percent(self.unknown_pieces, self.pieces)}",
            "words": f"{words:,}, by length in pieces {lengths}",
            "instances": f"{self.instances:,}, with a random next segment {random_next}",
            "tokens": f"{self.tokens:,}, {self.tokens / max(1, self.instances):.1f} an instance; "
            f"{self.truncated_pieces:,} pieces truncated",
            "masked": f"{self.masked:,} pieces, {_percent(self.masked, self.tokens)} of all "
            f"tokens, {_percent(self.masked, self.budget)} of the budget",
            "replaced": f"by [MASK] {_percent(self.as_mask, self.masked)}, "
            f"at random {_percent(self.as_random, self.masked)}, "
            f"kept {_percent(self.as_kept, self.masked)}",
        }
        return "\n".join(f"  {name:<12}  {value}" for name, value in rows.items())


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "0 %"
