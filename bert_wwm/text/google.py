"""google-research/bert's ``tokenization`` interface, of strings rather than offsets.

The toolkit's programs use ``tokenizer.py``, which gives the same pieces faster. The classes here
work step by step, so that other programs can call, replace and configure each step.
"""

import collections
import os
import re
from collections.abc import Container, Iterable, Mapping

from bert_wwm.text import characters, unicode11
from bert_wwm.text.tokenizer import MAX_CHARS_PER_WORD
from bert_wwm.text.vocabulary import UNK, Vocabulary

# Released folders by the casing of their vocabulary.
_CASED = re.compile(r"(multi_)?cased_L-\d+_H-\d+_A-\d+")
_UNCASED = re.compile(r"(uncased|multilingual|chinese)_L-\d+_H-\d+_A-\d+")


def validate_case_matches_checkpoint(do_lower_case: bool, init_checkpoint: str | None) -> None:
    """Raises ValueError where a checkpoint's folder is named for the other casing."""
    if not init_checkpoint or os.path.basename(init_checkpoint) != "bert_model.ckpt":
        return
    folder = os.path.basename(os.path.dirname(init_checkpoint))
    wrong = _UNCASED if not do_lower_case else _CASED
    if wrong.fullmatch(folder):
        raise ValueError(
            f"--do_lower_case={do_lower_case} with --init_checkpoint={init_checkpoint}: "
            f"{folder} was pretrained with --do_lower_case={not do_lower_case}"
        )


def convert_to_unicode(text: str | bytes) -> str:
    """Returns a string; bytes are decoded as UTF-8, without those that are not UTF-8."""
    if isinstance(text, str):
        return text
    if isinstance(text, bytes):
        return text.decode("utf-8", "ignore")
    raise ValueError(f"expected str or bytes, not {type(text).__name__}")


printable_text = convert_to_unicode  # on Python 3 what can be printed is a string


def load_vocab(vocab_file: str) -> dict[str, int]:
    """Reads ``vocab.txt`` into an ordered dictionary from piece to id."""
    return collections.OrderedDict(Vocabulary.from_file(vocab_file, required=()).ids)


def convert_by_vocab(vocab: Mapping, items: Iterable) -> list:
    """Looks each item up. Raises KeyError for one that is not there."""
    return [vocab[item] for item in items]


def convert_tokens_to_ids(vocab: Mapping[str, int], tokens: Iterable[str]) -> list[int]:
    return convert_by_vocab(vocab, tokens)


def convert_ids_to_tokens(inv_vocab: Mapping[int, str], ids: Iterable[int]) -> list[str]:
    return convert_by_vocab(inv_vocab, ids)


def whitespace_tokenize(text: str) -> list[str]:
    """Splits at white space of every kind."""
    return text.split()


class FullTokenizer:
    """Basic tokenization, then wordpieces."""

    def __init__(self, vocab_file: str, do_lower_case: bool = True):
        self.vocab = load_vocab(vocab_file)
        self.inv_vocab = {index: piece for piece, index in self.vocab.items()}
        self.basic_tokenizer = BasicTokenizer(do_lower_case=do_lower_case)
        self.wordpiece_tokenizer = WordpieceTokenizer(vocab=self.vocab)

    def tokenize(self, text: str | bytes) -> list[str]:
        words = self.basic_tokenizer.tokenize(text)
        return [piece for word in words for piece in self.wordpiece_tokenizer.tokenize(word)]

    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        return convert_tokens_to_ids(self.vocab, tokens)

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        return convert_ids_to_tokens(self.inv_vocab, ids)


class BasicTokenizer:
    """Cleaning, lower-casing, and splitting at white space, punctuation and ideographs.

    Each step is a method that ``tokenize`` calls, under google-research/bert's name: programs call
    them, and replace them in subclasses or on an instance.
    """

    def __init__(self, do_lower_case: bool = True):
        self.do_lower_case = do_lower_case

    def tokenize(self, text: str | bytes) -> list[str]:
        text = self._clean_text(convert_to_unicode(text))
        words: list[str] = []
        for word in whitespace_tokenize(self._tokenize_chinese_chars(text)):
            if self.do_lower_case:
                word = self._run_strip_accents(unicode11.lower(word))
            words += self._run_split_on_punc(word)
        return whitespace_tokenize(" ".join(words))

    def _clean_text(self, text: str) -> str:
        """Drops control characters and U+FFFD, and makes all white space spaces."""
        kept = (c for c in text if c not in "\0\ufffd" and not characters.is_control(c))
        return "".join(" " if characters.is_whitespace(c) else c for c in kept)

    def _tokenize_chinese_chars(self, text: str) -> str:
        """Puts spaces around every ideograph."""
        return "".join(f" {c} " if self._is_chinese_char(ord(c)) else c for c in text)

    def _is_chinese_char(self, cp: int) -> bool:
        """True for the code points of CJK ideographs."""
        return characters.is_cjk(chr(cp))

    def _run_strip_accents(self, text: str) -> str:
        """Decomposes a word and drops its combining marks."""
        return "".join(c for c in unicode11.decompose(text) if unicode11.category(c) != "Mn")

    def _run_split_on_punc(self, text: str) -> list[str]:
        """Splits a word into punctuation marks and what is between them."""
        parts: list[str] = []
        joins = False  # whether the next character continues the last part
        for char in text:
            is_mark = characters.is_punctuation(char)
            if joins and not is_mark:
                parts[-1] += char
            else:
                parts.append(char)
            joins = not is_mark
        return parts


class WordpieceTokenizer:
    """Greedy longest-match-first pieces of words separated by white space.

    Attributes may be changed at any time; the next call of ``tokenize`` uses them. ``unk_token``,
    which need not be in the vocabulary, replaces a word that has no pieces or is too long.
    """

    def __init__(
        self,
        vocab: Container[str],
        unk_token: str = UNK,
        max_input_chars_per_word: int = MAX_CHARS_PER_WORD,
    ):
        self.vocab = vocab
        self.unk_token = unk_token
        self.max_input_chars_per_word = max_input_chars_per_word

    def tokenize(self, text: str | bytes) -> list[str]:
        words = whitespace_tokenize(convert_to_unicode(text))
        return [piece for word in words for piece in self._pieces(word)]

    def _pieces(self, word: str) -> list[str]:
        if len(word) > self.max_input_chars_per_word:
            return [self.unk_token]
        pieces: list[str] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if prefix + word[start:end] in self.vocab), None)
            if end is None:
                return [self.unk_token]
            pieces.append(prefix + word[start:end])
            start = end
        return pieces
