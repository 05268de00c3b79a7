"""The learning rate, step by step."""

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError
from bert_wwm.train.schedules import warmup_and_linear_decay


def rates(steps, *arguments):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = warmup_and_linear_decay(step, *arguments)
        assert rate.dtype == tf.float32 and rate.shape.as_list() == []
        return [float(session.run(rate, {step: t})) for t in steps]


def test_a_line_up_and_a_line_down():
    # The decay counts from step 0, so the rate falls at the end of the warmup.
    assert rates(range(6), 1.0, 5, 2) == pytest.approx([0, 0.5, 0.6, 0.4, 0.2, 0])


@pytest.mark.parametrize("warmup", [None, 0])
def test_no_warmup(warmup):
    assert rates(range(5), 2.0, 4, warmup) == pytest.approx([2, 1.5, 1, 0.5, 0])


def test_zero_after_the_end():
    assert rates([10, 11, 10**9], 1.0, 10, 3) == [0, 0, 0]


def test_a_warmup_longer_than_the_training():
    assert rates([0, 5, 9], 1.0, 10, 20) == pytest.approx([0, 0.25, 0.45])


def test_hfls_million_steps():
    steps = [0, 1, 9_999, 10_000, 500_000, 999_999]
    t = np.array(steps, np.float64)
    expected = np.where(t < 10_000, 1e-4 * t / 10_000, 1e-4 * (1 - t / 1_000_000))
    assert rates(steps, 1e-4, 1_000_000, 10_000) == pytest.approx(expected, rel=1e-6, abs=1e-11)


@pytest.mark.parametrize(
    ("steps", "warmup", "message"), [(0, 0, "num_train_steps is 0"), (5, -1, "warmup_steps is -1")]
)
def test_numbers_that_make_no_sense(steps, warmup, message):
    with pytest.raises(ConfigError, match=message):
        rates([0], 1.0, steps, warmup)
