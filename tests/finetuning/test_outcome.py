import json
import math
import pathlib

import pytest

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.finetuning.outcome import Outcome, find_outcome
from bert_wwm.finetuning.served import describe
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = (
    "task_name bert_config_file vocab_file labels max_seq_length do_lower_case tokenizer gelu "
    "max_answer_length"
).split()


def record(folder, trained=True, task="cmrc2018", **others):
    settings = {"task": task, "kind": "reading"}
    content = {"settings": settings, "trained": trained, **others}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(content))
    return folder


def found(folder):
    lines = []
    outcome = find_outcome(str(folder), lines.append)
    return outcome, lines


def test_a_run_and_the_folder_of_its_best(tmp_path):
    run = record(tmp_path / "run")
    (run / "best").mkdir()
    for folder in (run, run / "best", f"{run}/", f"{run}/best/"):
        outcome, lines = found(folder)
        assert outcome == (str(run), {"task": "cmrc2018", "kind": "reading"})
        assert not lines
    record(run, trained=False)
    assert found(run)[1] == [f"{run}: its training isn't over; the weights are those so far"]


def test_of_several_runs_the_best_by_the_score_that_counts(tmp_path):
    folder = tmp_path / "runs [1]"
    record(folder / "a", dev={"average": 61.0, "em": 99.0})
    record(folder / "b", dev={"average": 72.5, "em": 1.0})
    record(folder / "c", dev={"average": 72.5, "em": 2.0})
    record(folder / "d", trained=False)
    (folder / "features").mkdir()
    outcome, lines = found(folder)
    assert outcome.folder == str(folder / "b")
    assert lines == [
        f"{folder}/b: the best of 3 runs, with average 72.50 on dev; 1 more whose training isn't "
        "over left out"
    ]
    for name in "abc":
        record(folder / name)
    with pytest.raises(ConfigError, match="holds 3 runs, and none has a score to choose it by"):
        found(folder)


def test_runs_of_several_tasks_are_not_compared(tmp_path):
    record(tmp_path / "a", task="cmrc2018", dev={"average": 61.0})
    record(tmp_path / "b", task="drcd", trained=False)
    with pytest.raises(ConfigError, match="several tasks, a of cmrc2018, b of drcd; expected the"):
        found(tmp_path)


