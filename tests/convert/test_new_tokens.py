"""Vocabulary surgery: where words go, what they start from, and that no format disagrees."""

import json

import numpy as np
import pytest
from release_models import VOCABULARY, config, outputs, random_model

from bert_wwm.convert import new_tokens
from bert_wwm.convert.new_tokens import EMBEDDINGS, add_tokens, read_words
from bert_wwm.convert.pretrained import AddedToken, Pretrained
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.text.google import FullTokenizer
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

BIAS = "cls/predictions/output_bias"
SLOTS = {name: VOCABULARY.index(name) for name in ("[unused1]", "[unused2]", "[unused10]")}


@pytest.fixture
def model() -> Pretrained:
    return random_model(config())


def _lines(*words: str):
    return list(enumerate(words, 1))


def _ids(*pieces: str) -> list[int]:
    return [VOCABULARY.index(piece) for piece in pieces]


def _write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_words_are_read_with_their_lines(tmp_path):
    path = _write(tmp_path / "words.txt", "\ufeff  probab \r\n\n\u3000bertab\n龘")
    assert read_words(path) == [(1, "probab"), (3, "bertab"), (4, "龘")]


def test_a_file_without_words_is_refused(tmp_path):
    path = _write(tmp_path / "words.txt", "\n \n")
    with pytest.raises(DataError, match=r"words\.txt: holds no words"):
        read_words(path)


def test_slots_are_taken_in_the_order_of_their_ids_then_rows_are_appended(model):
    old = {name: tensor.copy() for name, tensor in model.tensors.items()}
    added = add_tokens(model, _lines("bertab", "cab", "龘", "probab", "ab"))

    assert added.on_slots == {"bertab": 1, "cab": 2, "龘": 3}
    assert added.appended == {"probab": len(VOCABULARY), "ab": len(VOCABULARY) + 1}
    expected = list(VOCABULARY)
    expected[1:4] = ["bertab", "cab", "龘"]
    assert model.vocabulary == [*expected, "probab", "ab"]
    assert model.config["vocab_size"] == len(VOCABULARY) + 2
    assert model.tensors[EMBEDDINGS].shape == (len(VOCABULARY) + 2, 12)
    assert model.tensors[BIAS].shape == (len(VOCABULARY) + 2,)
    others = [i for i in range(len(VOCABULARY)) if i not in SLOTS.values()]
    for name, tensor in old.items():
        rows = others if name in (EMBEDDINGS, BIAS) else ...
        np.testing.assert_array_equal(model.tensors[name][rows], tensor[rows])


def test_rows_are_the_mean_of_the_old_pieces(model):
    rows, bias = model.tensors[EMBEDDINGS], model.tensors[BIAS]
    add_tokens(model, _lines("bertab", "probability"))
    for word, pieces in {
        "bertab": ("ber", "##t", "##a", "##b"),
        "probability": ("pro", "##ba", "##bility"),
    }.items():
        index = model.vocabulary.index(word)
        np.testing.assert_allclose(
            model.tensors[EMBEDDINGS][index], rows[_ids(*pieces)].mean(0), rtol=1e-6
        )
        np.testing.assert_allclose(
            model.tensors[BIAS][index], bias[_ids(*pieces)].mean(), rtol=1e-6
        )
        assert model.tensors[EMBEDDINGS].dtype == np.float32


def test_a_new_word_is_cut_by_the_old_vocabulary_whatever_is_new_with_it(model):
    rows = model.tensors[EMBEDDINGS]
    add_tokens(model, _lines("ab", "abc"))
    np.testing.assert_allclose(
        model.tensors[EMBEDDINGS][model.vocabulary.index("abc")],
        rows[_ids("a", "##b", "##c")].mean(0),
        rtol=1e-6,
    )


def test_without_slots_all_words_are_appended(model):
    added = add_tokens(model, _lines("bertab", "龘"), reuse_unused=False)
    assert added.on_slots == {}
    assert model.vocabulary == [*VOCABULARY, "bertab", "龘"]


def test_a_word_that_was_unknown_starts_from_the_unknown_row(model):
    rows = model.tensors[EMBEDDINGS]
    added = add_tokens(model, _lines("龘", "bertab"))
    assert added.from_unknown == ["龘"]
    np.testing.assert_array_equal(model.tensors[EMBEDDINGS][1], rows[VOCABULARY.index("[UNK]")])
    assert "龘 -> 1 from [UNK]" in added.report()


def test_words_that_are_there_and_repetitions_are_told(model):
    added = add_tokens(model, _lines("使", "bertab", "bertab", "使", "a"))
    assert added.known == {"使": 8, "a": VOCABULARY.index("a")}
    assert added.repeated == [(3, "bertab"), (4, "使")]
    assert added.on_slots == {"bertab": 1}
    assert added.report().split("\n") == [
        "New words",
        "  on unused slots              1",
        "    bertab -> 1",
        "  appended                     0",
        "  there already                2",
        "    使 -> 8",
        f"    a -> {VOCABULARY.index('a')}",
        "  repeated, left out           2",
        "    bertab (line 3)",
        "    使 (line 4)",
    ]


