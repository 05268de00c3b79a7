"""Texts to extract features from: a file of one text a line, or a pair ``a ||| b``."""

from collections.abc import Iterable, Iterator

from bert_wwm.core import files
from bert_wwm.tasks.examples import Sentence

_BETWEEN = " ||| "
_BLOCK_CHARACTERS = 1_000_000  # a block that has as many is full


def read_texts(path: str) -> Iterator[Sentence]:
    """Yields the text, or the pair of texts, of every line, empty ones too.

    Lines are read as google-research/bert's ``extract_features.py`` reads them: without white space
    at their ends, and split at the last `` ||| ``.
    """
    for number, line in enumerate(files.read_lines(path), 1):
        first, between, second = line.strip().rpartition(_BETWEEN)
        if between:
            yield Sentence(str(number), first, second)
        else:
            yield Sentence(str(number), second)


def split_into_blocks(texts: Iterable[Sentence], most_texts: int) -> Iterator[list[Sentence]]:
    """Yields texts in blocks, in their order; very long texts make smaller blocks."""
    block: list[Sentence] = []
    characters = 0
    for text in texts:
        block.append(text)
        characters += len(text.text_a) + len(text.text_b or "")
        if len(block) == most_texts or characters >= _BLOCK_CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block