def test_a_run_that_is_over_is_preferred_to_one_that_is_not(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    record(a, trained=False, dev={"average": 99.0})
    record(b, dev={"average": 1.0})
    assert found(tmp_path)[0].folder == str(b)
    assert found(tmp_path)[1] == [f"{b}: the only run whose training is over"]
    record(b, trained=False, dev={"average": 1.0})
    outcome, lines = found(tmp_path)
    assert outcome.folder == str(a)
    assert lines == [
        f"{a}: the best of 2 runs, with average 99.00 on dev",
        f"{a}: its training isn't over; the weights are those so far",
    ]


def test_no_number_is_no_score(tmp_path):
    for name, score in (("a", math.nan), ("b", 1.0), ("c", math.nan)):
        record(tmp_path / name, dev={"average": score})
    assert found(tmp_path)[0].folder == str(tmp_path / "b")
    record(tmp_path / "b", dev={"average": math.nan})
    with pytest.raises(ConfigError, match="none has a score"):
        found(tmp_path)


def test_a_broken_record_is_refused(tmp_path):
    """Alone, and as one of several."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "run.json").write_text("[]")
    for folder in (tmp_path / "a", tmp_path):
        with pytest.raises(DataError, match=r"a/run\.json: is broken, is not an object; expected"):
            found(folder)


def test_folders_without_a_run(tmp_path):
    with pytest.raises(ConfigError, match="no such folder; expected the --output_dir of run_cl"):
        found(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file: is a file; expected"):
        found(tmp_path / "file")
    with pytest.raises(ConfigError, match="holds no trained weights"):
        found(tmp_path)
    (tmp_path / "model.ckpt-5.index").write_text("")
    assert found(tmp_path) == ((str(tmp_path), {}), [])
    (tmp_path / "labels.json").write_text('["a", "b"]')
    assert found(tmp_path)[0].settings == {"labels": ["a", "b"]}
    (tmp_path / "labels.json").write_text('"a"')
    with pytest.raises(DataError, match=r"labels\.json: is broken; expected a list of labels"):
        found(tmp_path)


@pytest.fixture
def describe_model(vocab_file):
    """Describes a model by what is recorded and what is given."""
    config = pathlib.Path(vocab_file).with_name("bert_config.json")
    config.write_text("{}")
    recorded = {
        "task": "ner",
        "kind": "tagging",
        "bert_config_file": str(config),
        "vocabulary": Vocabulary.from_file(vocab_file).sha256(),
        "do_lower_case": False,
        "drop_category_c": True,
        "max_seq_length": 24,
        "labels": ["O", "B-LOC"],
        "gelu": "erf",
    }

    def described(settings=None, **given):
        settings = {**recorded, **(settings or {})}
        settings = {name: value for name, value in settings.items() if value is not None}
        return describe(Outcome("out", settings), {**dict.fromkeys(FLAGS), **given})

    return described


def test_what_is_recorded_needs_no_flag(describe_model, vocab_file):
    served = describe_model()
    assert served.vocabulary.path == vocab_file
    assert served.gelu == "erf" and served.kind == "tagging"
    assert served.facts() == {
        "task": "ner",
        "kind": "tagging",
        "max_seq_length": 24,
        "do_lower_case": False,
        "tokenizer": "hfl",
        "labels": ("O", "B-LOC"),
    }
    same = describe_model(
        task_name="ner", labels=["O", "B-LOC"], tokenizer="hfl", vocab_file=vocab_file
    )
    assert same.facts() == served.facts()


@pytest.mark.parametrize(
    "given, error",
    [
        ({"task_name": "cluener"}, "--task_name=cluener: out was trained with ner; expected the"),
        ({"labels": ["O"]}, "--labels=O: out was trained with O,B-LOC; expected the same, or no"),
        ({"max_seq_length": 25}, "--max_seq_length=25: out was trained with 24"),
        ({"do_lower_case": True}, "--do_lower_case=True: out was trained with False"),
        ({"tokenizer": "google"}, "--tokenizer=google: out was trained with hfl"),
        ({"gelu": "tanh"}, "--gelu=tanh: out was trained with erf"),
        ({"max_answer_length": 9}, "--max_answer_length: ner has none; expected no such flag"),
        ({"bert_config_file": "/no/bert.json"}, "/no/vocab.txt: no such file; expected --vocab"),
    ],
)
def test_flags_that_contradict_are_refused(describe_model, given, error):
    with pytest.raises(ConfigError) as raised:
        describe_model(**given)
    assert str(raised.value).startswith(error)


def test_another_vocabulary_and_a_lost_configuration_are_refused(describe_model, tmp_path):
    other = tmp_path / "vocab.txt"
    other.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    with pytest.raises(ConfigError, match="other pieces than those that out was trained with"):
        describe_model(vocab_file=str(other))
    with pytest.raises(ConfigError, match="/no: no such file, with which out was trained; exp"):
        describe_model({"bert_config_file": "/no"})
    with pytest.raises(ConfigError, match="out: of which shape"):
        describe_model({"bert_config_file": None})


def test_questions(describe_model):
    reading = {
        "task": "cjrc",
        "kind": "reading",
        "doc_stride": 8,
        "max_query_length": 9,
        "decoding": {"max_answer_length": None, "null_score_diff_threshold": 1.5},
    }
    served = describe_model(reading)
    facts = served.facts()
    assert "labels" not in facts
    assert (facts["doc_stride"], facts["max_query_length"]) == (8, 9)
    assert (facts["max_answer_length"], facts["null_score_diff_threshold"]) == (64, 1.5)
    assert facts["with_null"] and facts["answer_types"] == ("span", "YES", "NO", "unanswerable")
    reading["decoding"] = {"max_answer_length": 30}
    assert describe_model(reading).facts()["max_answer_length"] == 30
    assert describe_model(reading, max_answer_length=7).facts()["max_answer_length"] == 7
    with pytest.raises(ConfigError, match="--labels: cjrc has none"):
        describe_model(reading, labels=["a"])


def test_flags_say_what_googles_programs_have_not_recorded(describe_model, vocab_file):
    nothing = dict.fromkeys(
        "task kind vocabulary do_lower_case drop_category_c max_seq_length labels gelu".split()
    )
    served = describe_model(nothing, task_name="chnsenticorp")
    assert served.kind == "sentence" and served.facts()["labels"] == ("0", "1")
    assert (served.gelu, served.tokenizer, served.do_lower_case) == ("tanh", "google", True)
    assert served.max_seq_length == 256
    served = describe_model(nothing, task_name="tsv", labels=["a", "b"], max_seq_length=9)
    assert (served.facts()["labels"], served.max_seq_length) == (("a", "b"), 9)
    with pytest.raises(ConfigError, match="out: doesn't say what --labels is; expected that flag"):
        describe_model(nothing, task_name="tsv")
    with pytest.raises(ConfigError, match="out: doesn't say what --task_name is"):
        describe_model(nothing)
