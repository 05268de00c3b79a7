"""The skips that are allowed; every other skip fails the run, as the hooks below make it.

A test that calls ``pytest.skip`` begins its reason with one of these texts.
"""

import importlib
import sys
from types import ModuleType

import pytest

FULL_DATA = "needs a full data set: set BERT_WWM_TEST_DATA, see tests/README.md"
PYTHON_3_9 = "needs PyTorch, transformers or ltp, which are not installed on Python 3.9"
TPU_COMPILER = "needs the TPU compiler, which could not be installed from PyPI"

# Whether each of them is allowed on this Python.
ALLOWED = {FULL_DATA: True, PYTHON_3_9: sys.version_info < (3, 10), TPU_COMPILER: True}


def import_neural(name: str) -> ModuleType:
    """Imports torch, transformers, ltp or a part of one; skips on Python 3.9."""
    if sys.version_info < (3, 10):
        pytest.skip(PYTHON_3_9, allow_module_level=True)
    return importlib.import_module(name)


def _refuse_other_skips(report) -> None:
    """Turns the report of a skip that is not allowed into one of a failure."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2].partition("Skipped: ")[2] or report.longrepr[2]
    if not any(allowed and reason.startswith(text) for text, allowed in ALLOWED.items()):
        report.outcome = "failed"
        report.longrepr = (
            f"{report.nodeid}: skipped with the reason '{reason}'; expected a pass, or a reason "
            "that tests/skips.py allows"
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport():
    report = yield
    _refuse_other_skips(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report():
    report = yield
    _refuse_other_skips(report)
    return report
