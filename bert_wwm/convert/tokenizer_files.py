"""The files by which Hugging Face's libraries split text as this toolkit does."""

import os
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from bert_wwm.convert.pretrained import AddedToken
from bert_wwm.core import files
from bert_wwm.core.errors import DataError, list_few
from bert_wwm.core.json_files import format_json, read_object
from bert_wwm.text.vocabulary import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK, Vocabulary

VOCABULARY = "vocab.txt"
_CONFIG, _FAST = "tokenizer_config.json", "tokenizer.json"
NAMES = (VOCABULARY, _CONFIG, _FAST, "special_tokens_map.json")
# Where Hugging Face's libraries put tokens that were added to a vocabulary.
ADDED_TOKENS = "added_tokens.json"
SPECIAL = {
    "pad_token": PAD,
    "unk_token": UNK,
    "cls_token": CLS,
    "sep_token": SEP,
    "mask_token": MASK,
}
# A longer word becomes [UNK]: what both of their tokenizers have by default.
_MAX_CHARS_PER_WORD = 100
# How a token of added_tokens.json, which says no more than its id, is found.
_OPTIONS: Mapping[str, bool] = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": True,
    "special": False,
}
_SPECIAL_OPTIONS: Mapping[str, bool] = {**_OPTIONS, "normalized": False, "special": True}


class TokenizerFiles(NamedTuple):
    """How a folder's model wants its text: see ``Pretrained``.

    Attributes:
        notes: what this toolkit's tokenizer does otherwise, in sentences.
    """

    vocabulary: list[str]
    do_lower_case: bool
    notes: list[str]
    added: dict[str, AddedToken]


def read(folder: str) -> TokenizerFiles:
    """Reads ``vocab.txt`` (or without one ``tokenizer.json``), and how text is split.

    Raises:
        DataError: the vocabulary or a file is missing, broken or not a BERT's, or holds pieces that
            are no lines of a ``vocab.txt``.
    """
    settings, fast = _read(folder, _CONFIG), _read(folder, _FAST)
    notes = [
        f"tokenizer_config.json says {name} {settings[name]!r}, which this toolkit's tokenizer "
        f"has not: it works as with {ours!r}"
        for name, ours in (("strip_accents", None), ("tokenize_chinese_chars", True))
        if settings.get(name, ours) is not ours
    ]
    kind = str(settings.get("tokenizer_class") or "BertTokenizer")
    if kind not in ("BertTokenizer", "BertTokenizerFast"):
        notes.append(f"its tokenizer is a {kind}, which may split text in another way")
    path = os.path.join(folder, VOCABULARY)
    if os.path.exists(path):
        pieces = Vocabulary.from_file(path).pieces
    else:
        pieces = _read_pieces(fast, os.path.join(folder, _FAST), path)
    beyond, added = _added_tokens(folder, settings, fast, Vocabulary(pieces, path))
    do_lower_case = _lower_cases(settings, fast, os.path.join(folder, _CONFIG))
    return TokenizerFiles([*pieces, *beyond], do_lower_case, notes, added)


def _lower_cases(settings: Mapping[str, Any], fast: Mapping[str, Any], path: str) -> bool:
    """Returns what the settings say, or else the first step of ``tokenizer.json``, or else yes."""
    if "do_lower_case" in settings:
        if not isinstance(settings["do_lower_case"], bool):
            raise DataError(
                f"{path}: do_lower_case is {settings['do_lower_case']!r}; expected true or false"
            )
        return settings["do_lower_case"]
    if "normalizer" not in fast:
        return True
    step = fast["normalizer"] or {}
    steps = step.get("normalizers") if isinstance(step, dict) else None
    steps = steps if isinstance(steps, list) else [step]
    return any(
        each.get("lowercase", each.get("type") == "Lowercase") is True
        for each in steps
        if isinstance(each, dict)
    )


