"""Blocks of documents to records, in this process."""

from typing import Callable, List, Sequence, Tuple

from bert_wwm.core.errors import DataError
from bert_wwm.core.seeding import permutation, rng_for
from bert_wwm.data.counts import Counts
from bert_wwm.data.examples import ExampleMaker, Features
from bert_wwm.data.tokenized import tokenize_documents
from bert_wwm.text.corpus import Document
from bert_wwm.text.segmenters import Segmenter
from bert_wwm.text.tokenizer import Tokenizer


class BlockMaker:
    """Turns blocks of documents into encoded examples.

    Args:
        tokenizer: sentences to pieces.
        segmenter: sentences to words.
        maker: documents to examples.
        dupe_factor: number of passes over each document, each with other masks.
        encode: features to the bytes of a record.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        segmenter: Segmenter,
        maker: ExampleMaker,
        dupe_factor: int,
        encode: Callable[[Features], bytes],
    ):
        self._tokenizer = tokenizer
        self._segmenter = segmenter
        self._maker = maker
        self._dupe_factor = dupe_factor
        self._encode = encode

    def records(
        self,
        number: int,
        documents: Sequence[Document],
        progress: Callable[[float, int], None] = lambda fraction, instances: None,
    ) -> Tuple[List[bytes], Counts]:
        """Returns the records of a block in random order, and what was counted.

        Args:
            number: the block's number within the corpus.
            documents: the block's documents.
            progress: is told now and then what fraction of the block is done, and how many
                instances were made of it.

        Raises:
            DataError: there are fewer than two documents with text, so that no random next
                segment can be drawn.
        """
        counts = Counts()
        settings = self._maker.settings
        block = tokenize_documents(
            documents, self._tokenizer, self._segmenter, settings.max_pieces, counts
        )
        if len(block) < 2:
            where = f"{documents[0].path}:{documents[0].line}"
            raise DataError(
                f"{where}: {len(block)} document{'s' * (len(block) != 1)} with text; next sentence "
                "prediction needs at least two: put a blank line between documents"
            )
        passes = 1 + self._dupe_factor  # the first is the tokenizing
        records: List[bytes] = []
        progress(1 / passes, 0)
        for duplicate in range(self._dupe_factor):
            for index in range(len(block)):
                examples = self._maker.examples(block, number, index, duplicate, counts)
                records.extend(map(self._encode, examples))
            progress((2 + duplicate) / passes, len(records))
        order = permutation(rng_for(settings.seed, number), len(records))
        return [records[index] for index in order], counts
