"""The function for a TPU's host, run on a CPU on values as eight cores would send them."""

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.train.hooks import find_nan_step, make_host_call

CORES = 8


def run_host(output_dir, steps, stop_on_nan=True, skipped=lambda step: 0.0):
    """Feeds steps to the host's function, each core's loss being the step and its number."""
    with tf.Graph().as_default() as graph:
        scalars = {"loss": tf.constant(0.0), "skipped": tf.constant(0.0)}
        step = tf.constant(0, tf.int64)
        on_host, tensors = make_host_call(scalars, step, str(output_dir), 10, stop_on_nan)
        assert {name: tensor.shape.as_list() for name, tensor in tensors.items()} == {
            "loss": [1],
            "skipped": [1],
            "step": [1],
        }
        assert tensors["step"].dtype == tf.int32
        of_cores = {name: tf.placeholder(tensor.dtype, [CORES]) for name, tensor in tensors.items()}
        ops = on_host(**of_cores)
        writers = [op for op in graph.get_operations() if op.type == "CreateSummaryFileWriter"]
        flush = [tf.raw_ops.FlushSummaryWriter(writer=op.inputs[0]) for op in writers]
        assert len(writers) == 1
        with tf.Session() as session:
            session.run(writers)  # as TPUEstimator begins
            for step in steps:
                values = {
                    "loss": step + np.arange(CORES),
                    "skipped": skipped(step) * (np.arange(CORES) == 3),
                    "step": np.full(CORES, step),
                }
                session.run(ops, {of_cores[name]: values[name] for name in of_cores})
            session.run(flush)


def entries(output_dir):
    """The scalars by name, each as pairs of step and value, in the order of the events."""
    found = {}
    for path in sorted(output_dir.glob("events.out.tfevents.*")):
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                number = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append((event.step, number))
    return found


def test_the_means_of_the_cores_are_written_every_n_steps(tmp_path):
    run_host(tmp_path, range(1, 36))
    assert entries(tmp_path) == {
        "loss": [(step, step + 3.5) for step in (10, 20, 30)],
        "skipped": [(10, 0.0), (20, 0.0), (30, 0.0)],
    }


def test_a_skipped_step_ends_the_training(tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        run_host(tmp_path, range(1, 36), skipped=lambda step: step == 17)
    assert find_nan_step(raised.value) == 17
    assert entries(tmp_path)["loss"] == [(10, 13.5)]


def test_other_errors_are_no_skipped_steps():
    error = tf.errors.InvalidArgumentError(None, None, "Key: input_ids.  Can't parse step 17")
    assert find_nan_step(error) is None


def test_skipped_steps_are_counted_where_they_may_be(tmp_path):
    run_host(tmp_path, range(1, 36), stop_on_nan=False, skipped=lambda step: step == 20)
    assert entries(tmp_path)["skipped"] == [(10, 0.0), (20, 1 / CORES), (30, 0.0)]
