from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.data.counts import Counts
from bert_wwm.data.tokenized import Tokens, cut, join, split, tokenize_documents
from bert_wwm.text.corpus import Document
from bert_wwm.text.segmenters import make_segmenter
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

RUNS = st.lists(st.integers(1, 9), max_size=30).map(
    lambda words: Tokens(list(range(sum(words))), words)
)


def test_words_at_the_edge_of_a_cut_keep_what_is_within():
    assert cut(Tokens([0, 1, 2, 3, 4, 5], [2, 3, 1]), 1, 4) == Tokens([1, 2, 3], [1, 2])


def test_no_word_goes_over_a_join():
    assert join([Tokens([1, 2], [2]), Tokens([3], [1])]) == Tokens([1, 2, 3], [2, 1])


@given(RUNS, st.integers(1, 12))
def test_parts_fit_and_lose_nothing(run, limit):
    parts = split(run, limit)
    assert [i for part in parts for i in part.ids] == run.ids
    assert all(len(part.ids) == sum(part.words) <= limit for part in parts)
    if max(run.words, default=0) <= limit:
        assert [n for part in parts for n in part.words] == run.words


def test_a_sentence_that_cannot_be_aligned_falls_back_and_is_counted(vocab_file):
    tokenizer = Tokenizer(Vocabulary.from_file(vocab_file))
    counts = Counts()
    documents = [Document(["使用 语言", "BE RT☃", "\x00"], "f", 1), Document(["\x00"], "f", 5)]
    result = tokenize_documents(documents, tokenizer, make_segmenter("presegmented"), 100, counts)
    assert [[run.words for run in document] for document in result] == [[[2, 2], [1, 1]]]
    assert (counts.documents, counts.sentences, counts.pieces) == (1, 4, 6)
    assert counts.unknown_pieces == 1
    assert counts.words_by_length == {2: 2, 1: 2}
    assert counts.sentences_fallen_back == 0

    split_words = make_segmenter("characters")
    result = tokenize_documents(
        [Document(["使用bert"], "f", 1)], tokenizer, split_words, 100, counts
    )
    assert result == [
        [Tokens([tokenizer.vocabulary.ids[p] for p in ("使", "用", "be", "##rt")], [1] * 4)]
    ]
    assert counts.sentences_fallen_back == 1


def test_a_long_sentence_becomes_several(vocab_file):
    tokenizer = Tokenizer(Vocabulary.from_file(vocab_file))
    counts = Counts()
    documents = [Document(["使用 语言 模型"], "f", 1)]
    result = tokenize_documents(documents, tokenizer, make_segmenter("presegmented"), 4, counts)
    assert [run.words for run in result[0]] == [[2, 2], [2]]
    assert counts.sentences_split == 1