def test_nothing_new_changes_nothing(model):
    before = model.tensors[EMBEDDINGS].copy()
    add_tokens(model, _lines("使"))
    np.testing.assert_array_equal(model.tensors[EMBEDDINGS], before)
    assert model.vocabulary == VOCABULARY


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("语言模型", "always split at Chinese characters, each a piece of its own: 语 言 模 型"),
        ("bert模", "always split at Chinese characters, each a piece of its own: bert 模"),
        ("BERT", "always read as 'bert'"),
        ("naïve", "always read as 'naive'"),
        ("Ⅳx", "always read as 'ⅳx'"),
        ("a-b", "always split at punctuation marks: a - b"),
        ("[NEW]", "always split at punctuation marks"),
        ("##ing", "always split at punctuation marks: # # ing"),
        ("a b", "holds a space"),
        ("a\u00a0b", "holds a space"),
        ("a\u200bb", "characters that the tokenizer drops"),
        ("\u200b", "characters that the tokenizer drops"),
        ("x" * 101, "has 101 characters; expected at most 100"),
    ],
)
def test_words_that_no_text_gives_are_refused_and_nothing_changes(model, word, reason):
    before = model.tensors[EMBEDDINGS]
    with pytest.raises(DataError) as error:
        add_tokens(model, _lines("bertab", word), path="words.txt")
    assert str(error.value).startswith("words.txt:2: ")
    assert reason in str(error.value)
    assert model.tensors[EMBEDDINGS] is before
    assert model.vocabulary == VOCABULARY


@pytest.mark.parametrize("word", ["BERT", "naïve", "Ⅳx"])
def test_a_cased_model_takes_words_as_they_are(model, word):
    model.do_lower_case = False
    assert add_tokens(model, _lines(word)).on_slots == {word: 1}


@pytest.mark.parametrize("word", ["bertab", "龘", "é" * 100, "かな", "x2", "①", "™", "…"])
def test_what_is_taken_is_then_found(model, word):
    model.do_lower_case = False
    add_tokens(model, _lines(word))
    tokenizer = Tokenizer(Vocabulary(model.vocabulary), do_lower_case=False)
    pieces = [piece.text for piece in tokenizer.tokenize(f"使用 {word} 的{word}。")]
    assert pieces.count(word) == 2


def test_the_optimizers_state_forbids_further_rows_only(model):
    model.optimizer_state = {f"{EMBEDDINGS}/adam_m": np.zeros((len(VOCABULARY), 12), np.float32)}
    with pytest.raises(ConfigError, match="--weights_only"):
        add_tokens(model, _lines("bertab", "ab", "abc", "cab"))
    assert model.vocabulary == VOCABULARY
    assert len(add_tokens(model, _lines("bertab", "ab", "abc")).on_slots) == 3


def test_a_step_alone_is_no_optimizers_state(model):
    model.optimizer_state = {"global_step": np.int64(5)}
    add_tokens(model, _lines("bertab"), reuse_unused=False)
    assert model.vocabulary[-1] == "bertab"


def test_rows_that_are_not_the_vocabularys_are_refused(model):
    model.vocabulary.append("more")
    with pytest.raises(ConfigError, match=f"has {len(VOCABULARY)} rows"):
        add_tokens(model, _lines("bertab"))


def test_rows_of_no_piece_are_taken_before_new_ones_are_made(model):
    """Matrices that were padded to a multiple of 8 or 64."""
    count = len(VOCABULARY)
    for name in (EMBEDDINGS, BIAS):
        tensor = model.tensors[name]
        model.tensors[name] = np.concatenate([tensor, np.ones_like(tensor[:2])])
    model.config["vocab_size"] = count + 2
    model.optimizer_state[f"{EMBEDDINGS}/adam_m"] = np.zeros_like(model.tensors[EMBEDDINGS])
    with pytest.raises(ConfigError, match="1 of the words need further rows"):
        add_tokens(model, _lines("bertab", "龘", "cab"), False)
    added = add_tokens(model, _lines("bertab"), False)
    assert added.appended == {"bertab": count}
    assert model.vocabulary == [*VOCABULARY, "bertab"]
    assert model.config["vocab_size"] == len(model.tensors[EMBEDDINGS]) == count + 2
    assert not (model.tensors[EMBEDDINGS][count] == 1).any()
    assert (model.tensors[EMBEDDINGS][count + 1] == 1).all()
    model.optimizer_state.clear()
    add_tokens(model, _lines("龘", "cab"), False)
    assert model.config["vocab_size"] == len(model.vocabulary) == len(model.tensors[BIAS])
    assert len(model.vocabulary) == count + 3


def test_only_slots_are_overwritten(model):
    model.vocabulary[1:4] = ["[unused]", "unused2", "[unusedx]"]
    assert add_tokens(model, _lines("bertab")).on_slots == {}


