import gzip
import pickle

import numpy as np
import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.text.similar_words import SimilarWords
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

_TEXT = (
    "使用\t学习 预测 模型\n"
    "学习\t使用 模 概率模 学习 龘龘 使用\n"  # other lengths, itself, unknown, twice
    "模型\t\n"
    "龘\t中\n"
    "BERT\t中国\n"
    "\u200b\t中\n"  # no piece at all
)


@pytest.fixture
def tokenizer(vocab_file):
    return Tokenizer(Vocabulary.from_file(vocab_file))


@pytest.fixture
def read(tmp_path, tokenizer):
    def read(text, name="similar.txt"):
        content = text.encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        return SimilarWords.from_file(str(tmp_path / name), tokenizer)

    return read


@pytest.fixture
def ids(tokenizer):
    def ids(word):
        return np.array([piece.id for piece in tokenizer.tokenize(word)], np.int32)

    return ids


@pytest.fixture
def candidates(ids, tokenizer):
    """The similar words of a word, as text."""

    def candidates(similar, word):
        found = similar.candidates(ids(word))
        if found is None:
            return None
        assert found.dtype == np.int32
        pieces = tokenizer.vocabulary.pieces
        return ["".join(pieces[i] for i in row) for row in found]

    return candidates


def test_candidates_are_those_of_as_many_pieces_best_first(read, candidates):
    similar = read(_TEXT)
    assert candidates(similar, "使用") == ["学习", "预测", "模型"]
    assert candidates(similar, "学习") == ["使用"]
    assert candidates(similar, "bert") == ["中国"]
    for word in ("模型", "预测", "龘", "中", "中国人民", ""):
        assert candidates(similar, word) is None


def test_a_slice_of_ids_and_its_bytes_are_keys(read, ids):
    similar = read(_TEXT)
    text = ids("我们使用模型")
    found = similar.candidates(text[2:4])
    np.testing.assert_array_equal(similar.candidates(text[2:4].tobytes()), found)
    np.testing.assert_array_equal(similar.candidates(text[2:4].tolist()), found)
    assert found.shape == (3, 2)


def test_listed_words_are_all_of_a_length_once_each(read, ids):
    similar = read(_TEXT)
    words = ["使用", "学习", "预测", "模型", "BERT", "中国"]
    np.testing.assert_array_equal(similar.list_words(2), [ids(word) for word in words])
    assert similar.list_words(2).dtype == np.int32
    assert similar.list_words(1) is None  # 中 is similar only to what has no pieces
    assert similar.list_words(0) is None


def test_counts(read):
    assert read(_TEXT).counts() == {"words": 6, "words_with_candidates": 3, "candidates": 5}
    assert read("龘\t中\n").counts() == {"words": 0, "words_with_candidates": 0, "candidates": 0}


def test_the_first_line_with_candidates_counts_where_words_have_the_same_pieces(read, candidates):
    similar = read("Bert\t\nBERT\t中国\nbert\t人民\n")
    assert candidates(similar, "BERT") == ["中国"]
    assert similar.counts() == {"words": 2, "words_with_candidates": 1, "candidates": 1}


def test_the_hash_is_that_of_the_lines_whatever_the_compression(read):
    plain = read(_TEXT)
    for other in (read(_TEXT.replace("\n", "\r\n")), read(_TEXT, "similar.txt.gz")):
        assert other.sha256 == plain.sha256
        assert other.counts() == plain.counts()
    assert read(_TEXT.replace("预测 模型", "模型 预测")).sha256 != plain.sha256


def test_a_pickled_copy_is_the_same(read, candidates):
    similar = pickle.loads(pickle.dumps(read(_TEXT)))
    assert candidates(similar, "使用") == ["学习", "预测", "模型"]
    assert similar.list_words(2).shape == (6, 2)


def test_words_cannot_be_changed_by_whoever_draws_them(read):
    with pytest.raises(ValueError, match="read-only"):
        read(_TEXT).list_words(2)[0, 0] = 1


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "similar.txt: is empty"),
        ("使用\t学习\n学习 使用\n", "similar.txt:2: no tab"),
        ("使用\t学习\n\n", "similar.txt:2: no tab"),
        ("\t学习\n", "similar.txt:1: no word"),
        ("使用\t学习\n学习\t\n使用\t\n", "similar.txt:3: '使用' is already on line 1"),
    ],
)
def test_bad_files_are_refused(read, text, message):
    with pytest.raises(DataError, match=message):
        read(text)


def test_a_large_file_agrees_with_a_plain_reading(read, tokenizer):
    """10,000 random lines, against dictionaries of lists."""
    rng = np.random.default_rng(1)
    chars = np.array(list("使用语言模型来预测下一个词的概率我们在学习中国人民"))
    words = list(
        dict.fromkeys("".join(rng.choice(chars, rng.integers(1, 5))) for _ in range(10_000))
    )
    similar = {word: [words[i] for i in rng.integers(0, len(words), 5)] for word in words}
    read_back = read("".join(f"{word}\t{' '.join(similar[word])}\n" for word in words))

    def ids(word):
        return [tokenizer.vocabulary.ids[char] for char in word]

    for word in words:
        fitting = dict.fromkeys(w for w in similar[word] if len(w) == len(word) and w != word)
        found = read_back.candidates(ids(word))
        assert ([] if found is None else found.tolist()) == [ids(w) for w in fitting]
    for length in (1, 2, 3, 4):
        expected = sorted(ids(word) for word in words if len(word) == length)
        assert sorted(read_back.list_words(length).tolist()) == expected
