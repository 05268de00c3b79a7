"""Steps of training on random batches: what they depend on, and what they leave alone."""

import numpy as np
import pytest
from small_model import random_features, small_config
from task_steps import OBJECTIVES, features

from bert_wwm.compat import tf
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.train.model_fn import make_model_fn
from bert_wwm.train.pretraining_objective import PretrainingObjective, heads_for, lert_ramps
from bert_wwm.train.settings import TrainingSettings

BERT = PretrainingObjective(("masked_lm", "next_sentence"))
TRANSFORM = {
    f"cls/predictions/transform/{name}"
    for name in ("dense/kernel", "dense/bias", "LayerNorm/beta", "LayerNorm/gamma")
}
POOLER = ["bert/pooler/dense/kernel", "bert/pooler/dense/bias"]
PAIR = {"cls/seq_relationship/output_weights", "cls/seq_relationship/output_bias"}


@pytest.fixture(autouse=True)
def own_writers():
    yield
    tf.summary.FileWriterCache.clear()


def settings(**changes):
    return TrainingSettings(
        **{
            "learning_rate": 1e-2,
            "num_train_steps": 10,
            "num_warmup_steps": 2,
            "train_batch_size": 8,
            **changes,
        }
    )


def build(folder, objective=BERT, dropout=0.0, arrays=None, **changes):
    """The specification of a training on one batch, on one device."""
    arrays = arrays or random_features(8)
    features = {name: tf.constant(value) for name, value in arrays.items()}
    model_fn = make_model_fn(small_config(dropout), objective, settings(**changes), None)
    return model_fn(features, None, tf.estimator.ModeKeys.TRAIN, {"model_dir": str(folder)})


def losses(session, spec, steps):
    return [session.run([spec.loss, spec.train_op])[0] for _ in range(steps)]


@pytest.mark.parametrize("optimizer", ["adamw", pytest.param("lamb", marks=pytest.mark.slow)])
def test_it_learns_a_batch(tmp_path, optimizer):
    with tf.Graph().as_default(), tf.Session() as session:
        spec = build(tmp_path, optimizer=optimizer, num_train_steps=30)
        session.run(tf.global_variables_initializer())
        found = losses(session, spec, 20)
    assert found[0] == pytest.approx(np.log(40) + np.log(2), rel=0.05)
    assert found[0] == found[1]  # the first step of a warmup has rate 0
    assert found[-1] < found[0] - 0.3


@pytest.mark.slow
def test_dropout_hangs_on_the_seed_and_the_step_alone(tmp_path):
    def run(steps, again=(), **changes):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            spec = build(tmp_path, dropout=0.3, learning_rate=0.0, **changes)
            session.run(tf.global_variables_initializer())
            found = losses(session, spec, steps)
            step = tf.train.get_global_step()
            for number in again:
                step.load(number, session)
                found += losses(session, spec, 1)
            return found

    first = run(4, again=(2, 0, 3))
    assert len(set(first[:4])) == 4
    assert first[4:] == [first[2], first[0], first[3]]
    assert run(4) == first[:4]
    assert not set(run(4, random_seed=7)) & set(first)


@pytest.mark.slow
def test_parts_of_a_batch_drop_different_elements(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        half = {name: value[:4] for name, value in random_features(8).items()}
        features = {name: tf.constant(np.tile(value, [2, 1])) for name, value in half.items()}
        chosen = settings(num_accumulation_steps=2, learning_rate=0.0)
        model_fn = make_model_fn(small_config(0.3), BERT, chosen, None)
        params = {"model_dir": str(tmp_path)}
        in_parts = model_fn(features, None, tf.estimator.ModeKeys.TRAIN, params).loss
        session.run(tf.global_variables_initializer())
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            first = {name: tf.constant(value) for name, value in half.items()}
            once = make_model_fn(small_config(0.3), BERT, settings(learning_rate=0.0), None)
            of_half = once(first, None, tf.estimator.ModeKeys.TRAIN, params).loss
        got, want = session.run([in_parts, of_half])
    # Alike parts with alike dropout would have the loss of one of them.
    assert abs(got - want) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields, pairing, pair_loss, heads, variables",
    [
        (
            ["masked_lm_ids", "next_sentence_labels"],
            "nsp",
            True,
            ["masked_lm", "next_sentence"],
            TRANSFORM | PAIR | {"cls/predictions/output_bias"},
        ),
        (
            ["masked_lm_ids", "next_sentence_labels"],
            "sop",
            True,
            ["masked_lm", "sentence_order"],
            TRANSFORM | PAIR | {"cls/predictions/output_bias"},
        ),
        (
            ["masked_lm_ids", "next_sentence_labels"],
            "nsp",
            False,
            ["masked_lm"],
            TRANSFORM | {"cls/predictions/output_bias"},
        ),
        (
            ["masked_lm_ids", "pos_labels", "ner_labels"],
            None,
            True,
            ["masked_lm", "pos", "ner"],
            TRANSFORM
            | {"cls/predictions/output_bias"}
            | {
                f"cls/predictions/output_{task}_layer/{name}"
                for task in ("pos", "ner")
                for name in ("kernel", "bias")
            },
        ),
        (
            ["masked_lm_ids", "target_positions"],
            None,
            True,
            ["position"],
            {name.replace("predictions", "permutation") for name in TRANSFORM}
            | {"cls/permutation/output_bias"},
        ),
    ],
    ids=["nsp", "sop", "no pair loss", "lert", "pert"],
)
def test_heads_and_their_variables_by_records(
    tmp_path, fields, pairing, pair_loss, heads, variables
):
    chosen = heads_for(fields, pairing, pair_loss)
    assert list(chosen) == heads
    with tf.Graph().as_default(), tf.Session() as session:
        objective = PretrainingObjective(chosen, lert_ramps(chosen, 10))
        spec = build(tmp_path, objective, num_train_steps=20)
        names = {v.op.name: v.shape.as_list() for v in tf.trainable_variables()}
        assert {name for name in names if name.startswith("cls/")} == variables
        for task in ("pos", "ner"):
            if task in heads:
                shape = [32, len(INVENTORIES[task].labels)]
                assert names[f"cls/predictions/output_{task}_layer/kernel"] == shape
        session.run(tf.global_variables_initializer())
        initial = session.run(tf.trainable_variables())
        found = losses(session, spec, 12)
        moved = zip(tf.trainable_variables(), initial, session.run(tf.trainable_variables()))
        still = [variable.op.name for variable, old, new in moved if (old == new).all()]
    assert np.isfinite(found).all()
    assert still == ([] if set(heads) & {"next_sentence", "sentence_order"} else POOLER)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, marks=pytest.mark.long),
        {"num_accumulation_steps": 2},
        {
            "objective": OBJECTIVES["reading"],
            "arrays": features(16),
            "learning_rate": 1e-3,
            "skip_padding": True,
        },
    ],
    ids=["pretraining", "in parts", "fine-tuning"],
)
def test_half_precision_is_near_float32(tmp_path, changes):
    found = {}
    for dtype in ("float32", "bfloat16", "float16"):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            half = {} if dtype == "float32" else {f"use_{dtype}": True}
            spec = build(tmp_path, **half, **changes)
            assert {v.dtype.base_dtype for v in tf.trainable_variables()} == {tf.float32}
            session.run(tf.global_variables_initializer())
            found[dtype] = losses(session, spec, 10)
    np.testing.assert_allclose(found["bfloat16"], found["float32"], rtol=0.02)
    np.testing.assert_allclose(found["float16"], found["float32"], rtol=0.01)
    assert len(set(map(tuple, found.values()))) == 3
