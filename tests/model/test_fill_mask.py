import numpy as np
import pytest

from bert_wwm.model.fill_mask import Lexicon, best_pieces

WORDS = {"ab": ([0, 1], 6.0), "cb": ([2, 1], 2.0), "c": ([2], 4.0), "ad": ([0, 3], 1.0)}
# Pieces a b c d e occur 7, 8, 6, 1 and 0 times.
FREQUENCIES = np.array([7, 8, 6, 1, 0]) / 22


def log(*rows):
    return np.log(np.maximum(rows, 1e-30))


def test_a_context_that_tells_nothing_leaves_words_by_frequency():
    found = Lexicon(WORDS, 5).best(log(FREQUENCIES, FREQUENCIES), 3)
    assert [candidate.text for candidate in found] == ["ab", "cb", "ad"]
    assert np.exp([c.log_prob for c in found]) == pytest.approx([6 / 9, 2 / 9, 1 / 9])


def test_the_context_is_weighed_against_it():
    rows = log([0.1, 0.1, 0.6, 0.1, 0.1], FREQUENCIES)
    found = Lexicon(WORDS, 5).best(rows, 2)
    assert [candidate.text for candidate in found] == ["cb", "ab"]
    odds = (2 * 0.6 / (6 / 22)) / (6 * 0.1 / (7 / 22))
    assert np.exp(found[0].log_prob - found[1].log_prob) == pytest.approx(odds)


def test_only_words_of_the_length_of_the_blank_fit():
    assert [c.text for c in Lexicon(WORDS, 5).best(log(FREQUENCIES), 5)] == ["c"]
    assert Lexicon(WORDS, 5).best(log(*[FREQUENCIES] * 3), 5) == []


def test_best_pieces_are_the_likeliest_sequences():
    rows = log([0.6, 0.4], [0.3, 0.7])
    found = best_pieces(rows, ["a", "##b"], 3)
    assert [candidate.text for candidate in found] == ["ab", "bb", "aa"]
    assert np.exp([c.log_prob for c in found]) == pytest.approx([0.42, 0.28, 0.18])
