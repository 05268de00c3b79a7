"""The virtual environment of the TPU compiler.

The compiler is the package libtpu, which JAX calls; JAX needs another NumPy than TensorFlow 2.15.
So the first estimate sets up a second environment in the user's cache folder for all later ones.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from bert_wwm.core import folders
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.lock import locked

PACKAGES = ("jax==0.10.2", "libtpu==0.0.52")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")  # for which these are published
VARIABLE = "BERT_WWM_TPU_COMPILER"
_OTHERWISE = f"or name the Python of an environment that has jax and libtpu by {VARIABLE}"
_WAITING = "waiting for another program that is setting up the TPU compiler"

Log = Callable[[str], object]


def compiler_python(log: Log) -> str:
    """Returns the Python of the compiler's environment, which is set up the first time.

    The variable BERT_WWM_TPU_COMPILER may name another one. pip reads its own variables
    (PIP_INDEX_URL, PIP_NO_INDEX, PIP_FIND_LINKS). Raises ConfigError if none can be made.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not shutil.which(named):
            raise ConfigError(
                f"{VARIABLE}={named}: no such program; expected the Python of an environment that "
                f"has jax and libtpu (pip install {' '.join(PACKAGES)})"
            )
        return named
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    name = f"tpu-compiler-{'-'.join(PACKAGES)}".replace("==", "-")
    folder = os.path.abspath(os.path.join(cache, "bert-wwm", name))
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        try:
            with locked(f"{folder}.setup", wait=functools.partial(log, _WAITING)):
                if not os.path.exists(python):  # another may have set it up meanwhile
                    log(f"setting up the TPU compiler, once, in {folder} (about 1 GB)")
                    with folders.replaced(folder) as new:
                        _set_up(new)
        except OSError as error:
            raise ConfigError(
                f"{error.filename or folder}: {error.strerror}; expected a folder where the TPU "
                f"compiler can be installed: set XDG_CACHE_HOME, {_OTHERWISE}"
            ) from None
    return python


def _base_python() -> str:
    """Returns a Python that the packages are published for, and that can make environments."""
    code = f"import ensurepip, sys, venv; sys.exit('%d.%d' % sys.version_info[:2] not in {PYTHONS})"
    for name in (sys.executable, *(f"python{version}" for version in PYTHONS)):
        # A name on PATH may be no more than a stub; in some distributions ensurepip is missing.
        if shutil.which(name) and not _run([name, "-I", "-c", code]).returncode:
            return name
    raise ConfigError(
        f"the TPU compiler needs Python {PYTHONS[0]} to {PYTHONS[-1]} with its venv module, and "
        f"there is none on PATH; install one, {_OTHERWISE}"
    )


def _set_up(folder: str) -> None:
    base, python = _base_python(), os.path.join(folder, "bin", "python")
    pip = ("pip", "install", "--disable-pip-version-check", "--no-input", "--retries=2")
    packages = (
        "Linux on x86-64, and the network or a folder of wheels (pip's PIP_INDEX_URL, "
        "PIP_FIND_LINKS, PIP_NO_INDEX)"
    )
    steps = (
        (base, ["-m", "venv", folder], "a Python that can make a virtual environment"),
        (python, ["-m", *pip, *PACKAGES], packages),
        (python, ["-c", "import jax, libtpu"], "a machine that can run it"),
    )
    for program, arguments, expected in steps:
        run = _run([program, "-I", *arguments])
        if run.returncode:
            command = f"{program} {' '.join(arguments[:2])}"
            raise ConfigError(
                f"the TPU compiler can't be set up: {command}: {last_line(run.stdout)}; expected "
                f"{expected}, {_OTHERWISE}"
            )


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Runs a command; its errors are in its ``stdout``."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )


def last_line(text: str) -> str:
    """Returns the last line that isn't empty."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
