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
        f"evaluate_tagging.py: {tmp_path}/predictions.conll: 1 tag(s) neither are O nor begin with "
        f"one of B-, M-, I-, E-, S-: X (1); the first is 'X' at {tmp_path}/predictions.conll:3\n"
    )
    ran = launcher.run(PROGRAM, flag, "--scheme=conlleval")
    assert json.loads(ran.stdout)["by_type"]["PER"]["support"] == 1
    assert (
        "5 tag(s) neither are O nor begin with one of B-, I-, E-: S-PER (4), X (1); the first is "
        f"'S-PER' at {tmp_path}/predictions.conll:1\n"
    ) in ran.stderr


def test_bmes_scores_as_bies(tmp_path: pathlib.Path) -> None:
    bmes = "字 B-PER B-PER\n字 M-PER M-PER\n字 E-PER E-PER\n字 B-PER M-PER\u3000\n字 E-PER E-PER\n"
    printed = []
    for text in (bmes, bmes.replace("M-", "I-")):
        ran = launcher.run(PROGRAM, _flag(tmp_path, text))
        assert ran.stderr == ""
        printed.append(ran.stdout)
    assert printed[0] == printed[1]
    assert json.loads(printed[0])["f1"] == 100.0


def test_two_schemes_in_a_file_are_reported(tmp_path: pathlib.Path) -> None:
    text = "甲 B-X B-X\n乙 I-X I-X\n\n丙 B-X B-X\n丁 M-X I-X\n戊 E-X E-X\n"
    ran = launcher.run(PROGRAM, _flag(tmp_path, text))
    name = f"evaluate_tagging.py: {tmp_path}/predictions.conll"
    assert ran.stderr == (
        f"{name}: 3 tag(s) begin with I and 1 with M; expected one scheme in a file: BIO, BIES or "
        "BMES\n"
        f"{name}: 1 entities end with E or S, and 1 do not; expected one scheme in a file: BIO, "
        "BIES or BMES\n"
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
