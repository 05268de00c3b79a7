import collections
import itertools

import numpy as np
import pytest
from batches import (
    LEXICON,
    LONGEST,
    MASK,
    SHAPES,
    VOCAB_SIZE,
    Draws,
    batch,
    lacks_similar_words,
    similar_to,
    similar_words,
    spans,
)
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.seeding import rng_for
from bert_wwm.masking import corruption, selection
from bert_wwm.masking.corruption import Kind, Vocabulary
from bert_wwm.masking.strategies import STRATEGIES

SEEDS = st.integers(0, 1000)
PROBS = st.sampled_from([0.15, 0.5, 1.0])


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory):
    return Vocabulary(MASK, VOCAB_SIZE, similar_words(tmp_path_factory.mktemp("similar")))


def corrupt(strategy, sequences, vocabulary, prob=0.15, cap=80, seed=1, **options):
    """Returns the units, the budgets, and what became of them."""
    rng = rng_for(seed)
    row = STRATEGIES[strategy]
    units = row.units(sequences.words(), rng)
    budget = selection.budgets(sequences.lengths, prob, cap)
    return units, budget, row.corrupt(sequences, units, budget, vocabulary, rng, **options)


def places(predictions):
    return list(zip(predictions.rows.tolist(), predictions.columns.tolist()))


def shares(kinds):
    """The share of each kind."""
    counts = np.bincount(kinds, minlength=len(Kind)) / len(kinds)
    return {kind: counts[kind] for kind in Kind}


@pytest.mark.parametrize("strategy", STRATEGIES.names())
@given(shape=SHAPES, prob=PROBS, cap=st.integers(1, 30), seed=SEEDS)
def test_only_pieces_of_words_are_predicted_in_order_with_their_originals(
    strategy, vocabulary, shape, prob, cap, seed
):
    sequences = batch(shape, seed)
    before = sequences.ids.copy()
    _, _, predictions = corrupt(strategy, sequences, vocabulary, prob, cap, seed)
    np.testing.assert_array_equal(sequences.ids, before)
    assert places(predictions) == sorted(set(places(predictions)))
    words = sequences.words()
    of_words = {
        (row, start + n)
        for row, start, length in zip(words.rows, words.starts, words.lengths)
        for n in range(length)
    }
    assert set(places(predictions)) <= of_words
    rows, columns = predictions.rows, predictions.columns
    np.testing.assert_array_equal(predictions.labels, sequences.ids[rows, columns])
    lengths = [len(values) for values in (*predictions[:5], *predictions.targets.values())]
    assert lengths == [len(rows)] * len(lengths)
    assert ((predictions.ids >= 0) & (predictions.ids < VOCAB_SIZE)).all()


@pytest.mark.parametrize("strategy", STRATEGIES.names())
@given(shape=SHAPES, prob=PROBS, cap=st.integers(1, 30), seed=SEEDS)
def test_no_unit_is_half_selected_and_the_budget_is_spent_but_not_exceeded(
    strategy, vocabulary, shape, prob, cap, seed
):
    sequences = batch(shape, seed)
    units, budget, predictions = corrupt(strategy, sequences, vocabulary, prob, cap, seed)
    selected = set(places(predictions))
    room = budget - np.bincount(predictions.rows, minlength=len(budget))
    assert (room >= 0).all()
    is_fallback = predictions.kinds == Kind.FALLBACK
    fallbacks = np.bincount(predictions.rows[is_fallback], minlength=len(budget))
    assert (10 * fallbacks <= budget).all()
    sizes = collections.Counter()
    words_of = np.diff(units.first, append=len(units.words.rows)).tolist()
    for (row, start, end, _), num_words in zip(spans(units), words_of):
        tokens = {(row, column) for column in range(start, end)}
        assert tokens & selected in (set(), tokens)
        if tokens <= selected:
            sizes[num_words] += 1
        elif end - start <= room[row]:
            # MacBERT alone leaves out what would fit: what might need too many random words.
            assert strategy == "macbert"
            words = words_in(units, sequences, row, start, end)
            assert sum(map(len, words)) == end - start
            at_most = sum(len(word) for word in words if lacks_similar_words(word))
            assert at_most > budget[row] // 10 - fallbacks[row]
    assert {n: count for n, count in enumerate(predictions.ngrams) if count} == sizes


