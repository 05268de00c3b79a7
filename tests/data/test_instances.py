import collections
from random import Random

import numpy as np
import pytest
from documents import SHAPES, block_of
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.seeding import rng_for
from bert_wwm.data.counts import Counts
from bert_wwm.data.instances import PAIRINGS, Pass, make_instances, truncate_lengths

SEEDS = st.integers(0, 1000)
MAX_LENGTHS = st.integers(5, 40)


def by_popping(first: int, second: int, limit: int):
    """truncate_seq_pair, piece by piece."""
    while first + second > limit:
        if first > second:
            first -= 1
        else:
            second -= 1
    return first, second


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=9), st.integers(2, 60))
def test_truncated_lengths_are_those_of_popping(pairs, limit):
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    kept = zip(*(lengths.tolist() for lengths in truncate_lengths(first, second, limit)))
    assert list(kept) == [by_popping(*pair, limit) for pair in pairs]


def reference_pairs(lengths, index, limit, short_seq_prob, random):
    """create_instances_from_document told in sentence lengths; B is never from the same document.

    Yields (start of A, length of A, document of B, start of B, length of B), in pieces.
    """
    starts = [[sum(d[:i]) for i in range(len(d) + 1)] for d in lengths]
    target = random.randint(2, limit) if random.random() < short_seq_prob else limit
    first, i = 0, 0
    while i < len(lengths[index]):
        size = starts[index][i + 1] - starts[index][first]
        if i == len(lengths[index]) - 1 or size >= target:
            end = first + (random.randint(1, i - first) if i > first else 1)
            a = [starts[index][first], starts[index][end]]
            if i == first or random.random() < 0.5:
                other = random.choice([d for d in range(len(lengths)) if d != index])
                begin = stop = random.randrange(len(lengths[other]))
                while stop < len(lengths[other]):
                    stop += 1
                    if starts[other][stop] - starts[other][begin] >= target - (a[1] - a[0]):
                        break
                i = end - 1
            else:
                other, begin, stop = index, end, i + 1
            b = [starts[other][begin], starts[other][stop]]
            while a[1] - a[0] + b[1] - b[0] > limit:
                longer = a if a[1] - a[0] > b[1] - b[0] else b
                if random.random() < 0.5:
                    longer[0] += 1
                else:
                    longer[1] -= 1
            yield a[0], a[1] - a[0], other, b[0], b[1] - b[0]
            first = i + 1
        i += 1


@pytest.mark.parametrize("short_seq_prob", [0.0, 1.0])
def test_pairs_are_distributed_as_the_reference_draws_them(short_seq_prob):
    lengths = [[3, 9, 4, 12, 5, 8, 2, 7, 6, 10], [4, 8, 5, 3, 9, 7], [6, 2, 11], [5]]
    block = block_of([[[1] * n for n in document] for document in lengths])
    begins = np.array(block.sentences)[block.documents]
    ours, reference, passes = collections.Counter(), collections.Counter(), 3000
    random = Random(5)
    for seed in range(passes):
        for (a, b), (length_a, length_b), label in make(block, "nsp", 27, short_seq_prob, seed)[0]:
            if a < begins[1]:
                other = int(np.searchsorted(begins, b, "right")) - 1
                assert label == (other != 0)
                count(ours, (a, length_a, other, b - begins[other], length_b))
        for row in reference_pairs(lengths, 0, 24, short_seq_prob, random):
            count(reference, row)
    for key in set(ours) | set(reference):
        # Five standard deviations of the difference of two counts.
        bound = 5 * (ours[key] + reference[key] + 1) ** 0.5
        assert abs(ours[key] - reference[key]) < bound, (key, ours[key], reference[key])


def count(counter, row):
    """Counts each property of a pair by itself, and two together."""
    start_a, length_a, other, start_b, length_b = row
    counter.update(
        [
            ("start of A", start_a),
            ("length of A", length_a),
            ("document of B", other),
            ("start of B", other, start_b),
            ("length of B", length_b),
            ("length", length_a + length_b),
            ("lengths", length_a, length_b),
        ]
    )


def make(block, pairing, max_seq_length=32, short_seq_prob=0.1, seed=1):
    """Of each instance the starts and the lengths of its segments, and its label."""
    counts = Counts()
    instances = make_instances(
        Pass(block, rng_for(seed), counts), PAIRINGS[pairing], max_seq_length, short_seq_prob
    )
    assert instances.starts.shape == instances.lengths.shape
    assert instances.starts.shape == (len(instances.labels), PAIRINGS[pairing].segments)
    return list(zip(*(values.tolist() for values in instances))), counts


