"""google-research/bert's ``tokenization``, name for name.

The code lives in ``bert_wwm/text``: ``google.py`` holds these names; ``tokenizer.py`` is the
tokenizer of the toolkit's programs, which gives the same pieces faster and knows their offsets.
"""

from bert_wwm.text import characters
from bert_wwm.text.google import (
    BasicTokenizer,
    FullTokenizer,
    WordpieceTokenizer,
    convert_by_vocab,
    convert_ids_to_tokens,
    convert_to_unicode,
    convert_tokens_to_ids,
    load_vocab,
    printable_text,
    validate_case_matches_checkpoint,
    whitespace_tokenize,
)

__all__ = [
    "BasicTokenizer",
    "FullTokenizer",
    "WordpieceTokenizer",
    "convert_by_vocab",
    "convert_ids_to_tokens",
    "convert_to_unicode",
    "convert_tokens_to_ids",
    "load_vocab",
    "printable_text",
    "validate_case_matches_checkpoint",
    "whitespace_tokenize",
]

# Not public, but google-research/bert's tests and those who copied from it call them.
_is_control = characters.is_control
_is_punctuation = characters.is_punctuation
_is_whitespace = characters.is_whitespace
