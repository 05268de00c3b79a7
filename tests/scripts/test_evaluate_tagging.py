"""The program that scores predicted tags, as users run it."""

import json
import pathlib

import launcher
import pytest
from refusals import refusal

PROGRAM = "scripts/evaluate_tagging.py"
_PREDICTIONS = (
    "我 O O\n爱 O O\n北\tB-LOC\tB-LOC\n京\tI-LOC\tI-LOC\n\n"
    "\u3000 O O\n  O O\n李 B-PER I-PER\n四 I-PER O\n\n\n他 O B-ORG\n"
)


def _flag(tmp_path: pathlib.Path, text: str) -> str:
    path = tmp_path / "predictions.conll"
    path.write_text(text, encoding="utf-8")
    return f"--prediction_file={path}"


@pytest.mark.parametrize("scheme", ["seqeval", "conlleval"])
def test_prints_one_object(tmp_path: pathlib.Path, scheme: str) -> None:
    ran = launcher.run(PROGRAM, _flag(tmp_path, _PREDICTIONS), f"--scheme={scheme}")
    assert ran.stderr == ""
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert json.loads(ran.stdout) == {
        "precision": 33.33,
        "recall": 50.0,
        "f1": 40.0,
        "support": 2,
        "accuracy": 66.67,
        "by_type": {
            "LOC": {"precision": 100.0, "recall": 100.0, "f1": 100.0, "support": 1},
            "ORG": {**nothing, "support": 0},
            "PER": {**nothing, "support": 1},
        },
        "sentences": 3,
        "tokens": 9,
    }


def test_the_schemes_differ_on_bioes(tmp_path: pathlib.Path) -> None:
    flag = _flag(tmp_path, "甲 S-PER S-PER\n乙 S-PER S-PER\n丙 O X\n")
    ran = launcher.run(PROGRAM, flag)
    assert json.loads(ran.stdout)["by_type"]["PER"]["support"] == 2
    assert ran.stderr == (
        "evaluate_tagging.py: 1 tag(s) neither are O nor begin with one of B-, I-, E-, S-; the "
        f"first is 'X' at {tmp_path}/predictions.conll:3\n"
    )
    ran = launcher.run(PROGRAM, flag, "--scheme=conlleval")
    assert json.loads(ran.stdout)["by_type"]["PER"]["support"] == 1
    assert "5 tag(s) neither are O nor begin with one of B-, I-, E-; the first is 'S-PER'" in (
        ran.stderr
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("中 O O\n国 O\n", ":2: 2 columns; expected a character, its true tag and its predicted"),
        ("\n \n", ": no tags; expected one sentence at least"),
    ],
)
def test_bad_input_ends_in_one_sentence(tmp_path: pathlib.Path, text: str, message: str) -> None:
    error = refusal("evaluate_tagging.py", _flag(tmp_path, text))
    assert error.startswith(f"{tmp_path}/predictions.conll{message}")
