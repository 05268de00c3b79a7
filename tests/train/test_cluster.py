"""TF_CONFIG: who leads, a cluster that is not used, and text that is not TensorFlow's."""

import json

import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.train.cluster import check_cluster, read_cluster

TWO = {"worker": ["localhost:1", "localhost:2"]}
LED = {"chief": ["localhost:1"], "worker": ["localhost:2"]}
FIRST = {"type": "worker", "index": 0}


def config(cluster, task=FIRST):
    return json.dumps({"cluster": cluster, "task": task})


@pytest.mark.parametrize(
    "cluster, job, index, is_chief",
    [
        (TWO, "worker", 0, True),
        (TWO, "worker", 1, False),
        (TWO, "worker", "0", True),  # TensorFlow takes it for a number, too
        (LED, "chief", 0, True),
        (LED, "worker", 0, False),
        (TWO, "evaluator", 0, False),
    ],
)
def test_one_of_a_cluster_is_the_chief(monkeypatch, cluster, job, index, is_chief):
    monkeypatch.setenv("TF_CONFIG", config(cluster, {"type": job, "index": index}))
    assert read_cluster().is_chief is is_chief


@pytest.mark.parametrize("strategy", [None, "mirrored"])
@pytest.mark.parametrize(
    "cluster, count", [(TWO, 2), ({"chief": ["a:1"], "ps": ["b:1"], "worker": ["c:1", "d:1"]}, 4)]
)
def test_a_cluster_that_is_not_used_is_reported(monkeypatch, strategy, cluster, count):
    monkeypatch.setenv("TF_CONFIG", config(cluster))
    lines = []
    check_cluster(strategy, lines.append)
    (line,) = lines
    assert line.startswith(f"TF_CONFIG describes a cluster of {count} process(es), which is not")
    assert line.endswith("--distribution_strategy=multi_worker uses it")
    lines.clear()
    check_cluster("multi_worker", lines.append)
    assert not lines


@pytest.mark.parametrize("text", [None, "", " ", "{}", '{"cluster": {}}', '{"cluster": null}'])
def test_no_cluster_is_needed_but_for_several_machines(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    lines = []
    check_cluster("mirrored", lines.append)
    assert not lines
    with pytest.raises(ConfigError, match="multi_worker needs the environment variable TF_CONFIG"):
        check_cluster("multi_worker", lines.append)


@pytest.mark.parametrize(
    "text",
    [
        "worker 0",
        '{"cluster": {"worker": [',
        "[]",
        "3",
        json.dumps({"cluster": TWO}),
        config(TWO, {"type": "worker"}),
        config(TWO, {"type": "worker", "index": "first"}),
        config(TWO, {"type": "worker", "index": 2}),
        config(TWO, 0),
        config({"worker": 3}),
        config(["a:1"]),
    ],
)
@pytest.mark.parametrize("strategy", [None, "multi_worker"])
def test_what_is_not_tensorflows_is_one_sentence(monkeypatch, text, strategy):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError, match=r"^TF_CONFIG.*; expected JSON such as \{") as error:
        check_cluster(strategy, print)
    assert "\n" not in str(error.value)
