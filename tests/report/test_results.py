"""Results of fine-tuning as they are read: the published ones, and own files."""

import json
import pathlib
import re

import pytest

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.report.results import (
    SPLITS,
    Results,
    Score,
    TaskInfo,
    describe_tasks,
    find_results,
    is_same_model,
    load_published,
    load_results,
    select,
)
from bert_wwm.report.results_files import list_scores

PUBLISHED = pathlib.Path(__file__).resolve().parents[2] / "configs" / "published_results.json"
OWN = {
    "task": "cmrc2018",
    "model": "RBT3",
    "num_runs": 2,
    "settings": {"max_seq_length": 512, "learning_rate": 3e-5},
    "runs": [
        {"seed": 1, "dev": {"em": 57.0, "f1": 79.0, "loss": 1.5}, "seconds": 9.5},
        {"seed": 2, "dev": {"em": 58.0, "f1": 79.5, "loss": 1.4}, "test": {"em": 61.0}},
    ],
    "dev": {
        "em": {"max": 58.0, "mean": 57.5, "std": 0.71},
        "f1": {"max": 79.5, "mean": 79.25, "std": 0.35},
        "loss": {"max": float("nan"), "mean": float("nan"), "std": float("nan")},
    },
    "test": {"em": {"max": 61.0, "mean": 61.0, "std": None}, "f1": {"max": None, "mean": None}},
}


@pytest.fixture(scope="module")
def published():
    return load_published(str(PUBLISHED))