def document_of(block, start, length):
    """The document that a segment is from; it is from one alone."""
    begins = np.array(block.sentences)[block.documents]
    first, last = np.searchsorted(begins, [start, start + length - 1], "right") - 1
    assert first == last and 0 <= first < len(begins) - 1
    return first


@pytest.mark.parametrize("pairing", PAIRINGS.names())
@given(shape=SHAPES, max_seq_length=MAX_LENGTHS, seed=SEEDS)
def test_segments_are_of_one_document_and_fit(pairing, shape, max_seq_length, seed):
    limit = max_seq_length - PAIRINGS[pairing].num_special_tokens
    block = block_of(shape, longest=limit)
    for prob in 0.0, 0.1, 1.0:
        for starts, lengths, _ in make(block, pairing, max_seq_length, prob, seed)[0]:
            for start, length in zip(starts, lengths):
                assert length > 0
                document_of(block, start, length)
            assert sum(lengths) <= limit


@given(SHAPES, SEEDS)
def test_the_second_segment_follows_or_is_from_another_document(shape, seed):
    block = block_of(shape, longest=29)
    pairs, counts = make(block, "nsp", seed=seed)
    documents = []
    for (a, b), (length_a, length_b), label in pairs:
        first, second = document_of(block, a, length_a), document_of(block, b, length_b)
        assert label == (first != second)
        assert label or b >= a + length_a
        documents.append(first)
    assert documents == sorted(documents)
    assert set(documents) == (set(range(len(shape))) if len(shape) > 1 else set())
    assert counts.documents_alone == (len(shape) == 1)


@pytest.mark.parametrize("pairing", ["sop", "contiguous", "single"])
@given(shape=SHAPES, max_seq_length=MAX_LENGTHS, seed=SEEDS)
def test_every_piece_is_used_once_cut_off_or_in_a_sentence_of_one_word(
    pairing, shape, max_seq_length, seed
):
    block = block_of(shape, longest=max_seq_length - PAIRINGS[pairing].num_special_tokens)
    instances, counts = make(block, pairing, max_seq_length, 0.5, seed)
    used = [
        piece
        for starts, lengths, _ in instances
        for start, length in zip(starts, lengths)
        for piece in range(start, start + length)
    ]
    assert len(used) == len(set(used))
    one_word = [
        end - start
        for start, end in zip(block.sentences, block.sentences[1:])
        if block.word_starts[start:end].sum() == 1
    ]
    left_out = len(block.ids) - len(used) - counts.truncated_pieces
    if pairing == "single":
        assert left_out == counts.truncated_pieces == counts.sentences_of_one_word == 0
    else:
        assert counts.sentences_of_one_word <= left_out <= sum(one_word)
        assert counts.sentences_of_one_word <= len(one_word)
    assert counts.documents_alone == 0


@pytest.mark.parametrize("pairing", ["sop", "contiguous"])
@given(shape=SHAPES, seed=SEEDS)
def test_segments_follow_each_other_and_are_parted_between_words(pairing, shape, seed):
    block = block_of(shape, longest=9)
    # So long that nothing is cut off.
    instances, counts = make(block, pairing, 600, 0.3, seed)
    assert counts.truncated_pieces == 0
    end = 0
    for (a, b), (length_a, length_b), label in instances:
        assert label == (a > b) and (pairing == "sop" or not label)
        first, middle, last = sorted({a, a + length_a, b, b + length_b})
        assert first >= end
        end = last
        assert {first, last} <= set(block.sentences)
        assert block.word_starts[middle]
        if middle not in block.sentences:  # within a sentence that is alone
            assert block.sentences.index(last) == block.sentences.index(first) + 1


@pytest.mark.parametrize("pairing", ["sop", "contiguous"])
def test_segments_reach_the_length_that_is_wanted(pairing):
    instances, counts = make(block_of([[[2, 4, 1]] * 40] * 20), pairing, 31, 0)
    assert {sum(lengths) for _, lengths, _ in instances} == {28}
    assert len(instances) == 200
    assert counts.truncated_pieces == 0
    middles = collections.Counter(min(lengths) for _, lengths, _ in instances)
    assert set(middles) == {7, 14}  # of four sentences, one to three are the first segment
    _, counts = make(block_of([[[2, 4, 1]] * 40] * 20), pairing, 32, 0)
    assert counts.truncated_pieces == 20 * 8 * 6  # of five sentences, 29 pieces are kept