def _added_tokens(
    folder: str, settings: Mapping[str, Any], fast: Mapping[str, Any], vocabulary: Vocabulary
) -> tuple[list[str], dict[str, AddedToken]]:
    """Returns the added tokens that follow the vocabulary, by id, and all that are special to it.

    Raises:
        DataError: an id is another piece's or leaves a gap, or the entries are broken.
    """
    ids: dict[str, int] = {}
    added: dict[str, AddedToken] = {}
    for name, token, index, options in _entries(folder, settings, fast):
        path = os.path.join(folder, name)
        known = vocabulary.ids.get(token, ids.get(token, index))
        if known != index:
            raise DataError(f"{path}: {token!r} has the id {index} there; expected {known}")
        _check_line(token, path)
        if token not in vocabulary:
            ids[token] = index
        is_usual = name == ADDED_TOKENS or options == _SPECIAL_OPTIONS
        if not (token in SPECIAL_TOKENS and is_usual):
            added.setdefault(token, AddedToken(options, token in vocabulary))
    beyond = sorted(ids, key=lambda token: ids[token])
    found = [ids[token] for token in beyond]
    if found != list(range(len(vocabulary), len(vocabulary) + len(beyond))):
        raise DataError(
            f"{folder}: the added tokens have ids {list_few([*map(str, found)])}; expected "
            f"{len(vocabulary)} and those that follow"
        )
    return beyond, added


def _entries(
    folder: str, settings: Mapping[str, Any], fast: Mapping[str, Any]
) -> Iterator[tuple[str, str, int, dict[str, bool]]]:
    """Yields file, token, id and options, in the order in which transformers believes the files."""
    listed = _read(folder, ADDED_TOKENS)
    name = _CONFIG
    try:
        entries: list[tuple[str, Any, Any, Any]] = []
        for index, entry in (settings.get("added_tokens_decoder") or {}).items():
            entries.append((_CONFIG, entry["content"], int(index), entry))
        named = settings.get("additional_special_tokens") or []
        special = {token for token in named if isinstance(token, str)}
        name = _FAST
        for entry in fast.get("added_tokens") or []:
            entries.append((_FAST, entry["content"], entry["id"], entry))
        for token, index in listed.items():
            entry = _SPECIAL_OPTIONS if token in special else {}
            entries.append((ADDED_TOKENS, token, index, entry))
        for name, token, index, entry in entries:
            options = {option: entry.get(option, usual) for option, usual in _OPTIONS.items()}
            are_valid = all(isinstance(option, bool) for option in options.values())
            if not isinstance(token, str) or type(index) is not int or not are_valid:
                raise TypeError
            yield name, token, index, options
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DataError(
            f"{os.path.join(folder, name)}: has broken added tokens; expected each with its id"
        ) from None


def _check_line(piece: str, path: str) -> None:
    """Raises DataError for a piece that a line of ``vocab.txt`` can't hold."""
    if not piece or piece != piece.strip(" \t") or "\n" in piece or "\r" in piece:
        raise DataError(
            f"{path}: holds the piece {piece!r}, which no line of {VOCABULARY} can hold; expected "
            "pieces without line ends, and without blanks at their ends"
        )


