import pickle

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bert_wwm.text import bulk
from bert_wwm.text.bulk import BulkTokenizer
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

TEXTS = st.text(st.characters(exclude_characters="\n"), max_size=40)  # surrogates included
TRICKY = st.text(
    st.sampled_from(
        "aBΣσςÀé\u0301\u0327\u302e\U0001d165\u0345ẞßﬁⅣ中金豈豈\uf9dc。！,.$'^カｱがか\u3099한"
        " \t\r\x00\x0b\x85\ufffd\u00ad\u200b\u200d\u2028\u2029\u3000İ\u037e\u1fef\ue000"
        "😀👨\U0001f9a9\U0001e900\ud800"
    ),
    max_size=12,
)
SENTENCES = st.lists(TEXTS | TRICKY, max_size=6)
VARIANTS = [
    {"do_lower_case": lower, "drop_category_c": drop}
    for lower in (True, False)
    for drop in (True, False)
]
PIECES = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] 中 金 豈 。 ！ , . ' $ ; a ##a b ##b A B σ ς Σ ##σ ##ς s ##s ss"
    " e é ##e É カ ##カ か が ##か 한 ᄒ ##ᅡ ##ᆫ i ##i fi ﬁ 😀 👨 ##👨 \u2028 ` \u0301 ##\u0301"
).split(" ")


def plain(tokenizer, sentence):
    return [(piece.id, piece.start, piece.end) for piece in tokenizer.tokenize(sentence)]


def in_bulk(tokenizer, sentences):
    """(id, start, end) of the pieces of each sentence."""
    pieces = tokenizer.tokenize(sentences)
    assert pieces.text == "".join(f"{sentence}\n" for sentence in sentences)
    assert len(pieces.characters) == len(pieces.offsets) - 1 == len(sentences)
    assert (pieces.offsets[0], pieces.offsets[-1]) == (0, len(pieces.ids))
    assert pieces.ids.dtype == np.int32
    result = []
    for number, sentence in enumerate(sentences):
        begin = pieces.characters[number]
        assert pieces.text[begin : begin + len(sentence)] == sentence
        own = slice(pieces.offsets[number], pieces.offsets[number + 1])
        starts, ends = pieces.starts[own] - begin, pieces.ends[own] - begin
        result.append(list(zip(pieces.ids[own].tolist(), starts.tolist(), ends.tolist())))
    return result


@pytest.mark.parametrize("variant", VARIANTS)
@given(sentences=SENTENCES)
@example(sentences=["ὈΔΥΣΣΕΎΣ ΑΣ' Σ", "中Σ。ΑΣ", "Σ", "aσ"])
@example(sentences=["aΣ'a", "bb", "aΣ.", "'aΣ'"])
@example(sentences=["a\u0327\u0301 \u302e\U0001d165", "中\u0301。\u0327\u0301a", "!\u0301\u0301"])
@example(sentences=["豈ﬁ\u2028x", "ẞ", "カタカナｶﾞ", "", "\x00", "中\x00a\x00b"])
@example(sentences=["\u037e\u1fef", "a" * 201, "中a" * 3, "\ud800中\udfff"])
def test_pieces_are_those_of_the_tokenizer(variant, sentences):
    tokenizer = Tokenizer(Vocabulary(PIECES), **variant)
    expected = [plain(tokenizer, sentence) for sentence in sentences]
    assert in_bulk(BulkTokenizer(tokenizer), sentences) == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_pieces_of_real_and_odd_texts_are_those_of_the_tokenizer(tokenized, samples, variant):
    tokenizer = Tokenizer(Vocabulary.from_file(str(samples / "vocab.txt")), **variant)
    texts = [row["text"].replace("\n", " ") for row in tokenized]
    expected = [plain(tokenizer, text) for text in texts]
    assert sum(map(len, expected)) > 10_000
    assert in_bulk(BulkTokenizer(tokenizer), texts) == expected


# All of the scripts in use but those of many like characters, and some of everything.
CODES = sorted(
    {
        *range(0x3400),
        *range(0xA000, 0xAC00),
        *range(0xD780, 0xD810),
        *range(0xF900, 0x11200),
        *range(0x1D100, 0x1D200),
        *range(0x1E900, 0x1E960),
        *range(0x1F000, 0x1FA80),
        *range(0, 0x110000, 97),
    }
    - {ord("\n")}
)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_character_is_treated_as_the_tokenizer_does(samples, variant):
    """Alone, behind an ideograph and a letter, and before a mark."""
    tokenizer = Tokenizer(Vocabulary.from_file(str(samples / "vocab.txt")), **variant)
    sentences = ["中{0}a{0}\u0301,{0}".format(chr(code)) for code in CODES]
    expected = [plain(tokenizer, sentence) for sentence in sentences]
    assert in_bulk(BulkTokenizer(tokenizer), sentences) == expected


@given(SENTENCES, SENTENCES)
def test_what_came_before_makes_no_difference(before, sentences):
    tokenizer = BulkTokenizer(Tokenizer(Vocabulary(PIECES)))
    expected = in_bulk(tokenizer, sentences)
    in_bulk(tokenizer, before)
    assert in_bulk(tokenizer, sentences) == expected


@given(SENTENCES)
def test_a_cache_that_is_full_makes_no_difference(sentences):
    tokenizer = Tokenizer(Vocabulary(PIECES))
    expected = in_bulk(BulkTokenizer(tokenizer), sentences)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "_CACHED_RUNS", 1)
        assert in_bulk(BulkTokenizer(tokenizer), sentences) == expected


def test_no_sentence_has_no_piece():
    tokenizer = BulkTokenizer(Tokenizer(Vocabulary(PIECES)))
    assert in_bulk(tokenizer, []) == []
    assert in_bulk(tokenizer, ["", "\x00", ""]) == [[], [], []]


def test_a_pickled_copy_is_the_same():
    tokenizer = BulkTokenizer(Tokenizer(Vocabulary(PIECES)))
    sentences = ["中a。カ", "ab"]
    expected = in_bulk(tokenizer, sentences)
    assert in_bulk(pickle.loads(pickle.dumps(tokenizer)), sentences) == expected
