"""The skips that are allowed; every other skip fails the run, as the hooks below make it.

A test that calls ``pytest.skip`` begins its reason with one of these texts.
"""

import pytest

FULL_DATA = "needs a full data set: set BERT_WWM_TEST_DATA, see tests/README.md"
OTHER_TENSORFLOW = (
    "needs a Python with another TensorFlow: set BERT_WWM_OTHER_PYTHON, see tests/README.md"
)
TRANSFORMERS_4 = "needs transformers 4, which has what 5 dropped"
TPU_COMPILER = "needs the TPU compiler, which could not be installed from PyPI"

ALLOWED = (FULL_DATA, OTHER_TENSORFLOW, TPU_COMPILER, TRANSFORMERS_4)


def _refuse_other_skips(report) -> None:
    """Turns the report of a skip that is not allowed into one of a failure."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2].partition("Skipped: ")[2] or report.longrepr[2]
    if not reason.startswith(ALLOWED):
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
