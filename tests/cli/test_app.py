"""How programs end where something fails."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "failure, message",
    [
        ("raise OSError(28, 'No space left', 'a')", "[Errno 28] No space left: 'a'"),
        ("raise app.ConfigError('a\\n\\x1b[1mb')", r"a\n\x1b[1mb"),
        (
            r"__import__('os').fsdecode(b'/\xd6\xd0').encode()",
            r"/\udcd6\udcd0: is not UTF-8; TensorFlow and Beam expect names of files in UTF-8",
        ),
        (
            "raise RuntimeError('a/events.out.tfevents.1; No space left\\nFailed to flush')",
            "TensorFlow's RuntimeError: a/events.out.tfevents.1; No space left",
        ),
        pytest.param(
            "import tensorflow as tf; raise tf.errors.ResourceExhaustedError(None, None, 'a\\nb')",
            "TensorFlow's ResourceExhaustedError: a",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["system", "name", "encoding", "curves", "TensorFlow"],
)
def test_a_failure_is_one_sentence(failure, message):
    code = (
        "from bert_wwm.cli import app; from bert_wwm.core.errors import ConfigError\n"
        f"app.ConfigError = ConfigError\ndef main(argv): {failure}\napp.run(main)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines()[-1] == f"-c: error: {message}"


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path):
    path = tmp_path / "a"
    path.write_text("text")
    code = (
        "from bert_wwm.cli import app; from bert_wwm.core import files\n"
        f"def main(argv): files.read_bytes({str(path)!r}); open({str(path)!r}, 'w').close()\n"
        "app.run(main)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 1 and len(ran.stderr.splitlines()) == 1
    assert ran.stderr.startswith(f"-c: error: {path}: changed while it was read, from 4 bytes of ")


def test_the_thread_that_writes_curves_leaves_its_error_to_the_main_thread():
    code = (
        "import logging, threading; from bert_wwm.cli import app\n"
        "def fail(message):\n"
        "    logging.getLogger('tensorflow').error(message)\n"
        "    raise RuntimeError(message)\n"
        "def main(argv):\n"
        "    for name in ('a/events.out.tfevents.1', 'another'):\n"
        "        thread = threading.Thread(target=fail, args=(name,))\n"
        "        thread.start()\n"
        "        thread.join()\n"
        "app.run(main)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "tfevents" not in ran.stderr
    assert ran.stderr.endswith("RuntimeError: another\n")
