"""google-research/bert's ``tokenization`` interface, of strings rather than offsets."""

import collections
import os
import re
from typing import Dict, Iterable, List, Mapping, Optional, Union

from bert_wwm.text.characters import CharacterTable
from bert_wwm.text.tokenizer import MAX_CHARS_PER_WORD, WordPieces, basic_words
from bert_wwm.text.vocabulary import UNK, Vocabulary

# Released folders by the casing that their vocabulary wants.
_CASED = re.compile(r"(multi_)?cased_L-\d+_H-\d+_A-\d+")
_UNCASED = re.compile(r"(uncased|multilingual|chinese)_L-\d+_H-\d+_A-\d+")


def validate_case_matches_checkpoint(do_lower_case: bool, init_checkpoint: Optional[str]) -> None:
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


def convert_to_unicode(text: Union[str, bytes]) -> str:
    """Returns a string; bytes are read as UTF-8, what is not UTF-8 is left out."""
    if isinstance(text, str):
        return text
    if isinstance(text, bytes):
        return text.decode("utf-8", "ignore")
    raise ValueError(f"expected str or bytes, not {type(text).__name__}")


def printable_text(text: Union[str, bytes]) -> str:
    """The same: on Python 3 what can be printed is a string."""
    return convert_to_unicode(text)


def load_vocab(vocab_file: str) -> Dict[str, int]:
    """Reads ``vocab.txt`` into an ordered dictionary from piece to id."""
    return collections.OrderedDict(Vocabulary.from_file(vocab_file, required=()).ids)


def convert_by_vocab(vocab: Mapping, items: Iterable) -> List:
    """Looks each item up. Raises KeyError for one that is not there."""
    return [vocab[item] for item in items]


def convert_tokens_to_ids(vocab: Mapping[str, int], tokens: Iterable[str]) -> List[int]:
    return convert_by_vocab(vocab, tokens)


def convert_ids_to_tokens(inv_vocab: Mapping[int, str], ids: Iterable[int]) -> List[str]:
    return convert_by_vocab(inv_vocab, ids)


def whitespace_tokenize(text: str) -> List[str]:
    """Splits at white space of every kind."""
    return text.split()


class FullTokenizer:
    """Basic tokenization, then wordpieces.

    Attributes:
        vocab: ids by piece.
        inv_vocab: pieces by id.
    """

    def __init__(self, vocab_file: str, do_lower_case: bool = True):
        self.vocab = load_vocab(vocab_file)
        self.inv_vocab = {index: piece for piece, index in self.vocab.items()}
        self.basic_tokenizer = BasicTokenizer(do_lower_case=do_lower_case)
        self.wordpiece_tokenizer = WordpieceTokenizer(vocab=self.vocab)

    def tokenize(self, text: Union[str, bytes]) -> List[str]:
        words = self.basic_tokenizer.tokenize(text)
        return [piece for word in words for piece in self.wordpiece_tokenizer.tokenize(word)]

    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> List[int]:
        return convert_tokens_to_ids(self.vocab, tokens)

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> List[str]:
        return convert_ids_to_tokens(self.inv_vocab, ids)


class BasicTokenizer:
    """Cleaning, lower-casing, and splitting at blanks, punctuation and ideographs."""

    def __init__(self, do_lower_case: bool = True):
        self.do_lower_case = do_lower_case
        self._table = CharacterTable(do_lower_case)

    def tokenize(self, text: Union[str, bytes]) -> List[str]:
        words = basic_words(convert_to_unicode(text), self._table, self.do_lower_case)
        return [word.text for word in words]


class WordpieceTokenizer:
    """Greedy longest-match-first pieces of words parted by blanks."""

    def __init__(
        self,
        vocab: Mapping[str, int],
        unk_token: str = UNK,
        max_input_chars_per_word: int = MAX_CHARS_PER_WORD,
    ):
        self.vocab = vocab
        self.unk_token = unk_token
        self.max_input_chars_per_word = max_input_chars_per_word
        # Google's takes a vocabulary without the unknown token as long as it needs none.
        ids = {unk_token: -1, **vocab}
        self._wordpieces = WordPieces(ids, unk_token, max_input_chars_per_word)

    def tokenize(self, text: Union[str, bytes]) -> List[str]:
        words = whitespace_tokenize(convert_to_unicode(text))
        return [piece for word in words for piece, *_ in self._wordpieces[word]]
