import collections
from random import Random

import numpy as np
import pytest
from batches import SHAPES, Draws, batch, spans
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.seeding import rng_for
from bert_wwm.masking import selection
from bert_wwm.masking.selection import Allowance
from bert_wwm.masking.strategies import STRATEGIES

SEEDS = st.integers(0, 1000)


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
    assert selection.budgets(np.array([tokens]), prob, cap).tolist() == [expected]


@given(st.lists(st.integers(3, 512)), st.floats(0, 1), st.integers(1, 80))
def test_budgets_are_those_of_one_sequence_after_the_other(lengths, prob, cap):
    expected = [min(cap, max(1, round(length * prob))) for length in lengths]
    assert selection.budgets(np.array(lengths, np.int64), prob, cap).tolist() == expected


@pytest.mark.parametrize("strategy", STRATEGIES.names())
@given(shape=SHAPES, seed=SEEDS)
def test_units_tile_the_words_and_stay_within_their_segment(strategy, shape, seed):
    words = batch(shape).words()
    units = STRATEGIES[strategy].units(words, rng_for(seed))
    tokens = [
        (row, position) for row, start, end, _ in spans(units) for position in range(start, end)
    ]
    assert tokens == [
        (row, position)
        for row, start, length in zip(words.rows, words.starts, words.lengths)
        for position in range(start, start + length)
    ]


@given(SHAPES, SEEDS)
def test_pieces_and_words_are_units_by_themselves(shape, seed):
    words = batch(shape).words()
    pieces = selection.pieces(words, rng_for(seed))
    assert {end - start for _, start, end, _ in spans(pieces)} <= {1}
    whole = selection.whole_words(words, rng_for(seed))
    assert [(row, start, end - start) for row, start, end, _ in spans(whole)] == list(
        zip(words.rows, words.starts, words.lengths)
    )
    assert whole.drawn.tolist() == [1] * len(words.rows)


def ngram_sizes(units):
    return np.diff(units.first, append=len(units.words.rows))


@given(SHAPES, SEEDS)
def test_an_ngram_has_the_words_that_were_drawn_unless_its_segment_ends(shape, seed):
    units = selection.ngrams(batch(shape).words(), rng_for(seed))
    segments = [segment for _, _, _, segment in spans(units)]
    is_last = [a != b for a, b in zip(segments, [*segments[1:], None])]
    for size, drawn, last in zip(ngram_sizes(units), units.drawn, is_last):
        assert 1 <= drawn <= 4
        assert size == drawn or (last and size < drawn)


def test_ngrams_have_1_to_4_words_at_40_30_20_and_10_percent():
    units = selection.ngrams(batch([[[1] * 1000, [1] * 1000]] * 110).words(), rng_for(4))
    assert len(units.first) > 100_000
    for sizes in (units.drawn, ngram_sizes(units)):
        shares = np.bincount(sizes, minlength=6)[1:] / len(sizes)
        np.testing.assert_allclose(shares, [0.4, 0.3, 0.2, 0.1, 0], atol=0.005)


def test_a_draw_on_a_bound_makes_the_longer_ngram():
    draws = [0.0, 0.39, 0.4, 0.69, 0.7, 0.9]
    words = batch([[[1] * 13]]).words()
    units = selection.ngrams(words, Draws([*draws, *[0.0] * 7]))
    assert units.drawn.tolist() == [1, 1, 2, 2, 3, 4]
    assert units.first.tolist() == [0, 1, 2, 4, 6, 9]
    assert sum(selection.NGRAM_SHARES) == pytest.approx(1)


def by_pointer(num_words, random):
    """MacBERT#13: draw a length, take so many words, go on behind them."""
    sizes, pointer = [], 0
    while pointer < num_words:
        length = random.choices([1, 2, 3, 4], [0.4, 0.3, 0.2, 0.1])[0]
        sizes.append(min(length, num_words - pointer))
        pointer += length
    return tuple(sizes)


