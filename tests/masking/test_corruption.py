from bert_wwm.core.seeding import rng_for
from bert_wwm.masking.corruption import KEPT, MASKED, RANDOM, mask_80_10_10

MASK, VOCAB_SIZE = 4, 21128


def test_80_10_10_within_one_percent_on_100_000_pieces():
    originals = [1000 + n % 50 for n in range(100_000)]
    ids, kinds = mask_80_10_10(originals, MASK, VOCAB_SIZE, rng_for(7))
    shares = [kinds.count(kind) / len(kinds) for kind in (MASKED, RANDOM, KEPT)]
    assert abs(shares[0] - 0.8) < 0.01
    assert abs(shares[1] - 0.1) < 0.01
    assert abs(shares[2] - 0.1) < 0.01
    for original, new, kind in zip(originals, ids, kinds):
        assert (kind == MASKED) == (new == MASK) or kind == RANDOM
        assert kind != KEPT or new == original
    drawn = [new for new, kind in zip(ids, kinds) if kind == RANDOM]
    assert min(drawn) < 50 and max(drawn) > VOCAB_SIZE - 50  # of the whole vocabulary
    assert max(drawn) < VOCAB_SIZE
    assert abs(sum(drawn) / len(drawn) / VOCAB_SIZE - 0.5) < 0.02


def test_it_is_drawn_piece_by_piece():
    _, kinds = mask_80_10_10([10] * 2000, MASK, VOCAB_SIZE, rng_for(1))
    pairs = list(zip(kinds[::2], kinds[1::2]))
    both_masked = sum(pair == (MASKED, MASKED) for pair in pairs) / len(pairs)
    assert abs(both_masked - 0.64) < 0.06  # 0.8 if it were drawn by words of two


def test_nothing_to_mask():
    assert mask_80_10_10([], MASK, VOCAB_SIZE, rng_for(1)) == ([], [])
