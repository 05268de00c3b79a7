import numpy as np
from batches import SHAPES, batch
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.masking.sequences import positions


@given(SHAPES)
def test_words_are_those_that_the_sequences_were_made_of(shape):
    expected, segments = [], []
    for row, lengths_of_segments in enumerate(shape):
        start = 1  # behind [CLS]
        for number, lengths in enumerate(lengths_of_segments):
            for length in lengths:
                expected.append((row, start, length))
                segments.append((row, number))
                start += length
            start += 1
    words = batch(shape).words()
    assert list(zip(words.rows, words.starts, words.lengths)) == expected
    # Segments have one number each.
    assert len(words.segments) == len(segments)
    assert len(set(zip(words.segments, segments))) == len(set(words.segments)) == len(set(segments))


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 5)), max_size=20))
def test_runs_are_written_out(runs):
    starts, lengths = np.array(runs, np.int64).reshape(-1, 2).T
    expected = [n for start, length in runs for n in range(start, start + length)]
    assert positions(starts, lengths).tolist() == expected
