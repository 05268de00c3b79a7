"""Documents in google-research/bert's format: one sentence a line, a blank line between documents.

Unlike in google-research/bert a document never continues in the next file, and a very long one,
such as a file without any blank line, is split: so memory stays bounded whatever the corpus.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bert_wwm.corpus.blocks import DOCUMENT_BYTES, Stretch, read_stretches


class Document(NamedTuple):
    """A document of a file."""

    sentences: list[str]  # its lines without surrounding white space; none is empty
    path: str
    line: int  # its first line, from 1
    is_rest: bool  # it continues a document that was too long

    @property
    def size(self) -> int:
        """Bytes of its sentences in UTF-8, line ends included."""
        return sum(len(sentence.encode("utf-8")) + 1 for sentence in self.sentences)


def parse_documents(stretch: Stretch) -> Iterator[Document]:
    """Yields the documents of a stretch of a file; those longer than DOCUMENT_BYTES in parts."""
    sentences: list[str] = []
    first = size = 0
    is_rest = stretch.is_rest
    for number, line in enumerate(stretch.decode().split("\n"), stretch.line):
        sentence = line.strip()
        if sentences and (not sentence or size >= DOCUMENT_BYTES):
            yield Document(sentences, stretch.path, first, is_rest)
            is_rest = bool(sentence)
            sentences, size = [], 0
        if sentence:
            if not sentences:
                first = number
            sentences.append(sentence)
            size += 3 * len(sentence)  # about its bytes
        else:
            is_rest = False
    if sentences:
        yield Document(sentences, stretch.path, first, is_rest)


def read_documents(paths: Sequence[str]) -> Iterator[Document]:
    """Yields the documents of files in their order. Raises DataError (``path:line``)."""
    for path in paths:
        for stretch in read_stretches(path):
            yield from parse_documents(stretch)
