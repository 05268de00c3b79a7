"""TensorFlow in whatever environment."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_what_transformers_leaves_in_the_environment_does_no_harm():
    code = "from bert_wwm.compat import tf; assert tf.estimator.Estimator"
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
