"""Skips that tests/skips.py does not list fail the run."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from skips import FULL_DATA

ROOT = pathlib.Path(__file__).resolve().parent.parent
CASES = {
    "allowed": f"def test_it(): pytest.skip({FULL_DATA!r})",
    "expected": "@pytest.mark.xfail\ndef test_it(): raise ValueError",
    "passes": "def test_it(): pass",
    "call": "def test_it(): pytest.skip('a reason')",
    "mark": "@pytest.mark.skip(reason='a reason')\ndef test_it(): pass",
    "condition": "@pytest.mark.skipif(True, reason='a reason')\ndef test_it(): pass",
    "fixture": "@pytest.fixture\ndef no(): pytest.skip('a reason')\ndef test_it(no): pass",
    "package": "pytest.importorskip('no_such_package', reason='a reason')",
    "module": "pytest.skip('a reason', allow_module_level=True)",
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Runs all cases with the hooks, outside the project."""
    folder = tmp_path_factory.mktemp("skips")
    for name, text in CASES.items():
        (folder / f"test_{name}.py").write_text(f"import pytest\n{text}\n", encoding="utf-8")
    flags = ("-rA", "-p", "skips", "-p", "no:cacheprovider", "--continue-on-collection-errors")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", CASES)
def test_only_listed_reasons_are_allowed(result, name):
    outcomes = {"allowed": "SKIPPED", "expected": "XFAIL", "passes": "PASSED"}
    outcome = outcomes.get(name, "FAILED|ERROR")
    assert re.search(rf"^({outcome}) .*test_{name}\.py", result.stdout, re.MULTILINE)


def test_the_run_fails_and_says_why(result):
    assert result.returncode == 1
    assert (
        "test_call.py::test_it: skipped with the reason 'a reason'; expected a pass, or a reason "
        "that tests/skips.py allows"
    ) in result.stdout
