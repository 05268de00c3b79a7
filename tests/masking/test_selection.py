import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.seeding import rng_for
from bert_wwm.masking import selection
from bert_wwm.masking.strategies import STRATEGIES

LENGTHS = st.lists(st.integers(1, 6), max_size=60)


def spans(lengths, start=1):
    result = []
    for length in lengths:
        result.append((start, start + length))
        start += length
    return result


@pytest.mark.parametrize(
    "tokens, prob, cap, expected",
    [
        (128, 0.15, 20, 19),  # 19.2
        (512, 0.15, 76, 76),  # 76.8 is 77, over the cap
        (5, 0.15, 20, 1),
        (3, 0.0, 20, 1),
        (10, 0.25, 20, 2),  # 2.5: halves to even, as Python 3 rounds
        (14, 0.25, 20, 4),  # 3.5
    ],
)
def test_budget_is_rounded_as_google_does(tokens, prob, cap, expected):
    assert selection.budget(tokens, prob, cap) == expected


@given(LENGTHS, st.integers(0, 40), st.integers(0, 1000))
def test_no_word_is_half_masked_and_the_budget_is_never_exceeded(lengths, num_to_mask, seed):
    words = spans(lengths)
    positions = selection.draw(words, num_to_mask, rng_for(seed))
    assert len(positions) <= num_to_mask
    assert positions == sorted(set(positions))
    for start, end in words:
        assert len(set(range(start, end)) & set(positions)) in (0, end - start)
    # Greedy: no word that is left out would have fitted into what is left.
    room = num_to_mask - len(positions)
    left_out = [end - start for start, end in words if start not in positions]
    assert not room or all(length > room for length in left_out)


@given(LENGTHS)
def test_units_of_every_strategy_tile_the_words(lengths):
    words = spans(lengths)
    tokens = [p for start, end in words for p in range(start, end)]
    for name in STRATEGIES.names():
        units = STRATEGIES[name].units(words)
        assert [p for start, end in units for p in range(start, end)] == tokens


def test_pieces_are_units_of_one():
    assert selection.pieces([(1, 3), (3, 4)]) == [(1, 2), (2, 3), (3, 4)]


def test_every_word_is_as_likely_as_the_next():
    words = spans([1] * 10)
    counts = [0] * 11
    for seed in range(3000):
        for position in selection.draw(words, 2, rng_for(seed)):
            counts[position] += 1
    assert counts[0] == 0
    assert all(abs(count - 600) < 120 for count in counts[1:])  # five standard deviations
