"""Words that a model's vocabulary lacks: on unused slots, or in further rows.

A new word starts from the pieces that it was split into so far: its row of the embeddings is the
mean of theirs, and so is its bias in the masked LM.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
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
    """What became of a list of words.

    Attributes:
        on_slots: the ids of words that took the place of an unused piece.
        appended: the ids of words that follow the old vocabulary.
        known: the ids of words that were there before.
        repeated: words that are in the list again, and their lines.
        from_unknown: the new words of which the old tokenizer made nothing but ``[UNK]``.
    """

    on_slots: dict[str, int] = field(default_factory=dict)
    appended: dict[str, int] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    repeated: list[tuple[int, str]] = field(default_factory=list)
    from_unknown: list[str] = field(default_factory=list)

    def report(self) -> str:
        """Returns a table: how many words went where, and each of them with its id."""
        rows = [
            ("on unused slots", self._ids(self.on_slots)),
            ("appended", self._ids(self.appended)),
            ("there already", self._ids(self.known)),
            ("repeated, left out", [f"{word} (line {line})" for line, word in self.repeated]),
        ]
        lines = ["New words"]
        for title, entries in rows:
            lines.append(f"  {title:<24}{len(entries):>6}")
            lines.extend(f"    {entry}" for entry in entries)
        return "\n".join(lines)

    def _ids(self, words: dict[str, int]) -> list[str]:
        return [
            f"{word} -> {index}{' from [UNK]' if word in self.from_unknown else ''}"
            for word, index in words.items()
        ]


def read_words(path: str) -> list[tuple[int, str]]:
    """Returns the words in a file of one a line, after the numbers of their lines, from 1.

    Raises:
        DataError: the file is missing, holds no words, or is not UTF-8.
    """
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

    Args:
        pretrained: the model, which is changed in place.
        words: as ``read_words`` returns them.
        reuse_unused: the first words take the places of ``[unusedN]``, in the order of the ids;
            not of those that are added tokens, which are in use.
        path: where the words are, for error messages.

    Raises:
        DataError: the tokenizer could never find a word, whatever the vocabulary.
        ConfigError: the matrix would outgrow the optimizer's state, or lacks rows of pieces.
    """
    vocabulary = Vocabulary(pretrained.vocabulary)
    _check_rows(pretrained)
    added = Added()
    new = _new_words(words, vocabulary, pretrained.do_lower_case, path, added)

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

    tokenizer = Tokenizer(vocabulary, pretrained.do_lower_case)
    old_pieces = {word: [piece.id for piece in tokenizer.tokenize(word)] for word in new}
    unknown = vocabulary.ids[UNK]
    added.from_unknown = [word for word, pieces in old_pieces.items() if set(pieces) == {unknown}]
    _change(pretrained, {**added.on_slots, **added.appended}, old_pieces)
    return added


def describe_added_tokens(pretrained: Pretrained) -> list[str]:
    """Says what becomes of added tokens where only the pieces of a vocabulary are found."""
    table = CharacterTable(pretrained.do_lower_case)
    lost: list[str] = []
    words: list[str] = []
    for token in pretrained.added_tokens:
        if token not in SPECIAL_TOKENS:
            is_lost = never_found(token, table, pretrained.do_lower_case)
            (lost if is_lost else words).append(repr(token))
    fates = {
        "that the tokenizer of the output never finds in a text": lost,
        "that are pieces now, found as words": words,
    }
    return [f"added tokens {fate}: {', '.join(group)}" for fate, group in fates.items() if group]


def _check_rows(pretrained: Pretrained) -> None:
    """Raises ConfigError where a tensor has fewer rows than the vocabulary, or than another."""
    pieces = len(pretrained.vocabulary)
    if EMBEDDINGS not in pretrained.tensors:
        raise ConfigError(f"the model has no {EMBEDDINGS}, which new words would be added to")
    for name in _BY_PIECE:
        count = len(pretrained.tensors[EMBEDDINGS])
        rows = len(pretrained.tensors.get(name, pretrained.tensors[EMBEDDINGS]))
        if rows != count or rows < pieces:
            raise ConfigError(
                f"{name} has {rows} rows, but the vocabulary has {pieces} pieces and {EMBEDDINGS} "
                f"{count} rows; expected those of one model"
            )


def _new_words(
    words: Iterable[tuple[int, str]],
    vocabulary: Vocabulary,
    do_lower_case: bool,
    path: str,
    added: Added,
) -> list[str]:
    """Returns the words that the vocabulary lacks, each once; notes the others in ``added``."""
    table = CharacterTable(do_lower_case)
    new: dict[str, int] = {}
    for line, word in words:
        if word in new or word in added.known:
            added.repeated.append((line, word))
        elif word in vocabulary:
            added.known[word] = vocabulary.ids[word]
        else:
            reason = never_found(word, table, do_lower_case)
            if reason:
                raise DataError(f"{path}:{line}: {word!r} {reason}")
            new[word] = line
    return list(new)


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


def _change(
    pretrained: Pretrained, ids: Mapping[str, int], old_pieces: Mapping[str, Sequence[int]]
) -> None:
    """Gives new words their ids, and the mean of their old pieces."""
    pieces = list(pretrained.vocabulary)
    for word, index in ids.items():
        pieces[index : index + 1] = [word]  # after the last one in the order of the ids
    # Rows after the pieces, of a matrix with more of them, are used before new ones are made.
    size = max(len(pieces), len(pretrained.tensors[EMBEDDINGS]))
    for name in _BY_PIECE:
        if name not in pretrained.tensors:
            continue
        old = pretrained.tensors[name]
        new = np.empty((size, *old.shape[1:]), old.dtype)
        new[: len(old)] = old
        for word, index in ids.items():
            new[index] = np.mean(old[old_pieces[word]], axis=0, dtype=np.float64)
        pretrained.tensors[name] = new
    pretrained.vocabulary = pieces
    pretrained.config["vocab_size"] = size
