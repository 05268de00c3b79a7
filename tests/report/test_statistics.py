import itertools
import math

import pytest

from bert_wwm.masking.corruption import Kind
from bert_wwm.report.statistics import gather

MASK = Kind.MASK


def test_counts(make):
    segments = [[["中", "国"], ["人"], ["be", "##rt"]], [["[UNK]"], ["大", "家", "好"]]]
    kinds = {1: MASK, 2: Kind.KEPT, 3: MASK, 7: MASK, 8: Kind.RANDOM}
    example = make(segments, kinds, pair_label=1, labels={"pos_labels": [1, 1, 0, 2, 1]})
    numbers = gather([[example], [example]])
    counts = numbers.counts
    assert (counts.instances, counts.tokens, counts.pieces) == (2, 24, 18)
    assert (counts.unknown_pieces, counts.predicted, counts.pairs_labelled_1) == (2, 10, 2)
    assert counts.kinds == {"mask": 6, "kept": 2, "random": 2}
    assert counts.words_by_length == {"1": 4, "2": 4, "3": 2}
    assert numbers.fill == [0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
    assert numbers.mean_fill == 0.6
    assert numbers.pair_labels == {1: 2}
    assert numbers.labels == {"pos_labels": {0: 2, 1: 6, 2: 2}}


def test_words_are_whole_with_all_their_pieces(make):
    words = [["中", "国"], ["人"], ["民"], ["大", "家"]]
    kinds = dict.fromkeys([1, 2, 3, 5, 6, 8, 9, 13], MASK)
    # 中国 人 | 大家 || 中国 | (half of 大家)
    numbers = gather([[make([words, words], kinds)]])
    assert (numbers.wholeness.touched, numbers.wholeness.whole) == (4, 3)
    assert numbers.wholeness.share == 0.75


@pytest.mark.parametrize("length", [2, 3])
@pytest.mark.parametrize("selected", [1, 2, 3, 7, 8])
def test_chance_is_that_of_all_draws_of_as_many_pieces(make, length, selected):
    word = list("abc")[:length]
    words = [word, *([piece] for piece in "defghijk"[: 8 - length])]
    numbers = gather([[make([words], dict.fromkeys(range(1, selected + 1), MASK))]])
    draws = list(itertools.combinations(range(8), selected))
    touched = sum(draw[0] < length for draw in draws)
    whole = sum(draw[:length] == tuple(range(length)) for draw in draws)
    assert math.isclose(numbers.wholeness.touched_by_chance, touched / len(draws))
    assert math.isclose(numbers.wholeness.whole_by_chance, whole / len(draws))
    assert math.isclose(numbers.wholeness.share_by_chance, whole / touched)


def test_nothing_selected_and_nothing_at_all(make):
    assert gather([[make([[["中", "国"]]], {})]]).wholeness.share_by_chance == 0
    assert gather([]).counts.instances == 0
