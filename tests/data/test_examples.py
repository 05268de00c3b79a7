import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_wwm.core.errors import ConfigError
from bert_wwm.data.counts import Counts
from bert_wwm.data.examples import ExampleMaker, ExampleSettings
from bert_wwm.data.tokenized import Tokens
from bert_wwm.masking.strategies import STRATEGIES
from bert_wwm.text.vocabulary import SPECIAL_TOKENS, Vocabulary

VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *(f"w{n}" for n in range(3000))])
PAD, UNK, CLS, SEP, MASK = range(5)
SETTINGS = ExampleSettings(
    strategy="whole_word",
    max_seq_length=48,
    max_predictions_per_seq=8,
    masked_lm_prob=0.15,
    short_seq_prob=0.1,
    seed=1,
)

SENTENCES = st.lists(st.integers(1, 5), min_size=1, max_size=12)
BLOCKS = st.lists(st.lists(SENTENCES, min_size=1, max_size=8), min_size=2, max_size=4)


def make_block(shape):
    """Each piece has an id of its own, so that a segment can be found again; and its word's."""
    block, number, words = [], 5, {}
    for document in shape:
        runs = []
        for lengths in document:
            ids = list(range(number, number + sum(lengths)))
            for length in lengths:
                for i in range(number, number + length):
                    words[i] = (number, number + length)
                number += length
            runs.append(Tokens(ids, list(lengths)))
        block.append(runs)
    return block, words


def make(block, index=0, duplicate=0, **changes):
    counts = Counts()
    maker = ExampleMaker(VOCABULARY, dataclasses.replace(SETTINGS, **changes))
    return list(maker.examples(block, 0, index, duplicate, counts)), counts


def restore(features):
    """Undoes the masking; returns the tokens, without padding, and the positions predicted."""
    ids = [i for i, used in zip(features["input_ids"], features["input_mask"]) if used]
    positions = []
    for position, label, weight in zip(
        features["masked_lm_positions"], features["masked_lm_ids"], features["masked_lm_weights"]
    ):
        if weight:
            ids[position] = label
            positions.append(position)
    return ids, positions


@pytest.mark.parametrize("strategy", STRATEGIES.names())
@settings(deadline=None)
@given(shape=BLOCKS, seed=st.integers(0, 10**6))
def test_the_input_can_be_rebuilt_and_special_tokens_are_untouched(strategy, shape, seed):
    block, _ = make_block(shape)
    for index in range(len(block)):
        for features in make(block, index, strategy=strategy, seed=seed)[0]:
            ids, positions = restore(features)
            assert ids[0] == CLS and ids[-1] == SEP and ids.count(SEP) == 2
            middle = ids.index(SEP)
            for run in ids[1:middle], ids[middle + 1 : -1]:
                assert run == list(range(run[0], run[0] + len(run)))
            assert not {0, middle, len(ids) - 1} & set(positions)
            assert features["segment_ids"] == (
                [0] * (middle + 1) + [1] * (len(ids) - middle - 1) + [0] * (48 - len(ids))
            )
            assert features["input_mask"] == [1] * len(ids) + [0] * (48 - len(ids))
            budget = min(8, max(1, round(len(ids) * 0.15)))
            assert len(positions) <= budget
            assert positions == sorted(set(positions))
            if strategy == "piece":
                assert len(positions) == min(budget, len(ids) - 3)


@settings(deadline=None)
@given(BLOCKS, st.integers(0, 10**6))
def test_no_word_is_half_masked_and_nothing_crosses_a_separator(shape, seed):
    block, words = make_block(shape)
    for features in make(block, seed=seed)[0]:
        ids, positions = restore(features)
        masked = {ids[position] for position in positions}
        middle = ids.index(SEP)
        for run in ids[1:middle], ids[middle + 1 : -1]:
            for word in {words[i] for i in run}:
                within = set(range(*word)) & set(run)  # what truncation has left of the word
                # A word may stand in both segments; its pieces then are masked for either.
                if not set(range(*word)) & (set(ids[1:-1]) - set(run)):
                    assert masked & within in (set(), within)


def test_80_10_10_is_drawn_and_counted():
    block, _ = make_block([[[2] * 10] * 40] * 2)
    counts = Counts()
    maker = ExampleMaker(VOCABULARY, SETTINGS)
    for duplicate in range(300):
        for features in maker.examples(block, 0, 0, duplicate, counts):
            assert sum(features["masked_lm_weights"]) <= 8
    assert counts.masked > 20_000
    assert counts.as_mask + counts.as_random + counts.as_kept == counts.masked
    assert abs(counts.as_mask / counts.masked - 0.8) < 0.01
    assert abs(counts.as_random / counts.masked - 0.1) < 0.01


def test_examples_hang_on_seed_document_and_duplicate_alone():
    block, _ = make_block([[[1, 2]] * 20, [[3]] * 20, [[2]] * 9])
    first = make(block, 1, 2)[0]
    maker = ExampleMaker(VOCABULARY, SETTINGS)
    list(maker.examples(block, 0, 0, 0, Counts()))  # work on another document before it
    assert list(maker.examples(block, 0, 1, 2, Counts())) == first
    assert make(block, 1, 3)[0] != first
    assert make(block, 1, 2, seed=2)[0] != first


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"max_seq_length": 4}, "--max_seq_length=4: out of range; expected 5 to inf"),
        ({"max_predictions_per_seq": 0}, "--max_predictions_per_seq=0"),
        ({"masked_lm_prob": 1.5}, "--masked_lm_prob=1.5: out of range; expected 0 to 1"),
        ({"short_seq_prob": -0.1}, "--short_seq_prob=-0.1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(SETTINGS, **changes)


def test_an_unknown_strategy_lists_the_known_ones():
    with pytest.raises(ConfigError, match="unknown masking strategy 'wwm'; known: piece, whole_"):
        make([], strategy="wwm")