def _write(path: pathlib.Path, values: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    return str(path)


def _published(results, task, model):
    (found,) = [r for r in results.results if (r.task, r.model) == (task, model)]
    return found


# As the READMEs print them: a row of each source.
@pytest.mark.parametrize(
    ("task", "model", "split", "expected", "source"),
    [
        ("cmrc2018", "RoBERTa-wwm-ext", "dev", "67.4 66.5 87.2 86.5", "chinese-bert-wwm"),
        ("cmrc2018", "RoBERTa-wwm-ext-large", "challenge", "31.5 30.1 60.1 57.5", "chinese-bert"),
        ("drcd", "MacBERT-large", "test", "91.7 90.9 95.6 95.3", "macbert"),
        ("drcd", "PERT-base", "test", "89.0 88.5 93.5 93.2", "pert"),
        ("cjrc", "BERT-wwm-ext", "test", "55.6 54.9 75.8 75.0", "chinese-bert-wwm"),
        ("xnli", "ERNIE", "dev", "79.7 79.4", "chinese-bert-wwm"),
        ("ocnli", "LERT-base", "dev", "78.2 77.5", "lert"),
        ("ocnli", "RBT3", "dev", "None 69.8", "minirbt"),
        ("thucnews", "RoBERTa-wwm-ext", "dev", "98.3 97.9", "chinese-bert-wwm"),
        ("tnews", "MacBERT-large", "dev", "59.0 58.8", "lert"),
        ("chnsenticorp", "RBTL3", "test", "94.2 None", "chinese-bert-wwm"),
        ("lcqmc", "ELECTRA-base", "test", "87.6 87.3", "macbert"),
        ("bq", "RBT3", "dev", "84.1 None", "chinese-electra"),
        ("msra_ner", "PERT-base", "test", "95.6 95.3", "lert"),
        ("peopledaily_ner", "BERT-wwm", "dev", "95.3 95.1", "chinese-bert-wwm-2019"),
    ],
)
def test_what_is_published(published, task, model, split, expected, source):
    found = _published(published, task, model)
    scores = [found.scores[split, metric] for metric in published.tasks[task].metrics]
    assert " ".join(f"{score.max} {score.mean}" for score in scores) == expected
    assert {found.sources[split, m] for m in published.tasks[task].metrics} <= {
        key for key in published.sources if key.startswith(source)
    }


def test_published_results_hang_together(published):
    assert set(published.tasks) == {r.task for r in published.results}
    assert {key for r in published.results for key in r.sources.values()} == set(published.sources)
    for results in published.results:
        for (split, metric), score in results.scores.items():
            assert split in SPLITS and metric in published.tasks[results.task].metrics
            known = [value for value in (score.mean, score.max) if value is not None]
            assert known and known == sorted(known)
            assert all(10 < value < 100 for value in known)
            assert score.std is None
    # The papers' order: base models, large ones, small ones.
    of_cmrc = [r.model for r in published.results if r.task == "cmrc2018"]
    assert of_cmrc.index("LERT-base") < of_cmrc.index("MacBERT-large") < of_cmrc.index("RBT3")


def test_published_results_can_be_chosen(published):
    chosen = select(published, ["xnli", "drcd"], ["rbt3", "RoBERTa_wwm_ext"])
    assert [(r.task, r.model) for r in chosen.results] == [
        ("drcd", "RoBERTa-wwm-ext"),
        ("drcd", "RBT3"),
        ("xnli", "RoBERTa-wwm-ext"),
        ("xnli", "RBT3"),
    ]
    assert list(describe_tasks(chosen, [])) == ["drcd", "xnli"]
    assert select(published, None, None) == published
    with pytest.raises(ConfigError, match=r"the model 'GPT' are published; expected some of BERT,"):
        select(published, None, ["BERT", "GPT"])


def test_own_results_are_read(tmp_path):
    found = load_results(_write(tmp_path / "results.json", OWN))
    assert (found.task, found.model, found.num_runs) == ("cmrc2018", "RBT3", 2)
    assert found.scores == {
        ("dev", "em"): Score(58.0, 57.5, 0.71),
        ("dev", "f1"): Score(79.5, 79.25, 0.35),
        ("test", "em"): Score(61.0, 61.0),
    }
    assert found.runs == {
        ("dev", "em"): [57.0, 58.0],
        ("dev", "f1"): [79.0, 79.5],
        ("test", "em"): [61.0],
    }
    assert found.settings["max_seq_length"] == 512


def test_a_model_without_a_name_is_called_as_its_folder(tmp_path):
    path = _write(tmp_path / "my_rbt3" / "results.json", {**OWN, "model": None})
    assert load_results(path).model == "my_rbt3"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": None}, r"results\.json: task is None; expected the name of a task"),
        ({"model": 3}, r"expected the name of a task, and of a model"),
        ({"runs": {}}, r"settings or runs are no object or list"),
        ({"dev": None, "test": None}, r"no results; expected some of dev or test"),
        ({"dev": [1]}, r"dev is \[1\]; expected its metrics"),
        ({"dev": {"em": 57.0}}, r"dev em: is 57\.0; expected max, mean, or both, in percent"),
        ({"dev": {"em": {"max": float("inf")}}}, r"dev em max: is inf; expected a number"),
        ({"dev": {"em": {"max": 10**400}}}, r"dev em max: is a number that no float holds; exp"),
        ({"num_runs": 0}, r"num_runs is 0; expected a positive number"),
        ({"runs": [{"dev": {"em": "57"}}]}, r"runs\[0\] dev em: is '57'; expected a number"),
    ],
)
def test_broken_own_results_are_told(tmp_path, change, message):
    path = _write(tmp_path / "results.json", {**OWN, **change})
    with pytest.raises(DataError, match=f"{message}.* The fine-tuning's command writes it again"):
        load_results(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{\n"task": }', r"results\.json:2: broken at column 9"),
        (b"[]", r"results\.json: a JSON list; expected an object"),
        (b'{"task": 1, "task": 2}', r"results\.json: an object has 'task' twice"),
        (b"\xff", r"results\.json:1: byte 0xff at column 1 is not UTF-8"),
    ],
)
def test_what_is_no_json_object_is_told(tmp_path, content, message):
    (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_results(str(tmp_path / "results.json"))


def test_files_are_found_by_path_folder_and_glob(tmp_path, monkeypatch):
    first, second, third = (
        _write(tmp_path / folder / "results.json", OWN) for folder in ("a", "b[1]/c", "b[1]/d")
    )
    named = _write(tmp_path / "other.json", OWN)
    assert find_results([str(tmp_path)]) == [first, second, third]
    assert find_results([f"{tmp_path}/b[1]"]) == [second, third]
    assert find_results([f"{tmp_path}/*/results.json", named]) == [first, named]
    assert find_results([f"{tmp_path}/?*", second, f"{tmp_path}/a/"]) == [
        first,
        second,
        third,
        named,
    ]
    assert find_results([]) == []
    monkeypatch.chdir(tmp_path / "b[1]")
    assert find_results([".", "c", "./d"]) == ["c/results.json", "d/results.json"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no results\.json in it; expected what fine-"):
        find_results([str(tmp_path / "empty")])
    with pytest.raises(DataError, match=r"missing: no such file; expected a results\.json"):
        find_results([str(tmp_path / "missing")])


def test_tasks_that_nobody_published_are_shown_by_all_their_metrics(published):
    own = Results("weibo", "RBT3", {("dev", "accuracy"): Score(90.0), ("dev", "f1"): Score(89.0)})
    tasks = describe_tasks(select(published, ["weibo"], None), [own])
    assert tasks == {"weibo": TaskInfo("weibo", "weibo", ("accuracy", "f1"))}


def test_tasks_of_the_table_are_called_by_their_titles(published):
    scores = {("dev", name): Score(80.0) for name in ("accuracy", "recall", "precision", "f1")}
    tasks = describe_tasks(select(published, ["cluener"], None), [Results("cluener", "A", scores)])
    metrics = ("precision", "recall", "f1")
    assert tasks == {"cluener": TaskInfo("CLUENER2020", "CLUENER2020", metrics)}


def test_own_results_by_other_metrics_are_told(published):
    own = Results("drcd", "RBT3", {("dev", "accuracy"): Score(90.0)}, path="x/results.json")
    with pytest.raises(DataError, match=re.escape("x/results.json: drcd by accuracy; expected em")):
        describe_tasks(published, [own])


def test_scores_are_flat(published, tmp_path):
    own = load_results(_write(tmp_path / "results.json", OWN))
    assert list_scores([own])[0] == {
        "model": "RBT3",
        "task": "cmrc2018",
        "split": "dev",
        "metric": "em",
        "max": 58.0,
        "mean": 57.5,
        "std": 0.71,
        "num_runs": 2,
        "file": own.path,
    }
    flat = list_scores(published.results)
    assert len(flat) == len(json.loads(PUBLISHED.read_text(encoding="utf-8"))["results"])
    assert {"model", "task", "split", "metric", "max", "mean", "source"} == set(flat[0])


@pytest.mark.parametrize(
    ("folder", "model"),
    [
        ("chinese_L-12_H-768_A-12", "BERT"),
        ("chinese_wwm_L-12_H-768_A-12", "BERT-wwm"),
        ("chinese-bert-wwm-ext", "BERT-wwm-ext"),
        ("chinese_wwm_ext_L-12_H-768_A-12", "BERT-wwm-ext"),
        ("chinese_roberta_wwm_large_ext_L-24_H-1024_A-16", "RoBERTa-wwm-ext-large"),
        ("chinese_rbtl3_L-3_H-1024_A-16", "RBTL3"),
        ("chinese_lert_small_L-12_H-256_A-4", "LERT-small"),
        ("ernie-1.0", "ERNIE"),
    ],
)
def test_folders_of_releases_are_their_models(folder, model, published):
    known = {results.model for results in published.results}
    assert [name for name in known if is_same_model(folder, name)] == [model]


def test_names_of_models():
    assert is_same_model("RoBERTa-wwm-ext", "roberta_wwm_ext")
    assert not is_same_model("RoBERTa-wwm-ext", "RoBERTa-wwm-ext-large")
