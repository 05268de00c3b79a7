"""The configuration of BERT (Devlin et al. 2018, arXiv 1810.04805), as in ``bert_config.json``."""

import copy
import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

from bert_wwm.core.choices import GELU_FORMS
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import read_object
from bert_wwm.model.layers import get_activation

_NUMBERS = (int, float)  # of JSON, without bool

# What a value has to be, and the names of those that have to be that.
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "a positive integer": (
        lambda value: type(value) is int and value >= 1,
        "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
        "max_position_embeddings type_vocab_size",
    ),
    "a number from 0 to below 1": (
        lambda value: type(value) in _NUMBERS and 0 <= value < 1,
        "hidden_dropout_prob attention_probs_dropout_prob",
    ),
    "a number from 0 up": (
        lambda value: type(value) in _NUMBERS and 0 <= value < math.inf,
        "initializer_range",
    ),
    "a name": (lambda value: isinstance(value, (str, type(None))), "hidden_act"),
}


@dataclasses.dataclass(eq=False)
class BertConfig:
    """The size and make of a model. Weights start from a truncated normal distribution."""

    vocab_size: Any  # V, rows of the word embeddings
    hidden_size: int = 768  # H
    num_hidden_layers: int = 12
    num_attention_heads: int = 12  # a divisor of H
    intermediate_size: int = 3072  # width of the feed-forward layers
    # Of the feed-forward layers and the masked LM head: as ``get_activation`` takes it.
    hidden_act: Any = "gelu"
    hidden_dropout_prob: float = 0.1  # fraction of the hidden states that dropout drops
    attention_probs_dropout_prob: float = 0.1  # the same of the attention weights
    max_position_embeddings: int = 512  # longest sequence, in tokens
    type_vocab_size: int = 16  # number of segments
    initializer_range: float = 0.02  # standard deviation of initial weights

    @classmethod
    def from_dict(cls, json_object: dict[str, Any]) -> "BertConfig":
        """Returns the configuration with these values; keys it doesn't know become attributes."""
        config = cls(vocab_size=None)
        config.__dict__.update(json_object)
        return config

    @classmethod
    def from_json_file(cls, json_file: str) -> "BertConfig":
        """Reads a ``bert_config.json``; raises ConfigError for one that no model can have."""
        try:
            values = read_object(json_file)
        except DataError as error:
            raise ConfigError(f"BERT configuration {error}") from None
        if values.get("vocab_size") is None:
            raise ConfigError(f"{json_file}: vocab_size is missing from this BERT configuration")
        config = cls.from_dict(values)
        config._check(json_file)
        return config

    def _check(self, path: str) -> None:
        for expected, (is_valid, names) in _RULES.items():
            for name in names.split():
                value = getattr(self, name)
                if not is_valid(value):
                    raise ConfigError(f"{path}: {name} is {value!r}; expected {expected}")
        try:
            find_size_per_head(self)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from None
        try:
            get_activation(self.hidden_act)
        except ValueError as error:
            raise ConfigError(f"{path}: hidden_act: {error}") from None

    def with_gelu(self, form: str) -> "BertConfig":
        """Returns a copy in which "gelu" means one of ``GELU_FORMS``.

        Configuration files say ``gelu`` for both: google-research/bert computes the tanh form,
        Hugging Face and some of HFL's models the exact one. Other activations stay.
        """
        if form not in GELU_FORMS:
            raise ConfigError(f"unknown form of GELU {form!r}; known: {', '.join(GELU_FORMS)}")
        config = copy.deepcopy(self)
        if isinstance(config.hidden_act, str) and config.hidden_act.lower() == "gelu":
            config.hidden_act = f"gelu_{form}"
        return config

    def check_length(self, length: int, path: str, flag: str = "--max_seq_length") -> None:
        """Raises ConfigError if there are fewer position embeddings than tokens of a sequence.

        The message names the file of this configuration and the flag that the length is from.
        """
        if length > self.max_position_embeddings:
            raise ConfigError(
                f"{flag}={length} is more than max_position_embeddings of {path}, "
                f"{self.max_position_embeddings}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns all values, those of unknown keys too."""
        return copy.deepcopy(self.__dict__)

    def to_json_string(self) -> str:
        """Returns the text of a ``bert_config.json``."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"


def find_size_per_head(config: BertConfig) -> int:
    """Returns H / N. Raises ValueError if N doesn't divide H.

    No method, as keys of ``bert_config.json`` become attributes.
    """
    size, rest = divmod(config.hidden_size, config.num_attention_heads)
    if rest:
        raise ValueError(
            f"hidden_size {config.hidden_size} is not a multiple of num_attention_heads "
            f"{config.num_attention_heads}"
        )
    return size
