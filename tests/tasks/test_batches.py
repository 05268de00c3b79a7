import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.tasks.batches import Padding, TrainingOrder, list_shapes, prediction_batches

LENGTHS = np.random.default_rng(1).integers(5, 129, 3000)
SHAPES = list_shapes(128, 8)


def all_rows(order, num_steps):
    return np.concatenate([order.batch(step).rows for step in range(num_steps)])


def test_shapes_are_multiples_and_the_longest():
    assert list_shapes(30, 8) == (8, 16, 24, 30)
    assert list_shapes(32, 8) == (8, 16, 24, 32)
    assert list_shapes(5, 8) == (5,)


@given(
    size=st.integers(1, 300),
    batch_size=st.integers(1, 40),
    epochs=st.integers(1, 4),
    by_length=st.booleans(),
)
def test_an_epoch_holds_every_sequence_once(size, batch_size, epochs, by_length):
    num_steps = size * epochs // batch_size
    if not num_steps:
        return
    order = TrainingOrder(LENGTHS[:size], batch_size, num_steps, 7, Padding(SHAPES, by_length))
    counts = np.bincount(all_rows(order, num_steps), minlength=size)
    # What doesn't fill a batch at the end is left out.
    assert counts.sum() == num_steps * batch_size
    assert counts.max() - counts.min() <= 1 and counts.max() <= epochs


@pytest.mark.parametrize("size, batch_size", [(640, 64), (200, 16), (1000, 32), (3000, 64)])
def test_each_epoch_holds_every_sequence_once(size, batch_size):
    """But for those that fill up the batch at its border."""
    order = TrainingOrder(
        LENGTHS[:size], batch_size, 5 * size // batch_size, 7, Padding(SHAPES, by_length=True)
    )
    for epoch in range(4):
        steps = range(-(-epoch * size // batch_size), (epoch + 1) * size // batch_size)
        batches = [order.batch(step).rows for step in steps]
        assert min(len(set(rows.tolist())) for rows in batches) > 0.7 * batch_size
        assert len(np.unique(np.concatenate(batches))) > size - 2 * batch_size


@pytest.mark.parametrize("by_length", [True, False])
def test_a_step_hangs_on_the_seed_and_its_number_alone(by_length):
    order = TrainingOrder(LENGTHS, 16, 400, 3, Padding(SHAPES, by_length))
    steps = [order.batch(step) for step in range(400)]
    entered = TrainingOrder(LENGTHS, 16, 400, 3, Padding(SHAPES, by_length))
    for step in (399, 57, 0, 250):
        assert (entered.batch(step).rows == steps[step].rows).all()
    other = TrainingOrder(LENGTHS, 16, 400, 4, Padding(SHAPES, by_length))
    assert (other.batch(0).rows != steps[0].rows).any()


def test_batches_at_random_hang_on_no_length():
    """And are padded to the longest of their own."""
    order = TrainingOrder(LENGTHS, 16, 400, 3, Padding(list_shapes(128, 1)))
    of_others = TrainingOrder(LENGTHS[::-1], 16, 400, 3, Padding((128,)))
    for step in range(400):
        batch, other = order.batch(step), of_others.batch(step)
        assert (batch.rows == other.rows).all()
        assert batch.length == LENGTHS[batch.rows].max() and other.length == 128


def test_batches_by_length_hold_little_padding():
    order = TrainingOrder(LENGTHS, 16, 400, 3, Padding(SHAPES, by_length=True))
    batches = [order.batch(step) for step in range(400)]
    tokens = sum(LENGTHS[batch.rows].sum() for batch in batches)
    assert tokens / sum(16 * batch.length for batch in batches) > 0.9
    assert all(LENGTHS[batch.rows].max() <= batch.length <= 128 for batch in batches)


def test_lengths_come_in_random_order():
    order = TrainingOrder(LENGTHS, 16, 400, 3, Padding(SHAPES, by_length=True))
    lengths = np.array([order.batch(step).length for step in range(400)])
    # Neighbours are no more alike than any two.
    assert abs(np.corrcoef(lengths[:-1], lengths[1:])[0, 1]) < 0.15


def test_sorted_classes_are_mixed():
    labels = np.arange(3000) // 1500
    for by_length in (True, False):
        order = TrainingOrder(LENGTHS, 32, 90, 3, Padding(SHAPES, by_length))
        shares = [labels[order.batch(step).rows].mean() for step in range(90)]
        assert min(shares) > 0.1 and max(shares) < 0.9


@given(size=st.integers(1, 200), batch_size=st.integers(1, 50))
def test_predictions_cover_everything_once(size, batch_size):
    batches = prediction_batches(LENGTHS[:size], batch_size, SHAPES)
    rows = np.concatenate([batch.rows for batch in batches])
    assert sorted(rows.tolist()) == list(range(size))
    assert all(LENGTHS[batch.rows].max() <= batch.length for batch in batches)
    assert [batch.length for batch in batches] == sorted((b.length for b in batches), reverse=True)
