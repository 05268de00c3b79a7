"""Words that a model's vocabulary lacks: on unused slots, or in further rows.

A new word starts from the pieces that it was split into so far: its row of the embeddings is the
mean of theirs, and so is its bias in the masked LM.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bert_wwm.convert.pretrained import Pretrained
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.text.characters import ALONE, DROP, SPACE, CharacterTable, is_punctuation
from bert_wwm.text.tokenizer import Tokenizer, basic_words
from bert_wwm.text.vocabulary import SPECIAL_TOKENS, UNK, Vocabulary

EMBEDDINGS = "bert/embeddings/word_embeddings"
# The tensors that have a row, or a number, for each piece.
_BY_PIECE = (EMBEDDINGS, "cls/predictions/output_bias")
_SLOTS_BY_PIECE = tuple(f"{name}/" for name in _BY_PIECE)  # of the optimizer
_UNUSED = re.compile(r"\[unused\d+\]")
# A longer word is [UNK] to Hugging Face's tokenizer; Google's takes 200.
_MAX_CHARS = 100


@dataclass
class Added:
    """What became of a list of words: the ids of most, the lines of those that are there again."""

    on_slots: dict[str, int] = field(default_factory=dict)  # in the place of an unused piece
    appended: dict[str, int] = field(default_factory=dict)  # after the old vocabulary
    known: dict[str, int] = field(default_factory=dict)  # in the old vocabulary
    repeated: list[tuple[int, str]] = field(default_factory=list)
    from_unknown: list[str] = field(default_factory=list)  # nothing but [UNK] to the old tokenizer

    def report(self) -> str:
        """Returns a table: how many words went where, and each of them with its id."""
        unknown = set(self.from_unknown)
        groups = {"on unused slots": self.on_slots, "appended": self.appended}
        lines = ["New words"]
        for title, ids in {**groups, "there already": self.known}.items():
            lines.append(f"  {title:<24}{len(ids):>6}")
            for word, index in ids.items():
                lines.append(f"    {word} -> {index}{' from [UNK]' if word in unknown else ''}")
        lines.append(f"  {'repeated, left out':<24}{len(self.repeated):>6}")
        lines += [f"    {word} (line {line})" for line, word in self.repeated]
        return "\n".join(lines)


def read_words(path: str) -> list[tuple[int, str]]:
    """Returns the words in a file of one a line, after the numbers of their lines, from 1."""
    lines = ((number, line.strip()) for number, line in enumerate(files.read_lines(path), 1))
    words = [(number, word) for number, word in lines if word]
    if not words:
        raise DataError(f"{path}: holds no words; expected one a line")
    return words


def add_tokens(
    pretrained: Pretrained,
    words: Iterable[tuple[int, str]],
    reuse_unused: bool = True,
    path: str = "<words>",
) -> Added:
    """Puts words into a model's vocabulary, embeddings and masked LM; all of them, or none.

    ``words`` are as ``read_words`` returns them. With ``reuse_unused`` the first ones take the
    places of ``[unusedN]``, in the order of the ids; not of added tokens, which are in use.
    """
    vocabulary = Vocabulary(pretrained.vocabulary)
    tokenizer = Tokenizer(vocabulary, pretrained.do_lower_case)
    table = CharacterTable(pretrained.do_lower_case)
    added = Added()
    old_pieces: dict[str, list[int]] = {}  # of the words that the vocabulary lacks
    for line, word in words:
        if word in old_pieces or word in added.known:
            added.repeated.append((line, word))
        elif word in vocabulary:
            added.known[word] = vocabulary.ids[word]
        else:
            reason = never_found(word, table, pretrained.do_lower_case)
            if reason:
                raise DataError(f"{path}:{line}: {word!r} {reason}")
            old_pieces[word] = [piece.id for piece in tokenizer.tokenize(word)]
    new = list(old_pieces)
    unknown = {vocabulary.ids[UNK]}
    added.from_unknown = [word for word in new if set(old_pieces[word]) == unknown]

    unused = [
        index
        for index, piece in enumerate(vocabulary.pieces)
        if _UNUSED.fullmatch(piece) and piece not in pretrained.added_tokens
    ]
    ids = (unused if reuse_unused else [])[: len(new)]
    growth = len(vocabulary) + len(new) - len(ids) - len(pretrained.tensors[EMBEDDINGS])
    if growth > 0 and any(name.startswith(_SLOTS_BY_PIECE) for name in pretrained.optimizer_state):
        raise ConfigError(
            f"{path}: {growth} of the words need further rows, which the optimizer's state in the "
            "checkpoint lacks; expected --weights_only"
        )
    added.on_slots = dict(zip(new, ids))
    added.appended = {word: len(vocabulary) + i for i, word in enumerate(new[len(ids) :])}

    pieces = vocabulary.pieces
    for word, index in added.on_slots.items():
        pieces[index] = word
    pretrained.vocabulary = [*pieces, *added.appended]
    # Rows after the pieces, of a matrix with more of them, are used before new ones are made.
    pretrained.config["vocab_size"] = len(pretrained.tensors[EMBEDDINGS]) + max(growth, 0)
    _fill_rows(pretrained, {**added.on_slots, **added.appended}, old_pieces)
    return added


def _fill_rows(
    pretrained: Pretrained, ids: Mapping[str, int], old_pieces: Mapping[str, list[int]]
) -> None:
    """Gives new words the mean of their old pieces."""
    for name in [name for name in _BY_PIECE if name in pretrained.tensors]:
        old = pretrained.tensors[name]
        rows = np.empty((pretrained.config["vocab_size"], *old.shape[1:]), old.dtype)
        rows[: len(old)] = old
        for word, index in ids.items():
            rows[index] = np.mean(old[old_pieces[word]], axis=0, dtype=np.float64)
        pretrained.tensors[name] = rows


def describe_added_tokens(pretrained: Pretrained) -> list[str]:
    """Says what becomes of added tokens where only the pieces of a vocabulary are found."""
    table = CharacterTable(pretrained.do_lower_case)
    lost = "that the tokenizer of the output never finds in a text"
    words = "that are pieces now, found as words"
    groups: dict[str, list[str]] = {lost: [], words: []}
    for token in pretrained.added_tokens:
        if token not in SPECIAL_TOKENS:
            is_lost = never_found(token, table, pretrained.do_lower_case)
            groups[lost if is_lost else words].append(repr(token))
    return [f"added tokens {fate}: {', '.join(group)}" for fate, group in groups.items() if group]


def never_found(word: str, table: CharacterTable, do_lower_case: bool) -> str:
    """Says why no text gives a word as one piece, whatever the vocabulary; empty if it can."""
    parts = [part.text for part in basic_words(word, table, do_lower_case)]
    kinds = [table[char].kind for char in word]
    if parts == [word]:
        if len(word) <= _MAX_CHARS:
            return ""
        return f"has {len(word)} characters; expected at most {_MAX_CHARS}"
    if not parts or DROP in kinds:
        return "holds characters that the tokenizer drops; expected it without them"
    if SPACE in kinds:
        return "holds a space, at which the tokenizer splits it; expected one word a line"
    if len(parts) == 1:
        return f"is always read as {parts[0]!r}; expected it in that form"
    if any(map(is_punctuation, word)):
        what = "at punctuation marks"
    else:
        what = "at Chinese characters, each a piece of its own" if ALONE in kinds else "in pieces"
    return f"is always split {what}: {' '.join(parts)}; expected a word that it leaves whole"