def words_in(units, sequences, row, start, end):
    """The words of a unit, as ids."""
    words = units.words
    within = (words.rows == row) & (words.starts >= start) & (words.starts < end)
    return [
        tuple(sequences.ids[row, begin : begin + length].tolist())
        for begin, length in zip(words.starts[within], words.lengths[within])
    ]


@pytest.mark.parametrize("strategy", ["piece", "wwm", "ngram", "lert"])
def test_80_10_10_within_one_percent_on_100_000_pieces(strategy, vocabulary):
    sequences = batch([[[1, 2, 3, 4] * 10, [2, 2, 1] * 10]] * 700)
    _, _, predictions = corrupt(strategy, sequences, vocabulary, prob=1.0, cap=512)
    kinds, ids, labels = predictions.kinds, predictions.ids, predictions.labels
    assert len(kinds) >= 100_000
    for kind, share in ((Kind.MASK, 0.8), (Kind.KEPT, 0.1), (Kind.RANDOM, 0.1)):
        assert abs(shares(kinds)[kind] - share) < 0.01
    assert (ids[kinds == Kind.MASK] == MASK).all()
    np.testing.assert_array_equal(ids[kinds == Kind.KEPT], labels[kinds == Kind.KEPT])
    # Random pieces are from the whole vocabulary, special ones included.
    drawn = np.bincount(ids[kinds == Kind.RANDOM], minlength=VOCAB_SIZE)
    assert len(drawn) == VOCAB_SIZE
    mean = drawn.mean()
    assert (abs(drawn - mean) < 6 * mean**0.5).all()


ORDER = [0.0] * 6
BOUNDS = [0.0, 0.79, 0.8, 0.89, 0.9, 0.99]


@pytest.mark.parametrize(
    ("replace", "draws", "kinds"),
    [
        (corruption.mask_80_10_10, [ORDER, BOUNDS, BOUNDS], "MASK MASK KEPT KEPT RANDOM RANDOM"),
        (
            corruption.similar_words_80_10_10,
            [[BOUNDS, BOUNDS], ORDER],
            "SIMILAR SIMILAR KEPT KEPT RANDOM RANDOM",
        ),
        (corruption.permute, [ORDER, BOUNDS, BOUNDS[:4]], "MOVED MOVED MOVED MOVED KEPT KEPT"),
    ],
)
def test_a_draw_on_a_bound_belongs_to_the_next_kind(vocabulary, replace, draws, kinds):
    sequences = batch([[[1] * 6]])
    sequences.ids[0, 1:7] = [LEXICON[1][n][0] for n in (1, 2, 4, 5, 7, 8)]  # have similar words
    units = selection.whole_words(sequences.words(), Draws())
    predictions = replace(sequences, units, np.array([6]), vocabulary, Draws(*draws))
    assert [Kind(kind).name for kind in predictions.kinds] == kinds.split()


def test_80_10_10_is_drawn_piece_by_piece(vocabulary):
    sequences = batch([[[2] * 50]] * 200)
    _, _, predictions = corrupt("wwm", sequences, vocabulary, prob=1.0, cap=512)
    pairs = predictions.kinds.reshape(-1, 2)
    both_masked = (pairs == Kind.MASK).all(axis=1).mean()
    assert abs(both_masked - 0.64) < 0.03  # 0.8 if it were drawn by words of two


def replaced_words(units, sequences, predictions):
    """(original, what stands there now, kind) of each selected word."""
    new = sequences.ids.copy()
    new[predictions.rows, predictions.columns] = predictions.ids
    kinds = np.full(new.shape, -1)
    kinds[predictions.rows, predictions.columns] = predictions.kinds
    words = units.words
    for row, start, length in zip(words.rows, words.starts, words.lengths):
        if kinds[row, start] >= 0:
            # A word is replaced as a whole.
            assert len(set(kinds[row, start : start + length].tolist())) == 1
            yield (
                tuple(sequences.ids[row, start : start + length].tolist()),
                tuple(new[row, start : start + length].tolist()),
                Kind(kinds[row, start]),
            )


