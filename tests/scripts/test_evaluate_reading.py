"""The program that scores predicted answers, as users run it."""

import gzip
import json
import os
import pathlib
import subprocess
import sys

import launcher
import pytest
from refusals import refusal

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = "scripts/evaluate_reading.py"
DATA = {
    "data": [
        {
            "domain": "civil",
            "paragraphs": [
                {
                    "context": "原告住在北京。",
                    "qas": [
                        {"id": "a", "answers": [{"text": "北京", "answer_start": 4}]},
                        {"id": "b", "answers": [{"text": "原告", "answer_start": 0}]},
                    ],
                }
            ],
        }
    ]
}


def _write(path: pathlib.Path, content: object) -> pathlib.Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def dataset(tmp_path: pathlib.Path) -> str:
    return f"--dataset_file={_write(tmp_path / 'data.json', DATA)}"


@pytest.mark.parametrize(
    ("metric", "figures", "em_f1"),
    [
        (
            "cmrc",
            {"AVERAGE": "41.667", "F1": "83.333", "EM": "0.000", "TOTAL": 2, "SKIP": 0},
            {"a": (0.0, 1.0), "b": (0.0, 2 / 3)},
        ),
        (
            "squad1",
            {"exact_match": 0.0, "f1": 0.0},
            {"a": (0.0, 0.0), "b": (0.0, 0.0)},
        ),
        (
            "cjrc",
            {
                "civil": {"em": 50.0, "f1": 83.3, "qas": 2},
                "criminal": {"em": 0.0, "f1": 0.0, "qas": 0},
                "overall": {"em": 50.0, "f1": 83.3, "qas": 2},
            },
            {"a": (1.0, 1.0), "b": (0.0, 2 / 3)},
        ),
    ],
)
def test_prints_one_object(tmp_path, dataset: str, metric: str, figures, em_f1) -> None:
    predictions = _write(tmp_path / "predictions.json", {"a": "北 京", "b": "原"})
    flags = (f"--metric={metric}", dataset, f"--prediction_file={predictions}", "--per_question")
    ran = launcher.run(PROGRAM, *flags)
    assert ran.stderr == ""
    result = json.loads(ran.stdout)
    questions = result.pop("questions")
    assert {name: tuple(row.values()) for name, row in questions.items()} == pytest.approx(em_f1)
    assert result == ({**figures, "FILE": str(predictions)} if metric == "cmrc" else figures)


def test_numbers_and_null_score_as_in_hfls_program(tmp_path: pathlib.Path) -> None:
    answers = {"a": [12], "b": ["2019"], "c": ["none"], "d": ["他"]}
    qas = [{"id": name, "answers": [{"text": t} for t in texts]} for name, texts in answers.items()]
    data = _write(tmp_path / "d.json", {"data": [{"paragraphs": [{"context": "", "qas": qas}]}]})
    path = _write(tmp_path / "p.json", {"a": "12", "b": 2019, "c": None, "d": None})
    flags = (f"--dataset_file={data}", f"--prediction_file={path}")
    figures = json.loads(launcher.output(PROGRAM, "--metric=cmrc", *flags))
    assert (figures["EM"], figures["F1"], figures["SKIP"]) == ("75.000", "75.000", 0)
    error = refusal("evaluate_reading.py", "--metric=squad1", *flags)
    assert error.startswith(f"{data}: data[0].paragraphs[0].qas[0].answers[0]: 'text' is 12; exp")


def test_squad_2_with_null_odds(tmp_path: pathlib.Path, dataset: str) -> None:
    predictions = _write(tmp_path / "p.json", {"a": "北京", "b": "原告"})
    odds = _write(tmp_path / "null_odds.json", {"a": -4.5, "b": 2.5})
    flags = ("--metric=squad2", dataset, f"--prediction_file={predictions}")
    plain = json.loads(launcher.output(PROGRAM, *flags))
    assert (plain["exact"], plain["total"]) == (100.0, 2)
    more = (f"--na_prob_file={odds}", "--per_question")
    figures = json.loads(launcher.output(PROGRAM, *flags, *more))
    assert figures["questions"]["b"] == {"em": 0.0, "f1": 0.0}  # 2.5 is more than 1.0.
    assert (figures["exact"], figures["best_exact"], figures["best_exact_thresh"]) == (50, 100, 2.5)


