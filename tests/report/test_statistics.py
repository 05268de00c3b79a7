import itertools
import math

import numpy as np
import pytest

from bert_wwm.masking.corruption import Kind
from bert_wwm.report.statistics import gather, overlap

MASK = Kind.MASK


def test_counts(make):
    segments = [[["中", "国"], ["人"], ["be", "##rt"]], [["[UNK]"], ["大", "家", "好"]]]
    kinds = {1: MASK, 2: Kind.KEPT, 3: MASK, 7: MASK, 8: Kind.RANDOM}
    example = make(segments, kinds, pair_label=1, labels={"pos_labels": [1, 1, 0, 2, 1]})
    numbers = gather([example, example])
    assert (numbers.records, numbers.tokens, numbers.pieces, numbers.unknown) == (2, 24, 18, 2)
    assert numbers.kinds == {MASK: 6, Kind.KEPT: 2, Kind.RANDOM: 2}
    assert numbers.fill == [0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
    assert numbers.mean_fill == 0.6
    assert numbers.words == {1: 4, 2: 4, 3: 2}
    assert numbers.selected == {1: 4, 2: 4, 3: 2}
    assert numbers.pair_labels == {1: 2}
    assert numbers.labels == {"pos_labels": {0: 2, 1: 6, 2: 2}}


def test_runs_end_at_words_that_are_not_selected_and_at_segments(make):
    words = [["中", "国"], ["人"], ["民"], ["大", "家"]]
    kinds = dict.fromkeys([1, 2, 3, 5, 6, 8, 9, 13], MASK)
    # 中国 人 | 大家 || 中国 | (half of 大家)
    numbers = gather([make([words, words], kinds)])
    assert sorted(numbers.runs.elements()) == [1, 1, 2]
    assert (numbers.wholeness.touched, numbers.wholeness.whole) == (4, 3)
    assert numbers.wholeness.share == 0.75


@pytest.mark.parametrize("length", [2, 3])
@pytest.mark.parametrize("selected", [1, 2, 3, 7, 8])
def test_chance_is_that_of_all_draws_of_as_many_pieces(make, length, selected):
    word = list("abc")[:length]
    words = [word, *([piece] for piece in "defghijk"[: 8 - length])]
    numbers = gather([make([words], dict.fromkeys(range(1, selected + 1), MASK))])
    draws = list(itertools.combinations(range(8), selected))
    touched = sum(draw[0] < length for draw in draws)
    whole = sum(draw[:length] == tuple(range(length)) for draw in draws)
    assert math.isclose(numbers.wholeness.touched_by_chance, touched / len(draws))
    assert math.isclose(numbers.wholeness.whole_by_chance, whole / len(draws))
    assert math.isclose(numbers.wholeness.share_by_chance, whole / touched)


def test_nothing_selected_and_nothing_at_all(make):
    assert gather([make([[["中", "国"]]], {})]).wholeness.share_by_chance == 0
    assert gather([]).records == 0


TEXT = [[piece] for piece in "使用语言模型来预测下一个词"]


def test_overlap_is_of_equal_segments(make):
    def of(positions, text=TEXT):
        return make([[["我"]], text], dict.fromkeys(positions, MASK))

    # Pieces stand from 3 on; [CLS] 我 [SEP] come first, and 我 is of no segment that is compared.
    examples = [of([1, 3, 4]), of([4, 5]), of([3, 4], TEXT[::-1]), of([4, 5, 6])]
    found = overlap(examples)
    assert found.pairs == 2
    assert (found.common, found.either) == (1 + 2, 3 + 3)
    assert found.share == 0.5
    assert math.isclose(found.common_by_chance, (2 * 2 + 2 * 3) / len(TEXT))
    assert math.isclose(found.either_by_chance, 4 + 5 - found.common_by_chance)


def test_short_segments_are_not_compared(make):
    example = make([TEXT[:9]], {1: MASK})
    assert overlap([example, example]).pairs == 0


def test_copies_overlap_wholly_and_independent_draws_as_by_chance(make):
    rng = np.random.default_rng(1)

    def draw():
        return make([TEXT], dict.fromkeys((1 + rng.permutation(len(TEXT))[:3]).tolist(), MASK))

    copied = draw()
    assert overlap([copied, copied]).share == 1
    found = overlap([draw() for _ in range(4000)])
    assert found.pairs == 3999
    assert abs(found.share - found.share_by_chance) < 0.01
