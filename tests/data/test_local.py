import itertools

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.data.examples import ExampleMaker, ExampleSettings
from bert_wwm.data.local import BlockMaker
from bert_wwm.text.corpus import Document
from bert_wwm.text.segmenters import make_segmenter
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

DOCUMENTS = [
    Document(["我们在学习。", "今天天气很不错！"] * 5, "f", 1),
    Document(["使用语言模型。"] * 6, "f", 12),
    Document(["中国人民大家好。"], "f", 19),
]


@pytest.fixture
def maker_parts(vocab_file):
    vocabulary = Vocabulary.from_file(vocab_file)
    settings = ExampleSettings("whole_word", 24, 4, 0.15, 0.1, seed=1)
    return (
        Tokenizer(vocabulary),
        make_segmenter("characters"),
        ExampleMaker(vocabulary, settings),
    )


@pytest.fixture
def maker(maker_parts):
    return BlockMaker(*maker_parts, dupe_factor=3, encode=lambda f: repr(f).encode())


def test_records_hang_on_the_block_alone(maker):
    records, counts = maker.records(0, DOCUMENTS)
    assert len(records) == counts.instances > 9
    assert counts.documents == 3
    maker.records(5, DOCUMENTS)  # other work in between
    assert maker.records(0, DOCUMENTS)[0] == records
    # Another block draws otherwise, not only in another order.
    assert set(maker.records(1, DOCUMENTS)[0]) != set(records)


def test_records_are_in_random_order(maker_parts):
    numbers = itertools.count()
    in_order = BlockMaker(*maker_parts, dupe_factor=3, encode=lambda _: next(numbers))
    records, _ = in_order.records(0, DOCUMENTS)
    assert sorted(records) == list(range(len(records)))
    assert records != sorted(records)


def test_every_pass_has_masks_of_its_own(maker):
    records, _ = maker.records(0, DOCUMENTS)
    assert len(set(records)) > 0.9 * len(records)


def test_progress_reaches_the_end(maker):
    told = []
    records, _ = maker.records(0, DOCUMENTS, lambda *progress: told.append(progress))
    assert [fraction for fraction, _ in told] == [0.25, 0.5, 0.75, 1.0]
    assert told[-1] == (1.0, len(records))


def test_a_single_document_is_refused(maker):
    with pytest.raises(DataError, match="f:12: 1 document with text; next sentence prediction"):
        maker.records(0, DOCUMENTS[1:2])
