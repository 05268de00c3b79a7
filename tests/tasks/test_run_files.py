"""The files of a fine-tuning run that are read again."""

import json
import math

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.tasks.run_files import RunFiles, new_record

SETTINGS = {"task": "drcd", "kind": "reading"}
SCORES = {"em": 95.0, "f1": math.nan, "average": 1.0}
RECORD = {
    "settings": SETTINGS,
    "trained": True,
    "made_of": {"dev": {}, "test": {}},
    "dev": SCORES,
    "test": {},
    "seconds": 1.5,
}


def test_a_record_is_read_as_it_was_written(tmp_path):
    run = RunFiles(str(tmp_path))
    assert run.read_record() is None and run.read_settings() == {}
    for record in (RECORD, new_record(SETTINGS)):
        run.write_record(record)
        assert json.dumps(run.read_record()) == json.dumps(record)
        assert run.read_settings() == SETTINGS
    run.write_record({"settings": SETTINGS, "trained": True})
    assert run.read_record()["made_of"] == {}


@pytest.mark.parametrize(
    "content, wrong",
    [
        ([], "is not an object"),
        ({}, "settings is not an object"),
        ({"settings": [], "trained": True}, "settings is not an object"),
        ({"settings": SETTINGS}, "trained is neither true nor false"),
        ({**RECORD, "trained": 1}, "trained is neither true nor false"),
        ({**RECORD, "settings": {"kind": "reading"}}, "it has no task"),
        ({**RECORD, "settings": {"task": 1, "kind": "reading"}}, "it has no task"),
        ({**RECORD, "settings": {"task": "drcd"}}, "a task drcd is of the kind reading"),
        (
            {**RECORD, "settings": {"task": "tsv", "kind": "reading"}},
            "a task tsv is of the kind sentence",
        ),
        ({**RECORD, "dev": None}, "dev is not an object"),
        ({**RECORD, "dev": {"f1": None}}, "the score f1 is null"),
        ({**RECORD, "dev": {**SCORES, "f1": "0.1"}}, 'the score f1 is "0.1"'),
        ({**RECORD, "dev": {"em": 1.0}}, "dev lacks one of the scores em, f1, average"),
        ({**RECORD, "made_of": []}, "made_of is not an object"),
        ({**RECORD, "made_of": {"other": {}}}, "other is not an object"),
        ({**RECORD, "test": [1.0]}, "test is not an object"),
        ({**RECORD, "seconds": None}, "seconds is not a number"),
        *(
            ({**RECORD, "settings": {**SETTINGS, name: value}}, f"{name} is {shown}")
            for name, value, shown in (
                ("max_seq_length", "64", '"64"'),
                ("labels", ["甲", 1], '["甲", 1]'),
                ("do_lower_case", "yes", '"yes"'),
                ("decoding", {"max_answer_length": "9"}, '{"max_answer_length": "9"}'),
                ("gelu", 1, "1"),
            )
        ),
    ],
)
def test_a_broken_record_is_refused(tmp_path, content, wrong):
    run = RunFiles(str(tmp_path))
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(DataError) as raised:
        run.read_record()
    assert str(raised.value) == (
        f"{tmp_path}/run.json: is broken, {wrong}; expected the record of a run"
    )


def test_a_score_beyond_all_numbers_is_refused(tmp_path):
    text = json.dumps({**RECORD, "test": {"loss": 10**400}})
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DataError, match="the score loss is 10"):
        RunFiles(str(tmp_path)).read_record()


def test_labels_lose_the_white_space_at_their_ends(tmp_path):
    run = RunFiles(str(tmp_path))
    assert run.read_labels() is None
    run.write_labels(["好评", "差评\u3000", " 中评\xa0"])
    assert run.read_labels() == ["好评", "差评", "中评"]


@pytest.mark.parametrize("content", [{"a": 1}, ["a", 1], "a"])
def test_labels_of_another_form_are_refused(tmp_path, content):
    (tmp_path / "labels.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"labels\.json: is broken; expected a list of labels"):
        RunFiles(str(tmp_path)).read_labels()


def test_the_run_that_a_checkpoint_is_of(tmp_path, monkeypatch):
    best = tmp_path / "run" / "best"
    best.mkdir(parents=True)
    for folder in (best.parent, best):
        (folder / "model.ckpt-2.index").write_text("")

    def run_of(path):
        return RunFiles.of_checkpoint(str(path)).folder

    assert run_of(best) == str(best)  # a folder of that name, of no run
    (best.parent / "labels.json").write_text("[]")
    for path in (best.parent, best, best / "model.ckpt-2", best.parent / "model.ckpt-2"):
        assert run_of(path) == str(best.parent)
    assert run_of(f"{best}/") == str(best.parent)
    monkeypatch.chdir(best.parent)
    assert run_of("best") == run_of(".") == "."
    assert [run.folder for run in RunFiles.find_in(str(tmp_path))] == []
    (best.parent / "run.json").write_text("{}")
    assert [run.folder for run in RunFiles.find_in(str(tmp_path))] == [str(best.parent)]
