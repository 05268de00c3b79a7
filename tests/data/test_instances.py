import collections
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.seeding import rng_for
from bert_wwm.data.counts import Counts
from bert_wwm.data.instances import next_sentence_pairs, truncated_lengths
from bert_wwm.data.tokenized import Tokens


def by_popping(first: int, second: int, limit: int):
    """truncate_seq_pair, piece by piece."""
    while first + second > limit:
        if first > second:
            first -= 1
        else:
            second -= 1
    return first, second


@given(st.integers(1, 60), st.integers(1, 60), st.integers(2, 60))
def test_truncated_lengths_are_those_of_popping(first, second, limit):
    assert truncated_lengths(first, second, limit) == by_popping(first, second, limit)


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
    block = [
        [Tokens(list(range(d * 1000 + sum(doc[:i]), d * 1000 + sum(doc[: i + 1]))), [1] * n)
         for i, n in enumerate(doc)]
        for d, doc in enumerate(lengths)
    ]  # fmt: skip
    ours, reference, passes = collections.Counter(), collections.Counter(), 3000
    random = Random(5)
    for seed in range(passes):
        for pair in pairs(block, 0, 27, short_seq_prob, seed)[0]:
            second = pair.second.ids
            row = (pair.first.ids[0], len(pair.first.ids), second[0] // 1000, second[0] % 1000)
            count(ours, (*row, len(second)))
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


def make_block(sizes, sentence=7):
    """Documents whose ids say where a piece is from: document * 1000 + running number."""
    return [
        [
            Tokens(list(range(d * 1000 + s * sentence, d * 1000 + (s + 1) * sentence)), [2, 4, 1])
            for s in range(size)
        ]
        for d, size in enumerate(sizes)
    ]


def pairs(block, index, max_seq_length=32, short_seq_prob=0.1, seed=1):
    counts = Counts()
    rng = rng_for(seed, index)
    return list(
        next_sentence_pairs(block, index, max_seq_length, short_seq_prob, rng, counts)
    ), counts


def test_segments_are_contiguous_and_fit():
    block = make_block([40, 3, 12, 1])
    for seed in range(20):
        for index in range(len(block)):
            for pair in pairs(block, index, seed=seed)[0]:
                for run in pair.first, pair.second:
                    assert run.ids == list(range(run.ids[0], run.ids[0] + len(run.ids)))
                    assert sum(run.words) == len(run.ids) > 0
                assert len(pair.first.ids) + len(pair.second.ids) <= 29


def test_the_second_segment_follows_or_is_from_another_document():
    block = make_block([40, 3, 12, 1])
    seen = set()
    for seed in range(50):
        for pair in pairs(block, 0, seed=seed)[0]:
            assert pair.first.ids[0] < 1000
            other = pair.second.ids[0] // 1000
            seen.add(other)
            assert (other != 0) == pair.is_random_next
            if not pair.is_random_next:
                assert pair.second.ids[0] > pair.first.ids[-1]
    assert seen == {0, 1, 2, 3}


def test_every_sentence_of_a_document_is_used():
    block = make_block([40, 30])
    first_pieces = set()
    for seed in range(5):
        for pair in pairs(block, 0, seed=seed)[0]:
            first_pieces |= {i // 7 for i in pair.first.ids + pair.second.ids if i < 1000}
    assert first_pieces == set(range(40))


def test_a_document_of_one_sentence_always_gets_a_random_second():
    result, _ = pairs(make_block([1, 5]), 0)
    assert [pair.is_random_next for pair in result] == [True]


def test_short_sequences_are_as_frequent_as_asked():
    block = make_block([40, 40])

    def shorts(prob):
        lengths = []
        for seed in range(300):
            first = pairs(block, 0, short_seq_prob=prob, seed=seed)[0][0]
            lengths.append(len(first.first.ids) + len(first.second.ids))
        return sum(length < 25 for length in lengths)

    assert shorts(0.0) < 10  # random sentences from the end of a document are few
    assert shorts(1.0) > 150


def test_what_is_cut_off_is_counted():
    result, counts = pairs(make_block([40, 40]), 0, short_seq_prob=0)
    used = sum(len(p.first.ids) + len(p.second.ids) for p in result)
    assert counts.truncated_pieces > 0
    assert (used + counts.truncated_pieces) % 7 == 0
