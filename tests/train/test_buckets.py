import numpy as np
import pytest
from task_steps import OBJECTIVES, assert_same_step, features, run

from bert_wwm.compat import tf
from bert_wwm.train.buckets import switch_length

BUCKETS = (6, 10, 16)
MODES = tf.estimator.ModeKeys


@pytest.mark.parametrize("longest, expected", [(3, 6), (6, 6), (7, 10), (10, 10), (11, 16)])
def test_the_shortest_length_that_fits_is_taken(longest, expected):
    with tf.Graph().as_default(), tf.Session() as session:
        tensors = {name: tf.constant(array) for name, array in features(longest).items()}
        found = switch_length(lambda cut: [tf.shape(cut["input_ids"])[1]], tensors, BUCKETS)
        assert session.run(found) == [expected]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, longest, parts",
    [
        pytest.param("sentence", 5, 1, marks=pytest.mark.long),
        ("tagging", 9, 2),
        ("reading", 16, 1),
    ],
)
def test_a_step_is_that_of_one_length(kind, longest, parts, tmp_path):
    one, several = (
        run(
            kind,
            MODES.TRAIN,
            features(longest),
            tmp_path,
            tpu_buckets=buckets,
            num_accumulation_steps=parts,
        )
        for buckets in ((), BUCKETS)
    )
    assert_same_step(one, several)


@pytest.mark.slow
@pytest.mark.parametrize("kind, longest", [("sentence", 5), ("tagging", 9), ("reading", 5)])
def test_predictions_are_those_of_one_length(kind, longest, tmp_path):
    arrays = features(longest)
    one, several = (
        run(kind, MODES.PREDICT, arrays, tmp_path, tpu_buckets=buckets) for buckets in ((), BUCKETS)
    )
    tokens = OBJECTIVES[kind].token_outputs
    for name, value in one.items():
        assert several[name].shape == value.shape
        for row, length in enumerate(arrays["input_mask"].sum(1)):
            cut = slice(0, length) if name in tokens else slice(None)
            np.testing.assert_allclose(several[name][row][cut], value[row][cut], atol=1e-5)
