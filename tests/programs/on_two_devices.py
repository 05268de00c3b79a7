"""Runs a program, the first argument, on a CPU that is two devices to --distribution_strategy."""

import pathlib
import runpy
import sys

from bert_wwm.compat import tf
from bert_wwm.train import estimator

DEVICES = ("/cpu:0", "/cpu:1")
# Each replica takes a thread to wait for the others in.
CONFIG = tf.ConfigProto(device_count={"CPU": len(DEVICES)}, inter_op_parallelism_threads=8)


def run_config(self, of_program=estimator.Estimators._run_config):
    return {**of_program(self), "session_config": CONFIG}


tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration() for _ in DEVICES],
)
estimator.DISTRIBUTION_STRATEGIES = {"mirrored": lambda: tf.distribute.MirroredStrategy(DEVICES)}
estimator.Estimators._run_config = run_config
program = pathlib.Path(__file__).parents[2] / sys.argv.pop(1)
sys.argv[0] = str(program)
runpy.run_path(str(program), run_name="__main__")
