"""The record of a fine-tuning run that is read again."""

import pytest

from bert_wwm.finetuning.run import is_whole

SCORES = {"accuracy": 95.0, "loss": float("nan")}
RECORD = {
    "settings": {"task": "xnli"},
    "trained": True,
    "made_of": {"dev": {}, "test": {}},
    "dev": SCORES,
    "test": {},
    "seconds": 1.5,
}


def test_a_record_is_whole():
    assert is_whole(RECORD, ("accuracy",))
    assert is_whole({"settings": {}, "trained": False, "made_of": {}}, ("accuracy",))


@pytest.mark.parametrize(
    "change",
    [
        {"settings": None},
        {"trained": 1},
        {"made_of": []},
        {"made_of": {"dev": {}, "other": {}}},
        {"dev": None},
        {"dev": {"loss": 0.1}},
        {"dev": {**SCORES, "loss": "0.1"}},
        {"dev": {**SCORES, "loss": 10**400}},
        {"test": [1.0]},
        {"seconds": None},
    ],
    ids=str,
)
def test_what_is_not_a_record_is_not_whole(change):
    assert not is_whole({**RECORD, **change}, ("accuracy",))


@pytest.mark.parametrize("record", [None, [], "a", 1])
def test_no_object_is_a_record(record):
    assert not is_whole(record, ())