@pytest.mark.slow
@pytest.mark.parametrize("first, second", [(6, 3), (1, 5)])
def test_boundaries_of_ngrams_are_as_frequent_as_a_pointer_draws_them(first, second):
    runs = 20_000
    random = Random(2)
    units = selection.ngrams(batch([[[1] * first, [1] * second]] * runs).words(), rng_for(5))
    found = collections.defaultdict(list)
    for (_, _, _, segment), size in zip(spans(units), ngram_sizes(units).tolist()):
        found[segment].append(size)
    for parity, length in enumerate((first, second)):
        ours = collections.Counter(
            tuple(sizes) for segment, sizes in found.items() if segment % 2 == parity
        )
        reference = collections.Counter(by_pointer(length, random) for _ in range(runs))
        assert sum(ours.values()) == runs
        for sizes in set(ours) | set(reference):
            # Five standard deviations of the difference of two counts.
            bound = 5 * (ours[sizes] + reference[sizes] + 1) ** 0.5
            assert abs(ours[sizes] - reference[sizes]) < bound, sizes


def greedy(units, budget, keys, allowance):
    """Row by row and unit by unit, in the order of the keys."""
    lengths = [end - start for _, start, end, _ in spans(units)]
    rows = units.words.rows[units.first].tolist()
    chosen = [False] * len(rows)
    for row, room in enumerate(budget.tolist()):
        left = allowance.total[row] if allowance else 0
        for unit in sorted((u for u in range(len(rows)) if rows[u] == row), key=keys.__getitem__):
            if lengths[unit] > room or (allowance and allowance.at_most[unit] > left):
                continue
            chosen[unit] = True
            room -= lengths[unit]
            left -= allowance.spent[unit] if allowance else 0
    return chosen


@st.composite
def drawings(draw):
    """Units of any kind, a budget for each sequence, and perhaps an allowance."""
    shape = draw(SHAPES)
    maker = draw(st.sampled_from([selection.pieces, selection.whole_words, selection.ngrams]))
    units = maker(batch(shape).words(), rng_for(draw(SEEDS)))
    budget = np.array([draw(st.integers(0, 40)) for _ in shape], np.int64)
    if draw(st.booleans()):
        return units, budget, None
    random = np.random.default_rng(draw(SEEDS))
    at_most = random.integers(0, 4, len(units.first))
    spent = random.integers(0, at_most + 1)
    return units, budget, Allowance(at_most, spent, random.integers(0, 6, len(budget)))


@given(drawings(), SEEDS)
def test_units_are_drawn_as_one_row_after_the_other_would_draw_them(drawing, seed):
    units, budget, allowance = drawing
    keys = rng_for(seed).random(len(units.first))
    chosen = selection.draw(units, budget, rng_for(seed), allowance)
    assert chosen.dtype == bool
    assert chosen.tolist() == greedy(units, budget, keys, allowance)


@given(drawings(), SEEDS)
def test_budgets_are_never_exceeded_and_no_unit_left_out_would_have_fitted(drawing, seed):
    units, budget, allowance = drawing
    before = budget.copy()
    chosen = selection.draw(units, budget, rng_for(seed), allowance)
    np.testing.assert_array_equal(budget, before)
    rows = units.words.rows[units.first]
    lengths = units.total(units.words.lengths)

    def used(amounts):
        return np.bincount(rows[chosen], amounts[chosen], len(budget)).astype(int)

    room = budget - used(lengths)
    assert (room >= 0).all()
    fits = lengths <= room[rows]
    if allowance:
        left = allowance.total - used(allowance.spent)
        assert (left >= 0).all()
        fits &= allowance.at_most <= left[rows]
    assert not (fits & ~chosen).any()


def test_equal_draws_are_considered_in_the_order_of_the_words():
    units = selection.whole_words(batch([[[1] * 40]]).words(), rng_for(0))
    chosen = selection.draw(units, np.array([3]), Draws([0.5] * 40))
    assert np.flatnonzero(chosen).tolist() == [0, 1, 2]


def test_every_word_is_as_likely_as_the_next():
    units = selection.whole_words(batch([[[1] * 6, [1] * 4]] * 3000).words(), rng_for(0))
    chosen = selection.draw(units, np.full(3000, 2), rng_for(6)).reshape(3000, 10)
    assert (chosen.sum(axis=1) == 2).all()
    assert (abs(chosen.sum(axis=0) - 600) < 120).all()  # five standard deviations


def test_pairs_of_words_are_as_likely_as_others():
    units = selection.whole_words(batch([[[1] * 4]] * 12_000).words(), rng_for(0))
    chosen = selection.draw(units, np.full(12_000, 2), rng_for(7)).reshape(12_000, 4)
    pairs = collections.Counter(tuple(np.flatnonzero(row)) for row in chosen)
    assert len(pairs) == 6
    assert all(abs(count - 2000) < 210 for count in pairs.values())  # five standard deviations
