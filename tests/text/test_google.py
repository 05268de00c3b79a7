import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bert_wwm.text import google
from bert_wwm.text.characters import CharacterTable
from bert_wwm.text.tokenizer import MAX_CHARS_PER_WORD, Tokenizer, basic_words
from bert_wwm.text.vocabulary import Vocabulary

VOCAB = {piece: n for n, piece in enumerate("[UNK] want ##want ##ed wa un runn ##ing ,".split())}


@pytest.fixture
def full_tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{piece}\n" for piece in VOCAB))
    return google.FullTokenizer(str(path))


def test_full_tokenizer(full_tokenizer):
    tokenizer = full_tokenizer
    pieces = tokenizer.tokenize("UNwant\u00e9d,running".encode())
    assert pieces == ["un", "##want", "##ed", ",", "runn", "##ing"]
    ids = tokenizer.convert_tokens_to_ids(pieces)
    assert ids == [5, 2, 3, 8, 6, 7]
    assert tokenizer.convert_ids_to_tokens(ids) == pieces


def test_wordpieces_with_another_unknown_token_and_limit():
    tokenizer = google.WordpieceTokenizer(VOCAB, unk_token="?", max_input_chars_per_word=6)
    assert tokenizer.tokenize("unwant  unwanted wax") == ["un", "##want", "?", "?"]


@pytest.mark.parametrize("container", [set, list, tuple, dict.fromkeys])
def test_a_vocabulary_is_whatever_holds_pieces(container):
    tokenizer = google.WordpieceTokenizer(container(VOCAB))
    assert tokenizer.tokenize("unwanted X") == ["un", "##want", "##ed", "[UNK]"]


def test_the_unknown_token_need_not_be_a_piece():
    assert google.WordpieceTokenizer({"a"}).tokenize("a b") == ["a", "[UNK]"]


def test_changes_after_construction_take_effect(full_tokenizer):
    tokenizer = full_tokenizer
    assert tokenizer.tokenize("Covid") == ["[UNK]"]
    tokenizer.vocab["covid"] = 21129
    assert tokenizer.tokenize("Covid") == ["covid"]
    assert tokenizer.convert_tokens_to_ids(["covid"]) == [21129]
    tokenizer.basic_tokenizer.do_lower_case = False
    assert tokenizer.tokenize("Covid covid") == ["[UNK]", "covid"]
    tokenizer.wordpiece_tokenizer.unk_token = "?"
    tokenizer.wordpiece_tokenizer.max_input_chars_per_word = 6
    assert tokenizer.tokenize("Covid unwant unwanted") == ["?", "un", "##want", "?"]
    tokenizer.wordpiece_tokenizer.vocab = ["Covid"]
    assert tokenizer.tokenize("Covid un") == ["Covid", "?"]


def test_each_step_is_a_method():
    tokenizer = google.BasicTokenizer()
    assert tokenizer._clean_text("a\0\ufffd\x07\t\u3000\u200db") == "a  b"
    assert tokenizer._tokenize_chinese_chars("a中b") == "a 中 b"
    assert tokenizer._is_chinese_char(ord("中")) and not tokenizer._is_chinese_char(ord("あ"))
    assert tokenizer._run_strip_accents("Éé") == "Ee"
    assert tokenizer._run_split_on_punc("a,.b") == ["a", ",", ".", "b"]
    assert tokenizer._run_split_on_punc("") == []


# A replacement of each step, and what becomes of "Né, x中y\t!" with it.
STEPS = {
    "_clean_text": (lambda self, text: text.replace("x", ""), ["ne", ",", "中", "y", "!"]),
    "_tokenize_chinese_chars": (lambda self, text: text, ["ne", ",", "x中y", "!"]),
    "_is_chinese_char": (lambda self, cp: cp == ord("x"), ["ne", ",", "x", "中y", "!"]),
    "_run_strip_accents": (lambda self, text: text, ["né", ",", "x", "中", "y", "!"]),
    "_run_split_on_punc": (lambda self, text: [text], ["ne,", "x", "中", "y", "!"]),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("where", ["subclass", "instance"])
def test_each_step_can_be_replaced(name, where):
    step, expected = STEPS[name]
    if where == "subclass":
        tokenizer = type("Mine", (google.BasicTokenizer,), {name: step})()
    else:
        tokenizer = google.BasicTokenizer()
        setattr(tokenizer, name, step.__get__(tokenizer))
    assert tokenizer.tokenize("Né, x中y\t!") == expected


TEXTS = st.text(max_size=40)
# Marks of several classes, ligatures, final sigmas, white space of all kinds, and characters that
# Unicode 11 lacks: a letter with case, a mark, a letter that decomposes.
TRICKY = st.text(
    st.sampled_from(
        "aBΣσÀé\u0301\u0327\u302e\U0001d165Ⅳ中金豈. ,`\u1fef\u037eİẞ\u200d\x00\x1c\u2028\u00a0ｱ각"
        "\ua7ba\u1ac1\U00011938\U0001f9a9\ud800"
    ),
    max_size=12,
)


@given(TEXTS | TRICKY, st.booleans())
@example("ὈΔΥΣΣΕΎΣ ΑΣ' Σ ΑΣ\u0301 ΑΣ\ua7ba", True)
@example("a\u0301\u1ac1\u0327", True)
def test_words_are_those_of_the_fast_tokenizer(text, do_lower_case):
    fast = basic_words(text, CharacterTable(do_lower_case), do_lower_case)
    words = google.BasicTokenizer(do_lower_case).tokenize(text)
    assert words == [word.text for word in fast]


@given(st.text(st.sampled_from("abc中"), max_size=6), st.sets(st.text(st.sampled_from("abc中#"))))
@example("a" * (MAX_CHARS_PER_WORD + 1), {"a", "##a"})
@example("a" * MAX_CHARS_PER_WORD, {"a", "##a"})
def test_pieces_are_those_of_the_fast_tokenizer(word, pieces):
    pieces = pieces | {f"##{piece}" for piece in pieces} | {"[UNK]"}
    fast = Tokenizer(Vocabulary(sorted(pieces)))._wordpieces[word] if word else []
    assert google.WordpieceTokenizer(pieces).tokenize(word) == [piece for piece, *_ in fast]


@pytest.mark.parametrize("casing", ["uncased", "cased"])
def test_agrees_with_googles_own(tokenized, samples, casing):
    tokenizer = google.FullTokenizer(str(samples / "vocab.txt"), do_lower_case=casing == "uncased")
    assert [tokenizer.tokenize(row["text"]) for row in tokenized] == [
        row[casing] for row in tokenized
    ]


def test_casing_has_to_match_the_name_of_a_released_folder():
    check = google.validate_case_matches_checkpoint
    check(True, "models/chinese_L-12_H-768_A-12/bert_model.ckpt")
    check(False, "models/mine/bert_model.ckpt")
    check(False, None)
    with pytest.raises(ValueError, match="do_lower_case=True"):
        check(False, "models/chinese_L-12_H-768_A-12/bert_model.ckpt")
    with pytest.raises(ValueError, match="do_lower_case=False"):
        check(True, "multi_cased_L-12_H-768_A-12/bert_model.ckpt")


def test_unicode():
    assert google.convert_to_unicode("好".encode() + b"\xff") == "好"
    assert google.printable_text("好") == "好"
    with pytest.raises(ValueError, match="not int"):
        google.convert_to_unicode(1)


def test_an_unknown_item_is_a_key_error():
    with pytest.raises(KeyError):
        google.convert_tokens_to_ids(VOCAB, ["nothing"])