def test_half_of_the_pairs_are_swapped():
    labels = [label for _, _, label in make(block_of([[[1] * 7] * 4000] * 2), "sop")[0]]
    assert len(labels) > 1000
    assert abs(sum(labels) / len(labels) - 0.5) < 2.5 / len(labels) ** 0.5


def test_a_sentence_that_is_alone_is_parted_at_a_random_end_of_a_word():
    block = block_of([[[2, 4, 1, 3]]] * 3000)
    instances, counts = make(block, "contiguous", 40)
    assert counts.sentences_of_one_word == 0
    lengths = collections.Counter(lengths[0] for _, lengths, _ in instances)
    assert set(lengths) == {2, 6, 7}
    assert all(abs(number - 1000) < 130 for number in lengths.values())


def test_a_sentence_of_one_word_that_is_alone_is_left_out_and_counted():
    block = block_of([[[5]], [[2, 3]], [[4]]])
    for pairing in "sop", "contiguous":
        instances, counts = make(block, pairing)
        assert counts.sentences_of_one_word == 2
        assert [sorted(starts) for starts, _, _ in instances] == [[5, 7]]
    assert [starts for starts, _, _ in make(block, "single")[0]] == [[0], [5], [10]]
    assert len(make(block, "nsp")[0]) == 3


@given(SHAPES, MAX_LENGTHS, SEEDS)
def test_single_segments_are_filled_and_lose_nothing(shape, max_seq_length, seed):
    limit = max_seq_length - 2
    block = block_of(shape, longest=limit)
    instances, _ = make(block, "single", max_seq_length, 0, seed)
    end = 0
    for number, ((start,), (length,), label) in enumerate(instances):
        assert (start, label) == (end, 0)
        end = start + length
        assert end in block.sentences
        next_sentence = block.sentences[block.sentences.index(end) :][:2]
        if end not in np.array(block.sentences)[block.documents]:
            assert next_sentence[1] - start > limit  # did not fit any more
        assert number < len(instances) - 1 or end == len(block.ids)
    assert instances or not shape


def test_every_sentence_of_a_document_is_used():
    block = block_of([[[2, 4, 1]] * 40, [[2, 4, 1]] * 30])
    used = set()
    for seed in range(5):
        for starts, lengths, label in make(block, "nsp", seed=seed)[0]:
            for start, length in list(zip(starts, lengths))[: 2 - label]:
                used |= {piece // 7 for piece in range(start, start + length)}
    assert used == set(range(70))


def test_a_document_of_one_sentence_always_gets_a_random_second():
    instances, _ = make(block_of([[[2, 4, 1]], [[7]] * 5]), "nsp")
    assert [label for (start, _), _, label in instances if start < 7] == [1]


def test_a_document_without_another_is_counted_at_every_pass():
    for pairing, expected in (("nsp", 1), ("sop", 0), ("contiguous", 0), ("single", 0)):
        instances, counts = make(block_of([[[2, 4, 1]] * 5]), pairing)
        assert counts.documents_alone == expected
        assert bool(instances) == (not expected)


def test_short_sequences_are_as_frequent_as_asked():
    block = block_of([[[2, 4, 1]] * 40] * 2)

    def shorts(pairing, prob):
        first = (make(block, pairing, 32, prob, seed)[0][0] for seed in range(300))
        return sum(sum(lengths) < 25 for _, lengths, _ in first)

    for pairing in PAIRINGS.names():
        assert shorts(pairing, 0.0) < 10  # random sentences from the end of a document are few
        assert shorts(pairing, 1.0) > 150
        assert 30 < shorts(pairing, 0.3) < 100


@pytest.mark.parametrize("pairing", ["nsp", "sop"])
def test_what_is_cut_off_is_counted(pairing):
    instances, counts = make(block_of([[[2, 4, 1]] * 40] * 2), pairing, short_seq_prob=0)
    used = sum(sum(lengths) for _, lengths, _ in instances)
    assert counts.truncated_pieces > 0
    assert (used + counts.truncated_pieces) % 7 == 0


def test_pieces_are_cut_off_at_both_ends_alike():
    block = block_of([[[1] * 20, [1] * 20]] * 2000)
    instances, counts = make(block, "contiguous", 33, 0)  # 10 pieces too many
    assert len(instances) == 2000
    from_front = [starts[0] % 40 for starts, _, _ in instances]
    assert counts.truncated_pieces == 20_000
    assert all(lengths == [15, 15] for _, lengths, _ in instances)
    # Binomial: five pieces of each segment, each from the front or not.
    frequencies = np.bincount(from_front) / 2000
    np.testing.assert_allclose(frequencies * 32, [1, 5, 10, 10, 5, 1], atol=2)