@given(shape=SHAPES, prob=PROBS, seed=SEEDS)
def test_macbert_replaces_words_by_those_of_the_table(vocabulary, shape, prob, seed):
    sequences = batch(shape, seed)
    units, _, predictions = corrupt("macbert", sequences, vocabulary, prob, 80, seed)
    for original, new, kind in replaced_words(units, sequences, predictions):
        if kind == Kind.KEPT:
            assert new == original
        elif kind == Kind.SIMILAR:
            assert new in similar_to(original) and not lacks_similar_words(original)
        else:
            assert kind == Kind.RANDOM or (kind == Kind.FALLBACK and lacks_similar_words(original))
            # No word of the table is so long: single pieces take its place.
            assert new in LEXICON[len(original)] or len(original) == LONGEST


def test_macbert_draws_pieces_where_no_word_has_the_length(vocabulary):
    sequences = batch([[[LONGEST]]])
    units = selection.whole_words(sequences.words(), Draws())
    pieces = [0.0, 0.2, 0.4, 0.6, 0.8, 0.99]
    predictions = corruption.similar_words_80_10_10(
        sequences, units, np.array([10 * LONGEST]), vocabulary, Draws([0.9, 0.5], [0.0], pieces)
    )
    assert predictions.ids.tolist() == [int(draw * VOCAB_SIZE) for draw in pieces]
    assert set(predictions.kinds) == {Kind.RANDOM}


@pytest.mark.parametrize("prob", [pytest.param(0.15, marks=pytest.mark.slow), 1.0])
def test_macberts_80_10_10_holds_though_a_third_of_the_words_have_no_similar_one(vocabulary, prob):
    random = np.random.default_rng(1)
    lengths = random.integers(1, 4, (int(280 / prob), 2, 125)).tolist()
    sequences = batch(lengths)
    units, budget, predictions = corrupt("macbert", sequences, vocabulary, prob, 1000)
    words = list(replaced_words(units, sequences, predictions))
    share = shares([kind for _, _, kind in words])
    assert len(words) > 40_000
    assert abs(share[Kind.SIMILAR] + share[Kind.FALLBACK] - 0.8) < 0.01
    assert abs(share[Kind.KEPT] - 0.1) < 0.01
    assert abs(share[Kind.RANDOM] - 0.1) < 0.01
    assert share[Kind.FALLBACK] > 0.05
    fallbacks = np.bincount(
        predictions.rows[predictions.kinds == Kind.FALLBACK], minlength=len(budget)
    )
    assert (10 * fallbacks <= budget).all()
    # Each of the similar words is as likely as the next; so is each random one.
    ranks = np.bincount([similar_to(a).index(b) for a, b, kind in words if kind == Kind.SIMILAR])
    np.testing.assert_allclose(ranks / ranks.sum(), [0.25] * 4, atol=0.01)
    random_words = collections.Counter(b for _, b, kind in words if kind == Kind.RANDOM)
    assert len(random_words) > 70  # of three lengths; five of thirty aren't in the table


def test_macbert_draws_word_by_word(vocabulary):
    sequences = batch([[[1] * 100]] * 150)
    units, _, predictions = corrupt("macbert", sequences, vocabulary, prob=1.0, cap=512)
    kinds = dict(zip(places(predictions), predictions.kinds))
    pairs = [
        (kinds.get((row, start)), kinds.get((row, start + 1)))
        for row, start, end, _ in spans(units)
        if end - start == 2
    ]
    both_kept = pairs.count((Kind.KEPT, Kind.KEPT)) / (len(pairs) - pairs.count((None, None)))
    assert both_kept < 0.03  # 0.01; 0.1 if it were drawn by n-grams


def test_macbert_needs_similar_words():
    sequences = batch([[[1, 2]]])
    with pytest.raises(ValueError, match="no similar words are given"):
        corrupt("macbert", sequences, Vocabulary(MASK, VOCAB_SIZE))


