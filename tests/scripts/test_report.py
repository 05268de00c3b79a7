"""The program that sets results beside the published ones, as users run it."""

import csv
import json
import pathlib

import launcher
import pytest
from refusals import refusal

PROGRAM = "scripts/report.py"


def _own(folder: pathlib.Path, task: str, **scores: float) -> None:
    folder.mkdir(parents=True)
    summary = {name: {"max": value + 1, "mean": value, "std": 1} for name, value in scores.items()}
    runs = [
        {"seed": seed, "dev": {name: value + seed for name, value in scores.items()}}
        for seed in (-1, 0, 1)
    ]
    values = {"task": task, "model": "RBT3", "num_runs": 3, "runs": runs, "dev": summary}
    (folder / "results.json").write_text(json.dumps(values), encoding="utf-8")


def test_own_results_beside_the_published(tmp_path: pathlib.Path) -> None:
    _own(tmp_path / "outputs" / "cmrc", "cmrc2018", em=57.0, f1=79.0)
    _own(tmp_path / "outputs" / "weibo", "weibo", accuracy=90.0)
    ran = launcher.run(
        PROGRAM,
        f"--input={tmp_path}/outputs/*/results.json",
        f"--output_dir={tmp_path}/report",
        "--models=RBT3,RoBERTa-wwm-ext",
    )
    assert ran.stderr == ""
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert ran.stdout.startswith(text) and "Wrote" in ran.stdout[len(text) :]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    models = [row.split("|")[1].strip() for row in rows]
    assert [m for m in models if m[0] != ":"] == [
        *["Model", "RoBERTa-wwm-ext", "RBT3", "**RBT3 (own)**"],
        *["Model", "**RBT3 (own)**"],
    ]
    assert "58.0 (57.0) / 80.0 (79.0)" in text and "Against the published maxima: dev EM" in text
    numbers = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert {r["task"] for r in numbers["own"]} == {"cmrc2018", "weibo"}
    assert {r["task"] for r in numbers["published"]} == {"cmrc2018"}
    assert set(numbers["sources"]) == {"chinese-bert-wwm", "chinese-electra"}
    assert (tmp_path / "report" / "report.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((tmp_path / "report" / "report.csv").open(encoding="utf-8")))
    assert len(rows) == len(numbers["own"]) + len(numbers["published"])
    assert (rows[0]["model"], rows[0]["metric"], rows[0]["max"]) == ("RBT3", "em", "58.0")
    assert len(list((tmp_path / "report").iterdir())) == 4


def test_published_results_alone(tmp_path: pathlib.Path) -> None:
    ran = launcher.run(PROGRAM, f"--output_dir={tmp_path}", "--tasks=xnli,ocnli")
    assert ran.stderr == ""
    assert [line for line in ran.stdout.splitlines() if line[:3] == "## "] == [
        "## Natural language inference"
    ]
    assert "| RoBERTa-wwm-ext-large | 82.1 (81.3) | 81.2 (80.6) | 78.5 (78.2) |" in ran.stdout


def test_own_results_alone(tmp_path: pathlib.Path) -> None:
    _own(tmp_path / "cmrc", "cmrc2018", em=57.0, f1=79.0)
    flags = (f"--input={tmp_path}", f"--output_dir={tmp_path}/report", "--published=false")
    ran = launcher.run(PROGRAM, *flags)
    assert ran.stderr == ""
    assert [line for line in ran.stdout.splitlines() if "RBT3" in line and line[0] == "|"] == [
        "| **RBT3 (own)** | 58.0 (57.0) / 80.0 (79.0) |"
    ]
    numbers = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert numbers["published"] == [] and numbers["sources"] == {}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input=nowhere"], "nowhere: no such file; expected a results.json, or its folder"),
        (["--tasks=xnil"], "--tasks: no results of 'xnil'; expected some of cmrc2018, drcd,"),
        (["--models=GPT"], "no results of the model 'GPT' are published; expected some of BERT,"),
        (["--published=false"], "nothing to report; expected --input, or --published"),
    ],
)
def test_what_cannot_be_reported_is_told(tmp_path: pathlib.Path, flags, message) -> None:
    error = refusal("report.py", f"--output_dir={tmp_path}/report", *flags)
    assert error.startswith(message)
    assert not (tmp_path / "report").exists()
