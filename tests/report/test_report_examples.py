import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.masking.corruption import Kind
from bert_wwm.report.examples import parse_examples
from bert_wwm.segmentation.segmenters import Annotated, Segmenter, make_segmenter
from bert_wwm.text.vocabulary import Vocabulary


class Pairs(Segmenter):
    """Two characters are a word, from the left; it keeps what it read."""

    def __init__(self):
        self.read = []

    def annotate(self, sentences, tasks):
        self.read += sentences
        return [
            Annotated([(start, min(start + 2, len(text))) for start in range(0, len(text), 2)], {})
            for text in sentences
        ]

    def describe(self, tasks=()):
        return {"name": "pairs"}


@pytest.fixture
def vocabulary(vocab_file):
    return Vocabulary.from_file(vocab_file)


@pytest.fixture
def record(vocabulary):
    """[CLS] 使 用 [UNK] [SEP] 我 们 [SEP] with two of four places for predictions used."""

    def make(shown="[CLS] 使 [MASK] [UNK] [SEP] 我 大 [SEP]", **fields):
        ids = [vocabulary.ids[piece] for piece in shown.split()]
        return {
            "input_ids": [*ids, 0, 0],
            "input_mask": [1] * len(ids) + [0, 0],
            "segment_ids": [0] * 10,
            "masked_lm_positions": [2, 6, 0, 0],
            "masked_lm_ids": [vocabulary.ids["用"], vocabulary.ids["们"], 0, 0],
            "masked_lm_weights": [1.0, 1.0, 0.0, 0.0],
            **fields,
        }

    return make


def parse(record, vocabulary, segmenter=None, strategy=None):
    segmenter = segmenter or make_segmenter("characters")
    ((example,),) = parse_examples([record], ["a record 0"], vocabulary, segmenter, strategy)
    return example


def test_originals_are_put_back(record, vocabulary):
    example = parse(record(next_sentence_labels=[1]), vocabulary)
    assert " ".join(example.originals) == "[CLS] 使 用 [UNK] [SEP] 我 们 [SEP]"
    assert " ".join(example.shown) == "[CLS] 使 [MASK] [UNK] [SEP] 我 大 [SEP]"
    assert example.kinds == {2: Kind.MASK, 6: Kind.RANDOM}
    assert example.segments == [(1, 4), (5, 7)]
    assert (example.num_pieces, example.max_seq_length, example.pair_label) == (5, 10, 1)
    assert example.words == [(1, 2), (2, 3), (3, 4), (5, 6), (6, 7)]
    assert example.labels == {}


def test_words_are_of_the_originals_and_end_with_a_segment(record, vocabulary):
    segmenter = Pairs()
    example = parse(record(), vocabulary, segmenter)
    assert segmenter.read == ["使用〓", "我们"]
    assert example.words == [(1, 3), (3, 4), (5, 7)]


def test_words_that_do_not_fit_the_pieces_are_pieces(vocabulary, record):
    shown = "[CLS] 2019 [MASK] 年 [SEP] 我 大 [SEP]"
    example = parse(record(shown), vocabulary, Pairs())
    assert example.words == [(1, 2), (2, 3), (3, 4), (5, 7)]


def test_latin_words_are_parted_by_blanks(vocabulary, record):
    segmenter = Pairs()
    parse(
        record("[CLS] be ##rt a [SEP] a [MASK] [SEP]", masked_lm_weights=[0.0] * 4),
        vocabulary,
        segmenter,
    )
    assert segmenter.read == ["bert a", "a [MASK]"]


@pytest.mark.parametrize(
    "shown, strategy, fields, kind",
    [
        ("们", "wwm", {}, Kind.KEPT),
        ("大", "wwm", {}, Kind.RANDOM),
        ("大", "macbert", {}, Kind.SIMILAR),
        ("大", "pert", {"target_positions": [6, 2, 0, 0]}, Kind.MOVED),
        ("大", None, {"target_positions": [6, 2, 0, 0]}, Kind.MOVED),
        ("[SEP]", "wwm", {}, Kind.RANDOM),
    ],
)
def test_what_became_of_a_piece(record, vocabulary, shown, strategy, fields, kind):
    features = record(f"[CLS] 使 [MASK] [UNK] [SEP] 我 {shown} [SEP]", **fields)
    example = parse(features, vocabulary, strategy=strategy)
    assert example.kinds == {2: Kind.MASK, 6: kind}
    assert example.segments == [(1, 4), (5, 7)]
    assert example.labels == {name: values[:2] for name, values in fields.items()}


def test_one_segment(record, vocabulary):
    features = record("[CLS] 使 [MASK] 语 我 大 大 [SEP]")
    assert parse(features, vocabulary).segments == [(1, 7)]


def test_each_instance_of_a_packed_record_is_an_example(record, vocabulary):
    packed = record(
        "[CLS] 使 [MASK] [SEP] [CLS] 我 大 [SEP]",
        next_sentence_labels=[1, 0],
        instance_starts=[0, 4],
        target_positions=[1, 5, 0, 0],
    )
    segmenter = make_segmenter("characters")
    single = record()
    (first, second), (other,) = parse_examples(
        [packed, single], ["a record 0", "a record 1"], vocabulary, segmenter, None
    )
    assert [first.where, second.where, other.where] == [
        "a record 0, instance 1 of 2",
        "a record 0, instance 2 of 2",
        "a record 1",
    ]
    assert " ".join(second.originals) == "[CLS] 我 们 [SEP]"
    assert (first.kinds, second.kinds) == ({2: Kind.MASK}, {2: Kind.MOVED})
    assert (first.words, second.words) == ([(1, 2), (2, 3)],) * 2
    assert (first.pair_label, second.pair_label, second.max_seq_length) == (1, 0, 10)
    assert (first.labels, second.labels) == ({"target_positions": [1]},) * 2


@pytest.mark.parametrize("field, value", [("masked_lm_positions", 8), ("masked_lm_ids", 1000)])
def test_a_prediction_out_of_range_is_refused(record, vocabulary, field, value):
    features = record()
    features[field][1] = value
    with pytest.raises(DataError, match=f"a record 0: predicts .*{value}.*8 positions"):
        parse(features, vocabulary)
