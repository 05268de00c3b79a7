import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.segmentation.alignment import word_lengths
from bert_wwm.text.tokenizer import Piece, Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

TOKENIZER = Tokenizer(
    Vocabulary(
        "[PAD] [UNK] [CLS] [SEP] [MASK] 使 用 语 言 be ##rt pro ##ba ##bility a ##a 1 ##1".split()
    )
)


def spans(text: str, *words: str):
    result, end = [], 0
    for word in words:
        result.append((end, end + len(word)))
        end += len(word)
    assert end == len(text)
    return result


def lengths(text, *words):
    return word_lengths(TOKENIZER.tokenize(text), spans(text, *words))


def test_the_pieces_of_a_word_belong_together():
    assert lengths("使用语言 Probability", "使用", "语言", " ", "Probability") == [2, 2, 3]


def test_english_pieces_may_be_parted_by_words():
    assert lengths("BERT使", "BE", "RT使") == [1, 2]


def test_a_piece_over_the_end_of_its_word_cannot_be_aligned():
    assert lengths("使BERT", "使B", "ERT") is None
    assert lengths("☃☃", "☃", "☃") is None  # one [UNK] over both


def test_a_sentence_without_words_cannot_be_aligned():
    assert word_lengths(TOKENIZER.tokenize("使用"), None) is None


def test_no_pieces_no_words():
    assert word_lengths([], [(0, 1)]) == []


@st.composite
def segmented(draw):
    text = draw(st.text(st.sampled_from("使用语言BERTa1 ,☃\u200b"), max_size=30))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)))) | {0, len(text)})
    return text, [(a, b) for a, b in itertools.pairwise(cuts) if b <= len(text)]


@given(segmented())
def test_words_tile_the_pieces_and_none_is_crossed(case):
    text, words = case
    pieces = TOKENIZER.tokenize(text)
    result = word_lengths(pieces, words)
    owners = [[n for n, (a, b) in enumerate(words) if a < p.end and p.start < b] for p in pieces]
    if result is None:
        assert any(len(owner) > 1 for owner in owners)
        return
    assert sum(result) == len(pieces)
    assert all(length > 0 for length in result)
    expected = [owner[0] for owner in owners]
    found = [n for n, length in enumerate(result) for _ in range(length)]
    same_word = [a == b for a, b in itertools.pairwise(expected)]
    assert same_word == [a == b for a, b in itertools.pairwise(found)]


def test_pieces_that_are_not_those_of_the_text_are_a_bug():
    with pytest.raises(StopIteration):
        word_lengths([Piece("使", 5, 3, 4)], [(0, 1)])