@pytest.mark.parametrize("scope", STRATEGIES["pert"].scopes)
@given(shape=SHAPES, prob=PROBS, seed=SEEDS)
def test_pert_permutes_in_its_scope_and_its_targets_tell_where_to_and_where_from(
    vocabulary, scope, shape, prob, seed
):
    sequences = batch(shape, seed)
    units, _, predictions = corrupt("pert", sequences, vocabulary, prob, 80, seed, scope=scope)
    inputs = sequences.ids.copy()
    inputs[predictions.rows, predictions.columns] = predictions.ids
    np.testing.assert_array_equal(np.sort(inputs), np.sort(sequences.ids))
    pointers, origins = predictions.targets["pointers"], predictions.targets["origins"]
    pointer_of = dict(zip(places(predictions), pointers.tolist()))
    # Which scope each piece of a word is in.
    segment_of = sequences.is_separator.cumsum(axis=1)
    unit_of = np.full(sequences.ids.shape, -1)
    for number, (row, start, end, _) in enumerate(spans(units)):
        unit_of[row, start:end] = number
    in_scope = {"unit": unit_of, "segment": segment_of, "sequence": 0 * segment_of}[scope]
    origin_of = dict(zip(places(predictions), origins.tolist()))
    for (row, column), kind in zip(places(predictions), predictions.kinds):
        assert in_scope[row, pointer_of[row, column]] == in_scope[row, column]
        assert inputs[row, pointer_of[row, column]] == sequences.ids[row, column]
        assert sequences.ids[row, origin_of[row, column]] == inputs[row, column]
        assert origin_of[row, pointer_of[row, column]] == column
        assert pointer_of[row, origin_of[row, column]] == column
        assert kind == Kind.MOVED or pointer_of[row, column] == column


@pytest.mark.parametrize(("scope", "groups"), [("segment", 2), ("sequence", 1)])
def test_pert_permutes_90_percent_of_what_is_selected(vocabulary, scope, groups):
    sequences = batch([[[1, 2, 3, 4] * 10, [2, 2, 1] * 10]] * 700)
    _, _, predictions = corrupt("pert", sequences, vocabulary, prob=1.0, cap=512, scope=scope)
    assert len(predictions.kinds) >= 100_000
    share = shares(predictions.kinds)
    assert abs(share[Kind.MOVED] - 0.9) < 0.01
    assert abs(share[Kind.KEPT] - 0.1) < 0.01
    # Of the pieces that change places within a segment, or a sequence, one stays by chance.
    stays = predictions.targets["pointers"] == predictions.columns
    assert abs(stays.mean() - 0.1 - groups / 150) < 0.0033


def test_perts_permutations_are_all_as_likely(vocabulary):
    sequences = batch([[[1] * 3]] * 60_000)
    _, _, predictions = corrupt("pert", sequences, vocabulary, prob=1.0)
    kinds = predictions.kinds.reshape(-1, 3)
    moved = (kinds == Kind.MOVED).all(axis=1)
    orders = predictions.targets["pointers"].reshape(-1, 3)[moved]
    assert len(orders) > 40_000
    counts = collections.Counter(map(tuple, orders.tolist()))
    assert set(counts) == set(itertools.permutations((1, 2, 3)))
    assert all(abs(count / len(orders) - 1 / 6) < 0.01 for count in counts.values())
    # Of the others, those that move do so among themselves.
    two = (kinds == Kind.MOVED).sum(axis=1) == 2
    swapped = (predictions.targets["pointers"] != predictions.columns).reshape(-1, 3)[two]
    assert abs(swapped.any(axis=1).mean() - 0.5) < 0.02


@given(shape=SHAPES, seed=SEEDS)
def test_pert_alone_has_targets_of_its_own(vocabulary, shape, seed):
    for name in STRATEGIES.names():
        predictions = corrupt(name, batch(shape), vocabulary, seed=seed)[2]
        assert set(predictions.targets) == set(STRATEGIES[name].targets)


def test_only_macbert_needs_similar_words():
    needing = [name for name in STRATEGIES.names() if STRATEGIES[name].needs_similar_words]
    assert needing == ["macbert"]
    assert STRATEGIES["macbert"].corrupt is corruption.similar_words_80_10_10
