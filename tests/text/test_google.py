import pytest

from bert_wwm.text import google

VOCAB = {piece: n for n, piece in enumerate("[UNK] want ##want ##ed wa un runn ##ing ,".split())}


def test_full_tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{piece}\n" for piece in VOCAB))
    tokenizer = google.FullTokenizer(str(path))
    pieces = tokenizer.tokenize("UNwant\u00e9d,running".encode())
    assert pieces == ["un", "##want", "##ed", ",", "runn", "##ing"]
    ids = tokenizer.convert_tokens_to_ids(pieces)
    assert ids == [5, 2, 3, 8, 6, 7]
    assert tokenizer.convert_ids_to_tokens(ids) == pieces


def test_wordpieces_with_another_unknown_token_and_limit():
    tokenizer = google.WordpieceTokenizer(VOCAB, unk_token="?", max_input_chars_per_word=6)
    assert tokenizer.tokenize("unwant  unwanted wax") == ["un", "##want", "?", "?"]


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
