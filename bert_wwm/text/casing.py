"""Finds out whether a model needs lower-cased text."""

import os
from typing import NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import read_json
from bert_wwm.text.google import validate_case_matches_checkpoint

_KEY = "do_lower_case"
_CONFIGS = ("bert_config.json", "lert_config.json")
_TOKENIZER_CONFIG = "tokenizer_config.json"


class Casing(NamedTuple):
    """Whether a model's text is lower-cased, and the file that says so."""

    do_lower_case: bool
    path: str


def find_casing(config_file: str | None, vocab_file: str | None) -> Casing | None:
    """Looks for ``do_lower_case`` in a model's files.

    The configuration comes first, by default the one beside the vocabulary; then
    ``tokenizer_config.json`` beside the vocabulary. None if no file has the key.
    """
    if not config_file and not vocab_file:
        return None
    folder = os.path.dirname(vocab_file or config_file or "")
    configs = [config_file] if config_file else [os.path.join(folder, name) for name in _CONFIGS]
    for path in [*configs, os.path.join(folder, _TOKENIZER_CONFIG)]:
        values = read_json(path) if files.exists(path) else {}
        value = values.get(_KEY) if isinstance(values, dict) else None
        if value is None:
            continue
        if not isinstance(value, bool):
            raise DataError(f"{path}: {_KEY} is {value!r}; expected true or false")
        return Casing(value, path)
    return None


def choose_casing(
    given: bool | None,
    config_file: str | None,
    vocab_file: str | None,
    init_checkpoint: str | None = None,
) -> bool:
    """Returns whether text is lower-cased: as the flag or the model's files say, or else True.

    Raises ConfigError where the flag contradicts a file, or the result the casing in the name of a
    released folder; DataError as ``find_casing``.
    """
    found = find_casing(config_file, vocab_file)
    if found and given is not None and given != found.do_lower_case:
        raise ConfigError(
            f"--{_KEY}={given} contradicts {found.path}, which has {_KEY}: "
            f"{str(found.do_lower_case).lower()}; expected the same, or no flag"
        )
    chosen = found.do_lower_case if found else given is not False
    if init_checkpoint:  # a prefix, or the folder of a release
        for prefix in (init_checkpoint, os.path.join(init_checkpoint, "bert_model.ckpt")):
            try:
                validate_case_matches_checkpoint(chosen, prefix)
            except ValueError as error:
                raise ConfigError(str(error)) from None
    return chosen
