"""The files by which Hugging Face's libraries split text as this toolkit does."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bert_wwm.convert.pretrained import AddedToken
from bert_wwm.core import files
from bert_wwm.core.errors import DataError, list_few
from bert_wwm.core.json_files import format_json, read_object
from bert_wwm.text.vocabulary import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK, Vocabulary

VOCABULARY, _CONFIG, _FAST = "vocab.txt", "tokenizer_config.json", "tokenizer.json"
# The last one holds tokens that were added to a vocabulary.
_SPECIAL_MAP, _ADDED = "special_tokens_map.json", "added_tokens.json"
NAMES = (VOCABULARY, _CONFIG, _FAST, _SPECIAL_MAP, _ADDED)
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
    """How a folder's model wants its text: see ``Pretrained``."""

    vocabulary: list[str]
    do_lower_case: bool
    notes: list[str]  # what this toolkit's tokenizer does otherwise, in sentences
    added: dict[str, AddedToken]


def read(folder: str) -> TokenizerFiles:
    """Reads ``vocab.txt`` (or without one ``tokenizer.json``), and how text is split."""
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
    path, fast_path = os.path.join(folder, VOCABULARY), os.path.join(folder, _FAST)
    if os.path.exists(path) or not os.path.exists(fast_path):
        pieces = Vocabulary.from_file(path).pieces
    else:
        pieces = _read_pieces(fast, fast_path)
    beyond, added = _added_tokens(folder, settings, fast, Vocabulary(pieces, path))
    do_lower_case = _lower_cases(settings, fast, os.path.join(folder, _CONFIG))
    return TokenizerFiles([*pieces, *beyond], do_lower_case, notes, added)


def _lower_cases(settings: Mapping[str, Any], fast: Mapping[str, Any], path: str) -> bool:
    """Returns what the settings say, or else the first step of ``tokenizer.json``, or else yes."""
    said = settings.get("do_lower_case", True)
    if not isinstance(said, bool):
        raise DataError(f"{path}: do_lower_case is {said!r}; expected true or false")
    if "do_lower_case" in settings or "normalizer" not in fast:
        return said
    step = fast["normalizer"]
    steps = step.get("normalizers") if isinstance(step, dict) else None
    return any(
        each.get("lowercase", each.get("type") == "Lowercase") is True
        for each in (steps if isinstance(steps, list) else [step])
        if isinstance(each, dict)
    )


def _added_tokens(
    folder: str, settings: Mapping[str, Any], fast: Mapping[str, Any], vocabulary: Vocabulary
) -> tuple[list[str], dict[str, AddedToken]]:
    """Returns the added tokens that follow the vocabulary, by id, and all that are found first."""
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
        is_usual = name == _ADDED or options == _SPECIAL_OPTIONS
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
    listed = _read(folder, _ADDED)
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
            entries.append((_ADDED, token, index, entry))
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
    added: Mapping[str, AddedToken] | None = None,
) -> None:
    """Writes the files; ``added_tokens.json`` only where such tokens follow the vocabulary.

    ``max_length`` is the longest sequence of the model, in tokens.
    """
    added = added or {}
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
    special_map: dict[str, Any] = dict(SPECIAL)
    special = [token for token in added if added[token].options["special"]]
    special = sorted({*special} - {*SPECIAL_TOKENS}, key=ids.__getitem__)
    if special:
        special_map["additional_special_tokens"] = special
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
    contents = {
        VOCABULARY: "".join(f"{piece}\n" for piece in vocabulary.pieces),
        _CONFIG: format_json(settings),
        _FAST: format_json(_fast_tokenizer(vocabulary, do_lower_case, decoder)),
        _SPECIAL_MAP: format_json(special_map),
    }
    if count < len(pieces):
        contents[_ADDED] = format_json({token: ids[token] for token in pieces[count:]})
    for name, text in contents.items():
        files.write_text(os.path.join(folder, name), text)


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


def _read_pieces(fast: Mapping[str, Any], path: str) -> list[str]:
    """Returns the vocabulary that a ``tokenizer.json`` holds."""
    try:
        ids, kind = fast["model"]["vocab"], fast["model"]["type"]
        pieces = sorted(ids, key=ids.__getitem__)
        are_pieces = kind == "WordPiece" and [ids[piece] for piece in pieces] == [*range(len(ids))]
    except (KeyError, TypeError, AttributeError):
        are_pieces = False
    if not are_pieces:
        raise DataError(f"{path}: holds no WordPiece vocabulary; expected that of a BERT")
    missing = [piece for piece in SPECIAL_TOKENS if piece not in ids]
    if missing:
        raise DataError(f"{path}: lacks {list_few(missing)}; expected the vocabulary of a BERT")
    for piece in pieces:
        _check_line(piece, path)
    return pieces


def _read(folder: str, name: str) -> dict[str, Any]:
    """Returns the object in a file of JSON; an empty one without such a file."""
    path = os.path.join(folder, name)
    return read_object(path) if os.path.exists(path) else {}
