"""TensorFlow in whatever environment."""

import os
import pathlib
import subprocess
import sys

import pytest

from bert_wwm.compat.import_noise import without_import_noise

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_what_transformers_leaves_in_the_environment_does_no_harm():
    code = "from bert_wwm.compat import tf; assert tf.estimator.Estimator"
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, stderr=subprocess.PIPE
    )
    assert ran.stderr == b"", "what TensorFlow says at its import is kept back"


def test_what_is_no_noise_is_written_though_the_import_fails(capfd):
    lines = [
        b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        b"I0000 00:00:1796037622.548868 9706 cudart_stub.cc:31] Could not find cuda drivers on it",
        b"E0000 00:00:1796037698.698712 9886 cuda_dnn.cc:8310] Unable to register cuDNN factory",
        b"W0000 00:00:1796096167.2 143 placer.cc:177] computation placer already registered. It",
        b"I0000 00:00:1796096206.4 14415 port.cc:153] oneDNN custom operations are on. You may see",
        b"E0000 00:00:1796037698.698712 9886 cuda_dnn.cc:8310] Another error",
        b"Illegal instruction",
    ]
    with pytest.raises(ImportError), without_import_noise():
        for line in lines:
            os.write(2, line + b"\n")
        raise ImportError
    assert capfd.readouterr().err.encode().splitlines() == lines[5:]
