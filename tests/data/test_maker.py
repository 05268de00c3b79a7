import dataclasses
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_instances import count_instances

from bert_wwm.core import files
from bert_wwm.core.seeding import integer, rng_for
from bert_wwm.corpus import segmented
from bert_wwm.corpus.blocks import Block, Stretch
from bert_wwm.data.examples import ExampleMaker, ExampleSettings
from bert_wwm.data.maker import RecordMaker, deal_records
from bert_wwm.data.sources import SegmentedSource, TextSource
from bert_wwm.segmentation.segmenters import make_segmenter
from bert_wwm.text.bulk import BulkTokenizer
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

TEXT = (
    "我们 在 学习 。\n今天 天气 很 不错 ！\n" * 5
    + "\n"
    + "使用 语言 模型 BERT 。\n" * 6
    + "\n中国 人民 大家 好 。\n"
)


def block_of(text=TEXT, place=(0, 0)):
    return Block(place, [Stretch("f", 1, text.encode())])


def encode(features):
    """Each example as bytes."""
    table = np.concatenate([values.astype(np.int64) for values in features.values()], axis=1)
    return [row.tobytes() for row in table]


@pytest.fixture(scope="module")
def make(vocab_file):
    def make(source=None, dupe_factor=3, pairing="nsp", encode=encode, size=(24, 4), pack=False):
        vocabulary = Vocabulary.from_file(vocab_file)
        chosen = ExampleSettings("wwm", pairing, *size, 0.15, 0.1, seed=1)
        source = source or TextSource(make_segmenter("presegmented"))
        maker = ExampleMaker(vocabulary, chosen)
        tokenizer = BulkTokenizer(Tokenizer(vocabulary))
        return RecordMaker(source, tokenizer, maker, dupe_factor, encode, pack)

    return make


def test_records_hang_on_the_block_alone(make):
    maker = make()
    records, counts = maker.records(block_of())
    assert len(records) == counts.instances > 9
    assert (counts.documents, counts.sentences) == (3, 17)
    maker.records(block_of(place=(5, 0)))  # other work in between
    assert maker.records(block_of()) == (records, counts)
    copy = pickle.loads(pickle.dumps(maker))
    assert copy.records(block_of()) == (records, counts)
    # Another block draws otherwise, not only in another order.
    for place in (0, 1), (1, 0):
        assert set(maker.records(block_of(place=place))[0]) != set(records)


def test_records_of_all_passes_are_in_random_order(make):
    numbers = itertools.count()
    maker = make(encode=lambda features: [next(numbers) for _ in features["input_ids"]])
    records, _ = maker.records(block_of())
    assert sorted(records) == list(range(len(records)))
    assert records != sorted(records)
    assert records[: len(records) // 3] != sorted(records[: len(records) // 3])


def test_packed_records_hold_the_same_instances(make):
    def encode(features):
        table = zip(*(values.tolist() for values in features.values()))
        return [dict(zip(features, row)) for row in table]

    single, counts = make(encode=encode, size=(128, 20)).records(block_of())
    packed, packed_counts = make(encode=encode, size=(128, 20), pack=True).records(block_of())
    assert count_instances(packed) == count_instances(single)
    assert packed_counts == dataclasses.replace(counts, rows=len(packed))
    assert len(packed) < len(single) == counts.instances


def test_every_pass_has_masks_of_its_own(make):
    records, counts = make(dupe_factor=4).records(block_of())
    assert len(set(records)) > 0.9 * len(records)
    once, counts_once = make(dupe_factor=1).records(block_of())
    assert set(once) < set(records)
    assert counts.sentences == counts_once.sentences == 17
    assert counts.pieces == counts_once.pieces
    assert 3 * counts_once.instances < counts.instances < 5 * counts_once.instances


def test_a_segmented_corpus_gives_the_records_of_its_text(make):
    source = TextSource(make_segmenter("presegmented"))
    found = source.segment(block_of(place=(2, 7)))
    lines = segmented.format_block((2, 7), found).partition(b"\n")[2]
    block = Block((2, 7), [Stretch("f", 3, lines)])
    from_text = make(source).records(block_of(place=(2, 7)))
    assert make(SegmentedSource()).records(block) == from_text


def test_a_document_without_another_gives_no_pairs_and_is_counted(make):
    records, counts = make().records(block_of("我们 在 学习 。\n" * 5))
    assert (records, counts.instances, counts.documents_alone) == ([], 0, 3)
    records, counts = make(pairing="single").records(block_of("我们 在 学习 。\n" * 5))
    assert len(records) == counts.instances > 0


def test_a_block_without_text_gives_nothing(make):
    for text in "", "\n \n", "\x00\n":
        records, counts = make().records(block_of(text))
        assert (records, counts.documents) == ([], 0)


class Numbers:
    """Stands for a maker: records are their numbers."""

    def __init__(self, count):
        self.count = count

    def records(self, block):
        return [b"%d " % number for number in range(self.count)], self.count


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 9), st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_records_are_dealt_out_to_the_shards(count, num_shards, place):
    block = block_of(place=place)
    payloads, records, counts = deal_records(
        Numbers(count), num_shards, lambda record: b"<" + record, bytes, block
    )
    assert counts == count
    dealt = [[int(number) for number in payload.split(b"<")[1:]] for payload in payloads]
    assert [len(numbers) for numbers in dealt] == records
    assert sorted(itertools.chain.from_iterable(dealt)) == list(range(count))
    first = integer(rng_for(*place), num_shards)
    for number in range(min(count, num_shards)):
        assert dealt[(first + number) % num_shards][0] == number


def test_each_block_begins_with_another_shard():
    blocks = (block_of(place=(0, number)) for number in range(400))
    dealt = [deal_records(Numbers(1), 4, bytes, bytes, block).records for block in blocks]
    totals = np.sum(dealt, axis=0)
    assert totals.sum() == 400
    assert (abs(totals - 100) < 45).all()  # five standard deviations


def test_a_shard_that_gets_nothing_stays_without_a_member():
    payloads, records, _ = deal_records(Numbers(2), 4, bytes, files.compress, block_of())
    assert sorted(records) == [0, 0, 1, 1]
    for payload, count in zip(payloads, records):
        assert bool(payload) == bool(count)