def test_strays_are_counted(tmp_path: pathlib.Path, dataset: str) -> None:
    path = _write(tmp_path / "p.json", [{"id": "a", "answer": "北京"}, {"id": "x", "answer": "原"}])
    ran = launcher.run(PROGRAM, "--metric=cjrc", dataset, f"--prediction_file={path}")
    assert json.loads(ran.stdout)["overall"] == {"em": 50.0, "f1": 50.0, "qas": 2}
    assert ran.stderr == (
        "evaluate_reading.py: 1 of 2 questions have no prediction; they score 0\n"
        "evaluate_reading.py: 1 of 2 predictions are of no question in "
        f"{tmp_path}/data.json; they don't count\n"
    )


def test_golden_values_of_hfl(tmp_path: pathlib.Path, samples, golden) -> None:
    dataset = samples / "cmrc2018" / "cmrc2018_trial_original_format.json"
    with gzip.open(golden / "cmrc2018_trial_evaluate.json.gz") as stream:
        recorded = json.load(stream)
    paragraphs = json.loads(dataset.read_text(encoding="utf-8"))
    questions = {qa["query_id"] for paragraph in paragraphs for qa in paragraph["qas"]}
    predicted = questions & recorded["predictions"].keys()
    assert (len(questions), len(predicted)) == (28, 27)
    predictions = _write(
        tmp_path / "p.json", {name: recorded["predictions"][name] for name in predicted}
    )
    ran = launcher.run(
        PROGRAM, "--metric=cmrc", f"--dataset_file={dataset}", f"--prediction_file={predictions}"
    )
    figures = json.loads(ran.stdout)
    for name in ("AVERAGE", "F1", "EM"):
        assert len(figures[name].partition(".")[2]) == 3
        figures[name] = float(figures[name])
    scores = [recorded["per_question"][name] for name in predicted]
    em, f1 = (100 / 28 * sum(column) for column in zip(*scores))
    assert figures == {
        "AVERAGE": pytest.approx((em + f1) / 2, abs=0.1),  # NLTK's versions differ in a question.
        "F1": pytest.approx(f1, abs=0.1),
        "EM": pytest.approx(em, abs=0.001),
        "TOTAL": 28,
        "SKIP": 1,
        "FILE": str(predictions),
    }
    assert "1 of 28 questions have no prediction" in ran.stderr


@pytest.mark.parametrize(
    ("flags", "files", "message"),
    [
        (["cmrc"], {"p": '{"a":\n}'}, "{p}:2: broken at column 1 (Expecting value); expected JSON"),
        (["squad1"], {"p": {"a": 1}}, "{p}: the prediction of 'a' is 1; expected a string"),
        (["cmrc"], {"p": '{"a": "", "a": ""}'}, "{p}: an object has 'a' twice; expected each"),
        (["cmrc"], {"d": "{}"}, "{d}: no 'data'; expected a list there"),
        (["cmrc"], {"d": []}, "{d}: no questions; expected one at least"),
        (
            ["squad1"],
            {"d": [{"qas": [{"id": "a", "answers": []}]}]},
            "{d}: question 'a' has no answer; expected one at least",
        ),
        (
            ["cjrc"],
            {"d": [{"domain": "tax", "qas": [{"id": "a", "answers": []}]}]},
            "{d}: question 'a' is of the domain 'tax'; expected one of civil, criminal",
        ),
        (
            ["squad2", "--na_prob_file={n}"],
            {"n": {"b": 1}},
            "{n}: no number for 1 predicted question(s), such as 'a'; expected one for each",
        ),
        (
            ["squad1", "--na_prob_file={n}"],
            {},
            "--na_prob_file: squad1 has no use for it; expected squad2",
        ),
    ],
)
def test_bad_input_ends_in_one_sentence(tmp_path: pathlib.Path, flags, files, message) -> None:
    paths = {
        name: _write(tmp_path / f"{name}.json", files.get(name, content))
        for name, content in {"d": DATA, "p": {"a": "北京"}, "n": {}}.items()
    }
    metric, *others = (flag.format(**paths) for flag in flags)
    inputs = (f"--dataset_file={paths['d']}", f"--prediction_file={paths['p']}")
    error = refusal("evaluate_reading.py", f"--metric={metric}", *inputs, *others)
    assert error.startswith(message.format(**paths))


def test_starts_without_tensorflow() -> None:
    code = "import runpy, sys; runpy.run_path('scripts/evaluate_reading.py'); "
    code += "assert not {'tensorflow', 'nltk'} & set(sys.modules)"
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}, check=True
    )
