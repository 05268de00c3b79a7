"""A batch for every kind of task, and what a step or a prediction on it gives."""

import numpy as np
from small_model import VOCABULARY, small_config

from bert_wwm.compat import tf
from bert_wwm.finetuning.reading import ReadingObjective
from bert_wwm.finetuning.sentence import SentenceObjective
from bert_wwm.finetuning.tagging import TaggingObjective
from bert_wwm.train.model_fn import make_model_fn
from bert_wwm.train.settings import TrainingSettings

OBJECTIVES = {
    "sentence": SentenceObjective(3),
    "tagging": TaggingObjective(3),
    "reading": ReadingObjective(),
}


def features(longest):
    """Four sequences, two of which are the longest, padded to 16."""
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


def run(kind, mode, arrays, folder, **settings):
    """Returns what a step or a prediction gives, by name.

    Of a step: the loss, the new weights and slots, and the rows of a dense layer. The slots tell
    the gradients: after one step they are multiples of these and of their squares.
    """
    settings = TrainingSettings(1e-2, 10, 0, 4, **settings)
    model_fn = make_model_fn(small_config(), OBJECTIVES[kind], settings, None)
    with tf.Graph().as_default(), tf.variable_scope("", use_resource=True):
        tf.set_random_seed(1)
        tf.train.get_or_create_global_step()
        placeholders = {
            name: tf.placeholder(tf.int32, array.shape) for name, array in arrays.items()
        }
        spec = model_fn(placeholders, None, mode, {"model_dir": str(folder)})
        feed = {placeholders[name]: array for name, array in arrays.items()}
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            if mode == tf.estimator.ModeKeys.PREDICT:
                return session.run(spec.predictions, feed)
            dense = "bert/encoder/layer_0/intermediate/dense/BiasAdd:0"
            rows = tf.shape(tf.get_default_graph().get_tensor_by_name(dense))[0]
            loss, rows, _ = session.run([spec.loss, rows, spec.train_op], feed)
            weights = {v.op.name: v for v in tf.global_variables()}
            return {"loss": loss, "rows": rows, **session.run(weights)}


def assert_same_step(expected, got):
    assert expected.keys() == got.keys() and any(name.endswith("/adam_m") for name in got)
    for name in expected.keys() - {"rows"}:
        # A key's bias has no gradient but rounding, which AdamW scales up.
        tolerance = 2e-2 if name.endswith("key/bias") else 1e-5
        np.testing.assert_allclose(got[name], expected[name], atol=tolerance, err_msg=name)