def test_slots_that_are_added_tokens_are_in_use(model):
    model.added_tokens["[unused1]"] = AddedToken({}, True)
    assert add_tokens(model, _lines("bertab")).on_slots == {"bertab": SLOTS["[unused2]"]}


def test_a_model_without_a_masked_lm_grows_too(model):
    del model.tensors[BIAS]
    add_tokens(model, _lines("bertab"), reuse_unused=False)
    assert BIAS not in model.tensors
    assert len(model.tensors[EMBEDDINGS]) == len(VOCABULARY) + 1


def test_half_precision_stays_so(model):
    model.tensors[EMBEDDINGS] = model.tensors[EMBEDDINGS].astype(np.float16)
    add_tokens(model, _lines("bertab"), reuse_unused=False)
    assert model.tensors[EMBEDDINGS].dtype == np.float16


def test_on_the_released_vocabulary(samples, tmp_path):
    """Words of today in the 21,128 pieces, and the tokenizer of google-research/bert's users."""
    pieces = Vocabulary.from_file(str(samples / "vocab.txt")).pieces
    rng = np.random.default_rng(1)
    tensors = {EMBEDDINGS: rng.normal(size=(len(pieces), 4)).astype(np.float32)}
    model = Pretrained(tensors, {"vocab_size": len(pieces)}, pieces)
    rows = tensors[EMBEDDINGS]
    added = add_tokens(model, _lines("chatgpt", "囧", "covid", "堃", "bert"))

    assert model.config["vocab_size"] == len(pieces)
    assert [pieces[index] for index in added.on_slots.values()] == [
        f"[unused{number}]" for number in range(1, 1 + len(added.on_slots))
    ]
    old = FullTokenizer(str(samples / "vocab.txt"))
    path = _write(tmp_path / "vocab.txt", "".join(f"{piece}\n" for piece in model.vocabulary))
    new = FullTokenizer(path)
    for word, index in added.on_slots.items():
        assert new.convert_tokens_to_ids(new.tokenize(word)) == [index]
        ids = old.convert_tokens_to_ids(old.tokenize(word))
        np.testing.assert_allclose(
            model.tensors[EMBEDDINGS][index], rows[ids].mean(0), rtol=1e-4, atol=1e-6
        )
    text = "使用ChatGPT和COVID的囧事，杨堃。"
    assert {"chatgpt", "covid"} <= set(new.tokenize(text))
    unchanged = "我们在北京学习语言模型2019"
    assert new.tokenize(unchanged) == old.tokenize(unchanged)


@pytest.mark.parametrize("reuse_unused", [True, False], ids=["slots", "grown"])
def test_the_formats_agree_after_surgery(tmp_path, reuse_unused):
    """TensorFlow's graph, PyTorch's model, and both tokenizers, of the same two folders."""
    import torch
    import transformers

    from bert_wwm.convert import google_folder, hugging_face

    model = random_model(config(hidden_act="gelu_erf"))
    new_tokens.add_tokens(model, _lines("bertab", "龘", "cab", "probab"), reuse_unused)
    google, there = tmp_path / "google", tmp_path / "hugging_face"
    google_folder.write_folder(str(google), model)
    hugging_face.write_folder(str(there), model)

    text = "使用bertab龘的概率，CAB probab ab。"
    tokenizer = FullTokenizer(str(google / "vocab.txt"))
    ids = tokenizer.convert_tokens_to_ids(["[CLS]", *tokenizer.tokenize(text), "[SEP]"])
    assert {model.vocabulary.index(word) for word in ("bertab", "龘", "cab", "probab")} <= set(ids)
    for name in ("BertTokenizer", "BertTokenizerFast", "AutoTokenizer"):
        loaded = getattr(transformers, name).from_pretrained(str(there))
        assert loaded(text)["input_ids"] == ids
        assert len(loaded) == len(model.vocabulary)

    read = google_folder.read(
        str(google / "bert_model.ckpt"),
        str(google / "bert_config.json"),
        str(google / "vocab.txt"),
        True,
    )
    assert read.vocabulary == model.vocabulary
    batch = np.array([ids], np.int32)
    assert read.config["hidden_act"] == "gelu"
    read.config["hidden_act"] = "gelu_erf"
    expected = outputs(read, batch)
    pytorch = transformers.BertForPreTraining.from_pretrained(str(there)).eval()
    with torch.no_grad():
        found = pytorch(torch.tensor(batch.astype(np.int64)), output_hidden_states=True)
    for layer, states in zip(expected["hidden"], found.hidden_states[1:]):
        np.testing.assert_allclose(states.numpy(), layer, atol=1e-5)
    np.testing.assert_allclose(found.prediction_logits.numpy(), expected["masked_lm"], atol=1e-5)
    np.testing.assert_allclose(found.seq_relationship_logits.numpy(), expected["pair"], atol=1e-5)
    assert json.loads((there / "config.json").read_text())["vocab_size"] == len(model.vocabulary)
