"""The files by which Hugging Face's libraries cut text up as this toolkit does."""

import json
import os
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.text.vocabulary import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK, Vocabulary

VOCABULARY = "vocab.txt"
NAMES = (VOCABULARY, "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json")
# Where Hugging Face's libraries put tokens that were added to a vocabulary.
ADDED_TOKENS = "added_tokens.json"
_SPECIAL = {
    "pad_token": PAD,
    "unk_token": UNK,
    "cls_token": CLS,
    "sep_token": SEP,
    "mask_token": MASK,
}
# A longer word becomes [UNK]: what both of their tokenizers have by default.
_MAX_CHARS_PER_WORD = 100


class TokenizerFiles(NamedTuple):
    """How a folder's model wants its text.

    Attributes:
        vocabulary: the pieces, in the order of their ids.
        do_lower_case: whether text is lower-cased and stripped of accents.
        notes: what this toolkit's tokenizer does otherwise, in sentences.
    """

    vocabulary: List[str]
    do_lower_case: bool
    notes: List[str]


def read(folder: str) -> TokenizerFiles:
    """Reads ``vocab.txt`` (or where there is none ``tokenizer.json``) and how text is cut up.

    Raises:
        DataError: the vocabulary or a file is missing, broken or no BERT's.
    """
    settings = _read_object(os.path.join(folder, "tokenizer_config.json"))
    notes = [
        f"tokenizer_config.json says {name} {settings[name]!r}, which this toolkit's tokenizer "
        f"has not: it works as with {ours!r}"
        for name, ours in (("strip_accents", None), ("tokenize_chinese_chars", True))
        if settings.get(name, ours) is not ours
    ]
    kind = str(settings.get("tokenizer_class") or "BertTokenizer")
    if kind not in ("BertTokenizer", "BertTokenizerFast"):
        notes.append(f"its tokenizer is a {kind}, which may cut text up in another way")
    path = os.path.join(folder, VOCABULARY)
    if os.path.exists(path):
        pieces = Vocabulary.from_file(path).pieces
    else:
        pieces = _pieces_of_tokenizer(os.path.join(folder, "tokenizer.json"), path)
    added = _read_object(os.path.join(folder, ADDED_TOKENS))
    beyond = sorted((index, token) for token, index in added.items() if token not in pieces)
    if [index for index, _ in beyond] != list(range(len(pieces), len(pieces) + len(beyond))):
        raise DataError(
            f"{os.path.join(folder, ADDED_TOKENS)}: has ids {[index for index, _ in beyond]}; "
            f"expected {len(pieces)} and those that follow"
        )
    if beyond:
        notes.append(f"{len(beyond)} tokens of {ADDED_TOKENS} are the last of the vocabulary")
    do_lower_case = settings.get("do_lower_case", True)
    return TokenizerFiles([*pieces, *(token for _, token in beyond)], bool(do_lower_case), notes)


def write(folder: str, pieces: Sequence[str], do_lower_case: bool, max_length: int) -> None:
    """Writes the four files.

    Args:
        folder: where to; it exists.
        pieces: the vocabulary, in the order of its ids; each once, the special ones among them.
        do_lower_case: whether text is lower-cased and stripped of accents.
        max_length: longest sequence of the model, in tokens.

    Raises:
        DataError: a piece stands there twice, or a special one doesn't.
    """
    vocabulary = Vocabulary(pieces, os.path.join(folder, VOCABULARY))
    missing = [piece for piece in SPECIAL_TOKENS if piece not in vocabulary]
    if missing:
        raise DataError(f"{vocabulary.path}: lacks {', '.join(missing)}; expected a vocabulary")
    settings = {
        "added_tokens_decoder": {str(vocabulary.ids[t]): _added(t) for t in _SPECIAL.values()},
        "clean_up_tokenization_spaces": True,
        "do_lower_case": do_lower_case,
        "model_max_length": max_length,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "tokenizer_class": "BertTokenizer",
        **_SPECIAL,
    }
    contents: Mapping[str, str] = {
        VOCABULARY: "".join(f"{piece}\n" for piece in vocabulary.pieces),
        "tokenizer_config.json": _json(settings),
        "tokenizer.json": _json(_fast_tokenizer(vocabulary, do_lower_case)),
        "special_tokens_map.json": _json(_SPECIAL),
    }
    for name, text in contents.items():
        files.write_text(os.path.join(folder, name), text)


def _fast_tokenizer(vocabulary: Vocabulary, do_lower_case: bool) -> Dict[str, Any]:
    """Returns the content of ``tokenizer.json``: what BertTokenizerFast is, step by step."""
    cls, sep = ({"SpecialToken": {"id": CLS, "type_id": 0}}, _separator(0))
    first, second = ({"Sequence": {"id": name, "type_id": n}} for n, name in enumerate("AB"))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": index, **_added(token)}
            for index, token in sorted((vocabulary.ids[t], t) for t in _SPECIAL.values())
        ],
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
            "pair": [cls, first, sep, second, _separator(1)],
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


def _separator(segment: int) -> Dict[str, Any]:
    return {"SpecialToken": {"id": SEP, "type_id": segment}}


def _added(token: str) -> Dict[str, Any]:
    return {
        "content": token,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def _pieces_of_tokenizer(path: str, vocab_file: str) -> List[str]:
    """Returns the vocabulary that a ``tokenizer.json`` holds."""
    if not os.path.exists(path):
        raise DataError(f"{vocab_file}: no such file; expected the vocabulary of the model")
    try:
        model = _read_object(path)["model"]
        by_id = {index: piece for piece, index in model["vocab"].items()}
        whole = model["type"] == "WordPiece" and sorted(by_id) == list(range(len(by_id)))
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise DataError(f"{path}: holds no WordPiece vocabulary; expected that of a BERT")
    pieces = [by_id[index] for index in range(len(by_id))]
    missing = [piece for piece in SPECIAL_TOKENS if piece not in pieces]
    if missing:
        raise DataError(f"{path}: lacks {', '.join(missing)}; expected the vocabulary of a BERT")
    return pieces


def _read_object(path: str) -> Dict[str, Any]:
    """Returns the object in a file of JSON; an empty one where there is no such file."""
    if not os.path.exists(path):
        return {}
    try:
        values = json.loads(files.read_bytes(path))
    except ValueError as error:
        raise DataError(f"{path}: is broken: {error}; expected JSON") from None
    if not isinstance(values, dict):
        raise DataError(f"{path}: a JSON {type(values).__name__}; expected an object")
    return values


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
