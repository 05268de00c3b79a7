"""Documents from files in google-research/bert's format, and blocks of documents.

One sentence a line, a blank line between documents; ``.gz`` files are decompressed. Unlike
google-research/bert a document never goes on in the next file.
"""

from typing import Iterable, Iterator, List, NamedTuple, Sequence

from bert_wwm.core import files

BLOCK_BYTES = 4 << 20


class Document(NamedTuple):
    """A document as it stands in its file.

    Attributes:
        sentences: its lines without surrounding white space; none is empty.
        path: the file.
        line: where it begins, counted from 1.
    """

    sentences: List[str]
    path: str
    line: int

    @property
    def size(self) -> int:
        """Bytes of its sentences in UTF-8, line ends included."""
        return sum(len(sentence.encode("utf-8")) + 1 for sentence in self.sentences)


def read_documents(paths: Sequence[str]) -> Iterator[Document]:
    """Yields the documents of files in their order. Raises DataError (``path:line``)."""
    for path in paths:
        sentences: List[str] = []
        first = 0
        for number, line in enumerate(files.read_lines(path), 1):
            sentence = line.strip()
            if sentence:
                if not sentences:
                    first = number
                sentences.append(sentence)
            elif sentences:
                yield Document(sentences, path, first)
                sentences = []
        if sentences:
            yield Document(sentences, path, first)


def blocks(
    documents: Iterable[Document], block_bytes: int = BLOCK_BYTES
) -> Iterator[List[Document]]:
    """Cuts a corpus into blocks of whole documents.

    A block is closed by the document that fills it, once it has two (the random sentences of next
    sentence prediction come from other documents of the block). A rest that is less than half a
    block, or a single document, joins the block before it. So the blocks depend on the corpus
    alone.

    Args:
        documents: the corpus.
        block_bytes: size of a block in bytes of UTF-8.
    """
    closed: List[Document] = []
    block: List[Document] = []
    size = 0
    for document in documents:
        block.append(document)
        size += document.size
        if size >= block_bytes and len(block) > 1:
            if closed:
                yield closed
            closed, block, size = block, [], 0
    if closed and (len(block) < 2 or size < block_bytes // 2):
        closed += block
        block = []
    if closed:
        yield closed
    if block:
        yield block