def write(
    folder: str,
    pieces: Sequence[str],
    do_lower_case: bool,
    max_length: int,
    added: Mapping[str, AddedToken] = MappingProxyType({}),
) -> list[str]:
    """Writes the four files, and ``added_tokens.json`` where tokens follow the vocabulary.

    Args:
        folder: where to; it exists.
        pieces: the vocabulary, in the order of its ids.
        do_lower_case: whether text is lower-cased and stripped of accents.
        max_length: longest sequence of the model, in tokens.
        added: those of the pieces that are looked for first.

    Returns:
        The names of the files.

    Raises:
        DataError: a piece is there twice, or a special one isn't.
    """
    ids = Vocabulary(pieces, os.path.join(folder, VOCABULARY)).ids
    count = len(pieces)
    while count and pieces[count - 1] in added and not added[pieces[count - 1]].in_vocabulary:
        count -= 1
    vocabulary = Vocabulary(pieces[:count], os.path.join(folder, VOCABULARY))
    missing = [piece for piece in SPECIAL_TOKENS if piece not in vocabulary]
    if missing:
        raise DataError(f"{vocabulary.path}: lacks {list_few(missing)}; expected a vocabulary")
    options = dict.fromkeys(SPECIAL_TOKENS, _SPECIAL_OPTIONS)
    options.update((token, entry.options) for token, entry in added.items())
    decoder = {
        ids[token]: {"content": token, **options[token]}
        for token in sorted(options, key=ids.__getitem__)
    }
    special = [
        entry["content"]
        for entry in decoder.values()
        if entry["special"] and entry["content"] not in SPECIAL_TOKENS
    ]
    special_map = {**SPECIAL, **({"additional_special_tokens": special} if special else {})}
    settings = {
        "added_tokens_decoder": {str(index): entry for index, entry in decoder.items()},
        "clean_up_tokenization_spaces": True,
        "do_lower_case": do_lower_case,
        "model_max_length": max_length,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "tokenizer_class": "BertTokenizer",
        **special_map,
    }
    contents: dict[str, str] = {
        VOCABULARY: "".join(f"{piece}\n" for piece in vocabulary.pieces),
        _CONFIG: format_json(settings),
        _FAST: format_json(_fast_tokenizer(vocabulary, do_lower_case, decoder)),
        "special_tokens_map.json": format_json(special_map),
    }
    if count < len(pieces):
        contents[ADDED_TOKENS] = format_json({token: ids[token] for token in pieces[count:]})
    for name, text in contents.items():
        files.write_text(os.path.join(folder, name), text)
    return list(contents)


def _fast_tokenizer(
    vocabulary: Vocabulary, do_lower_case: bool, added: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns the content of ``tokenizer.json``: what BertTokenizerFast is, step by step."""
    cls = {"SpecialToken": {"id": CLS, "type_id": 0}}
    sep, second_sep = ({"SpecialToken": {"id": SEP, "type_id": number}} for number in (0, 1))
    first, second = ({"Sequence": {"id": name, "type_id": n}} for n, name in enumerate("AB"))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": index, **entry} for index, entry in added.items()],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": do_lower_case,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [cls, first, sep],
            "pair": [cls, first, sep, second, second_sep],
            "special_tokens": {
                token: {"id": token, "ids": [vocabulary.ids[token]], "tokens": [token]}
                for token in (CLS, SEP)
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": UNK,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": _MAX_CHARS_PER_WORD,
            "vocab": vocabulary.ids,
        },
    }


def _read_pieces(fast: Mapping[str, Any], path: str, vocab_file: str) -> list[str]:
    """Returns the vocabulary that a ``tokenizer.json`` holds."""
    if not os.path.exists(path):
        raise DataError(f"{vocab_file}: no such file; expected the vocabulary of the model")
    try:
        model = fast["model"]
        by_id = {index: piece for piece, index in model["vocab"].items()}
        whole = model["type"] == "WordPiece" and all(type(index) is int for index in by_id)
        whole = whole and sorted(by_id) == list(range(len(model["vocab"])))
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise DataError(f"{path}: holds no WordPiece vocabulary; expected that of a BERT")
    pieces = [by_id[index] for index in range(len(by_id))]
    missing = [piece for piece in SPECIAL_TOKENS if piece not in model["vocab"]]
    if missing:
        raise DataError(f"{path}: lacks {list_few(missing)}; expected the vocabulary of a BERT")
    for piece in pieces:
        _check_line(piece, path)
    return pieces


def _read(folder: str, name: str) -> dict[str, Any]:
    """Returns the object in a file of JSON; an empty one without such a file."""
    path = os.path.join(folder, name)
    return read_object(path) if os.path.exists(path) else {}
