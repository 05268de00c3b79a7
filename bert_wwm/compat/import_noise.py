"""Keeps from the terminal what TensorFlow's libraries say while they are loaded."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator

# From 2.16 on some libraries log before TF_CPP_MIN_LOG_LEVEL holds: that there is no GPU, that a
# library of CUDA or a placer was registered twice, or that products are rounded as oneDNN does it.
# All of that is harmless.
_NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|"
    rb"[IWE]\d{4} \S+ +\d+ \w+\.cc:\d+\] (Could not find cuda drivers|Unable to register cu|"
    rb"computation placer already registered|oneDNN custom operations are on)"
)


@contextlib.contextmanager
def without_import_noise() -> Iterator[None]:
    """Collects what is written to standard error, then writes all of it but known noise."""
    if sys.stderr is None:  # it is closed
        yield
        return
    sys.stderr.flush()
    with open(os.memfd_create("stderr"), "r+b") as collected:
        terminal = os.dup(2)
        os.dup2(collected.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            collected.seek(0)
            for line in collected:
                if not _NOISE.match(line):
                    os.write(2, line)
