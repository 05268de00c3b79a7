"""The demo, whole: it has to finish, learn, and say what came out."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_the_demo_learns_and_says_so(tmp_path):
    folder = tmp_path / "demo"
    result = subprocess.run(
        [sys.executable, "scripts/demo.py", f"--output_dir={folder}", "--num_train_steps=1000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert "Yes: whole words are masked" in (folder / "records.html").read_text(encoding="utf-8")
    summary = (folder / "summary.txt").read_text(encoding="utf-8")
    guessing, end, held_out = map(
        float,
        re.search(
            r"loss +([\d.]+) by guessing, ([\d.]+) after training, ([\d.]+) held", summary
        ).groups(),
    )
    assert guessing - end > 2
    assert abs(held_out - end) < 0.5
    right = re.search(r"reviews +([\d.]+) % of those held out told apart", summary).group(1)
    assert float(right) > 65  # half of them are good ones
    assert "ltp" in result.stdout and "\n  " in result.stdout
