"""Which process writes, which batch sizes fit the devices, and initial weights that vanish."""

import json

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.choices import DISTRIBUTION_STRATEGIES
from bert_wwm.core.errors import CheckpointError, ConfigError
from bert_wwm.model.checkpoint import plan_restore, write_variables
from bert_wwm.train import estimator
from bert_wwm.train.estimator import Estimators, Machine


def test_flags_offer_all_strategies():
    assert estimator.DISTRIBUTION_STRATEGIES.names() == list(DISTRIBUTION_STRATEGIES)


def machine(tmp_path, **changes):
    return Machine(
        **{
            "output_dir": str(tmp_path / "model"),
            "train_batch_size": 32,
            "eval_batch_size": 8,
            "save_checkpoints_steps": 10,
            "keep_checkpoint_max": 2,
            "random_seed": 1,
            **changes,
        }
    )


@pytest.fixture(autouse=True)
def any_tensorflow(monkeypatch):
    """Lets an Estimator for TPUs be made, if not run, on TensorFlow 2.16 and later too."""
    monkeypatch.setattr(estimator, "RUNS_ON_TPUS", True)


def no_model(features, labels, mode, params):
    raise AssertionError


def test_only_several_machines_have_a_chief(tmp_path, monkeypatch):
    cluster = {"worker": ["localhost:1", "localhost:2"]}
    place = {"cluster": cluster, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(place))
    assert not machine(tmp_path, distribution_strategy="multi_worker").is_chief()
    assert machine(tmp_path).is_chief()
    assert machine(tmp_path, distribution_strategy="mirrored").is_chief()


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"num_accumulation_steps": 3},
            r"--train_batch_size=32 can't be divided evenly by 1 device\(s\) x 3 accumulation "
            r"step\(s\); expected a multiple of 3",
        ),
        (
            {"use_tpu": True, "master": "grpc://localhost:1", "train_batch_size": 36},
            r"by 8 device\(s\) x 1 accumulation step\(s\); expected a multiple of 8",
        ),
        (
            {"use_tpu": True, "master": "grpc://localhost:1", "num_accumulation_steps": 8},
            "expected a multiple of 64",
        ),
    ],
)
def test_batches_that_the_devices_cannot_share_are_refused(tmp_path, changes, message):
    estimators = Estimators(no_model, machine(tmp_path, **changes))
    with pytest.raises(ConfigError, match=message):
        estimators.check_batch_size()
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "changes, num_replicas",
    [
        ({"num_accumulation_steps": 32}, 1),
        ({"distribution_strategy": "mirrored"}, 1),
        ({"use_tpu": True, "master": "grpc://localhost:1", "num_accumulation_steps": 4}, 8),
    ],
)
def test_batches_that_fit(tmp_path, changes, num_replicas):
    estimators = Estimators(no_model, machine(tmp_path, **changes))
    estimators.check_batch_size()
    assert estimators.num_replicas == num_replicas
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "changes, rows",
    [
        ({}, 23),
        ({"num_accumulation_steps": 4}, 24),
        ({"distribution_strategy": "mirrored", "num_accumulation_steps": 3}, 24),
        ({"use_tpu": True, "master": "grpc://localhost:1"}, 24),
        ({"use_tpu": True, "master": "grpc://localhost:1", "num_accumulation_steps": 8}, 64),
    ],
)
def test_the_devices_share_the_rows_of_packed_examples(tmp_path, changes, rows):
    estimators = Estimators(no_model, machine(tmp_path, instances_per_row=1.4, **changes))
    estimators.check_batch_size()
    assert estimators.train_rows == rows


def test_the_tpu_of_this_machine(tmp_path):
    changes = {"use_tpu": True, "tpu_name": "local", "num_tpu_cores": 4, "iterations_per_loop": 50}
    estimators = Estimators(no_model, machine(tmp_path, **changes))
    config = estimators._single.config
    assert isinstance(config.cluster, tf.distribute.cluster_resolver.TPUClusterResolver)
    # No address: the session is this process's own, which has the TPU.
    assert (config.master, config.cluster.cluster_spec().as_dict()) == ("", {})
    assert (config.tpu_config.num_shards, config.tpu_config.iterations_per_loop) == (4, 50)
    assert estimators.num_replicas == 4


def test_a_tensorflow_without_tpus_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(estimator, "RUNS_ON_TPUS", False)
    with pytest.raises(ConfigError, match="has no Estimator for TPUs; expected TensorFlow"):
        Estimators(no_model, machine(tmp_path, use_tpu=True, tpu_name="local"))


@pytest.mark.parametrize("how", ["removed", "half written"])
def test_initial_weights_that_another_process_changes_are_named(tmp_path, how):
    prefix = tmp_path / "other" / "model.ckpt-1"
    prefix.parent.mkdir()

    def model_fn(features, labels, mode, params):
        variable = tf.get_variable("bert/a", [1000])
        plan_restore([variable], str(prefix)).apply()
        data = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
        if how == "removed":
            data.unlink()
            prefix.with_name(f"{prefix.name}.index").unlink()
        else:
            data.write_bytes(data.read_bytes()[:1000])
        loss = tf.reduce_sum(variable)
        return tf.estimator.tpu.TPUEstimatorSpec(mode, {"a": loss}, loss, tf.no_op())

    estimators = Estimators(model_fn, machine(tmp_path))
    for run in (
        lambda input_fn: estimators.train(input_fn, 1, []),
        lambda input_fn: estimators.evaluate(input_fn, 1),
        lambda input_fn: next(estimators.predict(input_fn, None)),
    ):
        write_variables(str(prefix), {"bert/a": np.ones(1000, np.float32)})
        with pytest.raises(CheckpointError, match="--init_checkpoint: removed or changed while"):
            run(lambda params: tf.data.Dataset.from_tensors({"x": [1.0]}))
