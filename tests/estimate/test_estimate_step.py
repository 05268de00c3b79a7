"""The step as HLO: what it takes and gives, and that nothing else is touched."""

import collections
import functools
import resource

import pytest
from tensorflow.compiler.xla import xla_data_pb2
from tensorflow.compiler.xla.service import hlo_pb2

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate.step import (
    EVAL,
    PREDICT,
    TRAIN,
    build_step,
    pretraining_features,
    task_features,
)
from bert_wwm.finetuning.reading import ReadingObjective
from bert_wwm.finetuning.sentence import SentenceObjective
from bert_wwm.finetuning.tagging import TaggingObjective
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.records.schema import pretraining_schema
from bert_wwm.train.pretraining_objective import PretrainingObjective, heads_for, lert_ramps
from bert_wwm.train.settings import TrainingSettings

BATCH, LENGTH, PREDICTIONS = 4, 16, 3
MLM = PretrainingObjective(("masked_lm", "next_sentence"))


def config(**changes):
    values = {
        "vocab_size": 50,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": LENGTH,
    }
    return BertConfig(**{**values, **changes})


def settings(**changes):
    return TrainingSettings(1e-4, 100, 10, BATCH, **changes)


def features(labels=(), has_pair_label=True):
    schema = pretraining_schema(LENGTH, PREDICTIONS, has_pair_label, labels)
    return pretraining_features(schema, BATCH)


@functools.cache
def step_of(mode=TRAIN, num_replicas=1, **options):
    """A step of the small model, built once."""
    return build_step(config(), MLM, settings(**options), features(), mode, num_replicas)


def num_weights():
    """Of the encoder and both heads."""
    with tf.Graph().as_default():
        ids = tf.zeros([1, LENGTH], tf.int32)
        BertModel(config(), is_training=False, input_ids=ids)
        encoder = sum(variable.shape.num_elements() for variable in tf.trainable_variables())
    transform, norm, masked, pair = 32 * 32 + 32, 2 * 32, 50, 2 * 32 + 2
    return encoder + transform + norm + masked + pair


@pytest.mark.slow
def test_a_training_step_reduces_the_gradients_of_all_weights():
    step = step_of(num_replicas=8)
    # And whether the gradients are finite, a number of 4 bytes.
    assert step.reduced_bytes == 4 * num_weights() + 4
    assert b"all-reduce" in step.hlo


@pytest.mark.slow
def test_of_one_core_nothing_goes_elsewhere():
    step = step_of()
    assert b"all-reduce" not in step.hlo
    assert step.reduced_bytes == 4 * num_weights() + 4


def test_an_evaluation_step_reduces_nothing_and_drops_nothing():
    training = step_of(num_replicas=8)
    evaluation = step_of(EVAL, num_replicas=8)
    assert evaluation.reduced_bytes == 0
    assert b"all-reduce" not in evaluation.hlo
    assert b"random_uniform" in training.hlo and b"random_uniform" not in evaluation.hlo
    assert len(evaluation.hlo) < len(training.hlo) / 2


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"optimizer": "lamb", "num_accumulation_steps": 2}])
def test_settings_are_in_the_step(options):
    step = step_of(num_replicas=8, **options)
    assert (b"while" in step.hlo) == bool(options)
    assert step.reduced_bytes == 4 * num_weights() + 4
    assert (b"TopK" in step.hlo) == bool(options)  # of the trust ratios


def products(**options):
    """How many products of matrices a step has, by the dtype of what comes out."""
    step = step_of(**options)
    module = hlo_pb2.HloModuleProto.FromString(step.hlo)
    found = collections.Counter(
        instruction.shape.element_type
        for computation in module.computations
        for instruction in computation.instructions
        if instruction.opcode == "dot"
    )
    return {xla_data_pb2.PrimitiveType.Name(dtype): count for dtype, count in found.items()}


@pytest.mark.slow
def test_bfloat16_and_gradient_checkpointing_are_in_the_step():
    plain = products()
    assert set(plain) == {"F32"}
    halved = products(use_bfloat16=True)
    assert halved["BF16"] > 0.8 * plain["F32"]  # all but the heads' and the sums of rows
    # The layer's products once more: six projections, and scores with weights.
    assert products(gradient_checkpointing=True)["F32"] >= plain["F32"] + 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "labels", [("pos_labels", "ner_labels", "dep_labels"), ("target_positions",)], ids=str
)
@pytest.mark.parametrize("mode", [TRAIN, EVAL])
def test_lert_and_pert(labels, mode):
    heads = heads_for(labels)
    objective = PretrainingObjective(heads, lert_ramps(heads, 100))
    step = build_step(config(), objective, settings(), features(labels, False), mode, 8)
    assert (step.reduced_bytes > 0) == (mode == TRAIN)


@pytest.mark.slow
@pytest.mark.parametrize(
    "objective, rows",
    [
        (SentenceObjective(3), {"label_ids"}),
        (TaggingObjective(7), set()),
        (ReadingObjective(), {"context_begin", "context_end", "start_positions", "end_positions"}),
        (
            ReadingObjective(4),
            {"context_begin", "context_end", "start_positions", "end_positions", "answer_types"},
        ),
    ],
    ids=["sentence", "tagging", "reading", "cjrc"],
)
def test_tasks(objective, rows):
    training = task_features(objective, BATCH, LENGTH, with_targets=True)
    assert {name for name, spec in training.items() if spec.shape.ndims == 1} == rows
    assert set(objective.targets) | set(objective.inputs) < set(training)
    assert all(spec.dtype == tf.int32 for spec in training.values())
    step = build_step(config(), objective, settings(), training, num_replicas=8)
    assert b"all-reduce" in step.hlo

    predicting = task_features(objective, BATCH, LENGTH, with_targets=False)
    assert not set(objective.targets) & set(predicting)
    step = build_step(config(), objective, settings(), predicting, PREDICT, 8)
    assert step.reduced_bytes == 0


@pytest.mark.slow
def test_a_checkpoint_to_start_from_need_not_be_there():
    options = {"init_checkpoint": "gs://nowhere/model.ckpt", "init_layers": [0, 1]}
    with_start = build_step(config(), MLM, settings(**options), features())
    plain = step_of()
    assert with_start.reduced_bytes == plain.reduced_bytes
    assert len(with_start.hlo) == pytest.approx(len(plain.hlo), rel=1e-3)  # names are numbered on


@pytest.mark.slow
def test_cross_replica_sum_is_as_before():
    before = tf.tpu.cross_replica_sum
    build_step(config(), MLM, settings(), features(), num_replicas=8)
    assert tf.tpu.cross_replica_sum is before
    with pytest.raises(ConfigError):
        build_step(config(), MLM, settings(optimizer="none"), features(), num_replicas=8)
    assert tf.tpu.cross_replica_sum is before


@pytest.mark.slow
def test_weights_take_no_memory():
    step = build_step(config(vocab_size=40_000_000), MLM, settings(), features())
    # 15 GB of embeddings and slots: more than this process has ever had.
    assert 3 * step.reduced_bytes > 15e9
    assert 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 8e9
