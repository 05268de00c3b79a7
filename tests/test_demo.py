"""The demo, whole: it has to finish, learn, and print its results."""

import json
import re

import launcher
import pytest

from bert_wwm.segmentation import ltp


@pytest.mark.long
def test_the_demo_learns_and_prints_its_results(tmp_path):
    folder = tmp_path / "demo"
    flags = (f"--output_dir={folder}", "--num_train_steps=1000")
    result = launcher.start("scripts/demo.py", *flags).result(timeout=1800)
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

    assert "19484 sentences, 1121447 words" in result.stdout
    config = json.loads((folder / "ltp" / "config.json").read_text(encoding="utf-8"))
    scores = config["training"]["heldout_scores"]
    assert scores["cws"]["f1"] > 0.945
    assert scores["pos"]["accuracy"] > 0.965
    assert scores["ner"]["f1"] > 0.945
    assert ltp.load(str(folder / "ltp")).words(["2019年3月，我在北京。"]) == [
        ["2019年", "3月", "，", "我", "在", "北京", "。"]
    ]
