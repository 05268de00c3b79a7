import hashlib
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bert_wwm.text import unicode11
from bert_wwm.text.characters import CharacterTable, is_cjk, is_control, is_punctuation
from bert_wwm.text.tokenizer import Tokenizer, basic_words
from bert_wwm.text.vocabulary import Vocabulary

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TRICKY = st.text(
    st.sampled_from("aΣσÀé\u0301\u0327\u302e\U0001d165Ⅳ中金豈. ,İ\u200d\x00\u2028ｱ"), max_size=12
)


def vocabulary(*pieces: str) -> Vocabulary:
    return Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces])


@pytest.mark.parametrize(
    "variant, settings",
    [
        ("uncased", {}),
        ("cased", {"do_lower_case": False}),
        ("uncased_hfl", {"drop_category_c": True}),
    ],
)
def test_agrees_with_the_reference(tokenized, samples, variant, settings):
    tokenizer = Tokenizer(Vocabulary.from_file(str(samples / "vocab.txt")), **settings)
    assert len(tokenized) == 876
    different = [
        row["text"]
        for row in tokenized
        if [piece.text for piece in tokenizer.tokenize(row["text"])] != row[variant]
    ]
    assert different == []


def test_pieces_know_where_they_stood():
    tokenizer = Tokenizer(vocabulary("使", "用", "be", "##rt"))
    pieces = tokenizer.tokenize("使用 BÉ\u200bRT")
    assert [(p.text, p.start, p.end) for p in pieces] == [
        ("使", 0, 1),
        ("用", 1, 2),
        ("be", 3, 5),
        ("##rt", 6, 8),
    ]


def test_a_word_without_pieces_is_one_unknown():
    tokenizer = Tokenizer(vocabulary("a"))
    assert [p[:1] + p[2:] for p in tokenizer.tokenize("ab a")] == [("[UNK]", 0, 2), ("a", 3, 4)]
    assert [p.text for p in tokenizer.tokenize("a" * 201)] == ["[UNK]"]


@given(TEXTS | TRICKY)
def test_spans_are_in_order_and_hold_what_the_piece_says(text):
    tokenizer = Tokenizer(vocabulary("a", "##a"))
    end = 0
    for piece in tokenizer.tokenize(text):
        assert end <= piece.start < piece.end <= len(text)
        end = piece.end


def reference_words(text: str, do_lower_case: bool) -> list:
    """The same tokenizer on whole strings, without offsets."""
    text = "".join(c for c in text if c not in "\0\ufffd" and not is_control(c))
    text = "".join(f" {c} " if is_cjk(c) else c for c in text)
    words = []
    for word in text.split():
        if do_lower_case:
            word = unicodedata.normalize("NFD", word.lower())
            word = "".join(c for c in word if unicode11.category(c) != "Mn")
        words += "".join(f" {c} " if is_punctuation(c) else c for c in word).split(" ")
    return [word for word in words if word]


@given(TEXTS | TRICKY, st.booleans())
@example("ὈΔΥΣΣΕΎΣ ΑΣ' Σ", True)
@example("a\u0327\u0301 \u302e\U0001d165", True)
@example("豈ﬁ\u2028x", True)
def test_words_are_those_of_whole_string_processing(text, do_lower_case):
    text = "".join(c for c in text if not unicode11.is_newer(c))
    words = basic_words(text, CharacterTable(do_lower_case), do_lower_case)
    assert [word.text for word in words] == reference_words(text, do_lower_case)


@pytest.mark.slow
def test_every_python_has_the_same_characters():
    """The hash is that of Python 3.10 to 3.13, whose Unicode is 13 to 15.1."""
    chars = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    properties = "".join(f"{unicode11.category(c)}{unicode11.combining(c)}" for c in chars)
    found = hashlib.sha256(
        (properties + unicode11.fold("\n".join(chars))).encode("utf-8")
    ).hexdigest()
    assert found[:16] == "64f060864e563d0f"


def test_characters_newer_than_unicode_11_are_unassigned():
    assert unicode11.category("\U0001f9a9") == "Cn"  # FLAMINGO, Unicode 12
    assert unicode11.category("\u166d") == "Po"
    assert unicode11.fold("\U0001e900") == "\U0001e922"  # ADLAM, Unicode 9
    hfl = Tokenizer(vocabulary("a"), drop_category_c=True)
    google = Tokenizer(vocabulary("a"))
    assert [p.text for p in hfl.tokenize("a \U0001f9a9")] == ["a"]
    assert [p.text for p in google.tokenize("a \U0001f9a9")] == ["a", "[UNK]"]
