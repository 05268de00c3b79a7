"""Where the TPU's compiler lives: a virtual environment of its own.

The compiler is the package libtpu, and JAX is what asks it; JAX wants another NumPy than
TensorFlow 2.15. So the first estimate sets up a second environment under the user's cache folder,
and later ones find it there.
"""

import functools
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from bert_wwm.core import folders
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.lock import locked

JAX, LIBTPU = "0.10.2", "0.0.52"
PACKAGES = (f"jax=={JAX}", f"libtpu=={LIBTPU}")
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))  # for which these are published
VARIABLE = "BERT_WWM_TPU_COMPILER"
_OTHERWISE = f"or name the Python of an environment that has jax and libtpu by {VARIABLE}"

_WAITING = "waiting for another program that is setting up the TPU compiler"

Log = Callable[[str], object]


def compiler_python(log: Log) -> str:
    """Returns the Python of the compiler's environment, which is set up the first time.

    What the variable BERT_WWM_TPU_COMPILER names is taken instead. pip is as elsewhere told by its
    own variables (PIP_INDEX_URL, PIP_NO_INDEX, PIP_FIND_LINKS) where packages come from.

    Args:
        log: is told what takes so long.

    Raises:
        ConfigError: there is no such environment, and none can be made.
    """
    named = os.environ.get(VARIABLE)
    if named:
        versions = _check(named)
        if versions != (JAX, LIBTPU):
            log(
                f"{VARIABLE}={named} has jax {versions[0]} and libtpu {versions[1]}; what is said "
                f"of memory is of jax {JAX} and libtpu {LIBTPU}, with others the rest may fail"
            )
        return named
    folder = _folder()
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        try:
            with locked(f"{folder}.setup", wait=functools.partial(log, _WAITING)) as lock:
                if not os.path.exists(python):  # another may have set it up meanwhile
                    _set_up(folder, lock, log)
        except OSError as error:
            raise ConfigError(
                f"{error.filename or folder}: {error.strerror}; expected a folder where the TPU "
                f"compiler can be installed: set XDG_CACHE_HOME, {_OTHERWISE}"
            ) from None
    return python


@functools.cache
def _check(python: str) -> tuple[str, ...]:
    """Returns the versions of jax and libtpu that the Python has which the variable names.

    Raises:
        ConfigError: it hasn't both.
    """
    versions = "import jax, libtpu; print(jax.__version__, libtpu.__version__)"
    try:
        run = _run([python, "-I", "-c", versions])
    except OSError as error:
        raise ConfigError(
            f"{VARIABLE}={python}: {error.strerror}; expected the Python of an environment that "
            "has jax and libtpu"
        ) from None
    if run.returncode:
        raise ConfigError(
            f"{VARIABLE}={python}: {_last_line(run.stdout)}; expected the Python of an environment "
            f"that has jax and libtpu (pip install {' '.join(PACKAGES)})"
        )
    return tuple(_last_line(run.stdout).split())


def _folder() -> str:
    """The environment's folder; its name tells what is in it."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.abspath(
        os.path.join(cache, "bert-wwm", f"tpu-compiler-jax-{JAX}-libtpu-{LIBTPU}")
    )


def _set_up(folder: str, lock: int, log: Log) -> None:
    """Makes the environment beside its place, and moves it there when it is complete.

    What runs there finds itself by its own path.
    """
    base = _base_python()
    log(f"setting up the TPU compiler, once, in {folder}: {', '.join(PACKAGES)}, about 1 GB")
    begun = time.monotonic()
    with folders.replaced(folder) as unfinished:
        # pip outlives this process where that is killed, and keeps the lock so long.
        run = _run([base, "-I", "-m", "venv", unfinished], lock)
        if run.returncode:
            raise ConfigError(
                f"{base} -m venv: {_last_line(run.stdout)}; expected a Python that can make a "
                f"virtual environment for the TPU compiler, {_OTHERWISE}"
            )
        python = os.path.join(unfinished, "bin", "python")
        install = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check"]
        run = _run([*install, "--no-input", "--retries=2", *PACKAGES], lock)
        if run.returncode:
            raise ConfigError(_pip_failed(run.stdout))
        run = _run([python, "-I", "-c", "import jax, libtpu"], lock)
        if run.returncode:
            raise ConfigError(
                f"the TPU compiler was installed but can't be used here: {_last_line(run.stdout)}"
            )
    log(f"set up the TPU compiler in {time.monotonic() - begun:.0f} s")


def _base_python() -> str:
    """A Python that the packages are published for, and that can make environments."""
    candidates = [sys.executable] if sys.version_info[:2] in PYTHONS else []
    names = [f"python{major}.{minor}" for major, minor in PYTHONS]
    candidates += [path for path in map(shutil.which, names) if path]
    for candidate in candidates:
        # Of a name on PATH, there may be no more than a stub; ensurepip is a package of its own
        # in some distributions.
        if not _run([candidate, "-I", "-c", "import ensurepip, venv"]).returncode:
            return candidate
    raise ConfigError(
        f"the TPU compiler needs one of Python {_dotted(PYTHONS[0])} to {_dotted(PYTHONS[-1])} "
        f"with its venv module, this is {_dotted(sys.version_info[:2])}, and there is none on "
        f"PATH; install one, {_OTHERWISE}"
    )


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def _pip_failed(output: str) -> str:
    """The sentence on why the packages can't be had, by what pip printed."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1][len("ERROR:") :].strip() if errors else _last_line(output)
    advice = "put that right"
    if "No matching distribution" in reason:
        system, machine = platform.system(), platform.machine()
        if "connection broken" in output:
            advice = "connect to the network, or point PIP_FIND_LINKS at a folder of wheels"
        elif "libtpu" in reason and (system, machine) != ("Linux", "x86_64"):
            advice = "go to Linux on x86-64, for which libtpu is published (this is "
            advice += f"{system} on {machine})"
        else:
            advice = "look at PIP_INDEX_URL, PIP_FIND_LINKS and PIP_NO_INDEX, which tell pip where"
    return f"the TPU compiler can't be installed: pip says {reason!r}; {advice}, {_OTHERWISE}"


def _run(command: list[str], lock: int = -1) -> "subprocess.CompletedProcess[str]":
    """Runs a command; its output, with what it says of errors, is its ``stdout``."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=() if lock < 0 else (lock,),
        encoding="utf-8",
        errors="replace",
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no word of why"
