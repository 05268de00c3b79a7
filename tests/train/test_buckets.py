import numpy as np
import pytest
from small_model import VOCABULARY, small_config

from bert_wwm.compat import tf
from bert_wwm.finetuning.objective import ReadingObjective, SentenceObjective, TaggingObjective
from bert_wwm.train.buckets import by_length
from bert_wwm.train.model_fn import TrainingSettings, make_model_fn

BUCKETS = (6, 10, 16)


def features(longest):
    rng = np.random.default_rng(longest)
    mask = np.arange(16) < np.array([[longest], [3], [min(longest, 5)], [longest]])
    arrays = {
        "input_ids": rng.integers(1, VOCABULARY, [4, 16]) * mask,
        "input_mask": mask,
        "segment_ids": np.zeros([4, 16]),
        "label_ids": rng.integers(0, 3, 4),
        "tag_ids": np.where(mask, rng.integers(0, 3, [4, 16]), -1),
        "start_positions": [1, 2, 0, 1],
        "end_positions": [2, 2, 0, 1],
        "context_begin": [1, 1, 1, 1],
        "context_end": [3, 3, 3, 3],
    }
    return {name: np.asarray(array, np.int32) for name, array in arrays.items()}


@pytest.mark.parametrize("longest, expected", [(3, 6), (6, 6), (7, 10), (10, 10), (11, 16)])
def test_the_shortest_length_that_fits_is_taken(longest, expected):
    with tf.Graph().as_default(), tf.Session() as session:
        tensors = {name: tf.constant(array) for name, array in features(longest).items()}
        found = by_length(lambda cut: [tf.shape(cut["input_ids"])[1]], tensors, BUCKETS)
        assert session.run(found) == [expected]


OBJECTIVES = {
    "sentence": SentenceObjective(3),
    "tagging": TaggingObjective(3),
    "reading": ReadingObjective(),
}


def run(kind, mode, buckets, arrays, tmp_path, parts=1):
    """What a step, or a prediction, gives: the loss and the weights, or the outputs."""
    settings = TrainingSettings(1e-2, 10, 0, 4, tpu_buckets=buckets, num_accumulation_steps=parts)
    model_fn = make_model_fn(small_config(), OBJECTIVES[kind], settings, None)
    with tf.Graph().as_default(), tf.variable_scope("", use_resource=True):
        tf.set_random_seed(1)
        tf.train.get_or_create_global_step()
        placeholders = {
            name: tf.placeholder(tf.int32, array.shape) for name, array in arrays.items()
        }
        spec = model_fn(placeholders, None, mode, {"model_dir": str(tmp_path)})
        feed = {placeholders[name]: array for name, array in arrays.items()}
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            if mode == tf.estimator.ModeKeys.PREDICT:
                return session.run(spec.predictions, feed)
            loss, _ = session.run([spec.loss, spec.train_op], feed)
            weights = {v.op.name: v for v in tf.trainable_variables()}
            return {"loss": loss, **session.run(weights)}


@pytest.mark.parametrize(
    "kind, longest, parts", [("sentence", 5, 1), ("tagging", 9, 2), ("reading", 16, 1)]
)
def test_a_step_is_that_of_one_length(kind, longest, parts, tmp_path):
    arrays = features(longest)
    one = run(kind, tf.estimator.ModeKeys.TRAIN, (), arrays, tmp_path, parts)
    several = run(kind, tf.estimator.ModeKeys.TRAIN, BUCKETS, arrays, tmp_path, parts)
    assert one.keys() == several.keys()
    for name, value in one.items():
        # A key's bias has no gradient but rounding, which AdamW scales up.
        tolerance = 2e-2 if name.endswith("key/bias") else 1e-5
        np.testing.assert_allclose(several[name], value, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("kind, longest", [("sentence", 5), ("tagging", 9), ("reading", 5)])
def test_predictions_are_those_of_one_length(kind, longest, tmp_path):
    arrays = features(longest)
    one = run(kind, tf.estimator.ModeKeys.PREDICT, (), arrays, tmp_path)
    several = run(kind, tf.estimator.ModeKeys.PREDICT, BUCKETS, arrays, tmp_path)
    tokens = OBJECTIVES[kind].token_outputs
    for name, value in one.items():
        assert several[name].shape == value.shape
        for row, length in enumerate(arrays["input_mask"].sum(1)):
            cut = slice(0, length) if name in tokens else slice(None)
            np.testing.assert_allclose(several[name][row][cut], value[row][cut], atol=1e-5)
