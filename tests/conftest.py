"""Where tests find real data and reference values, which are not part of the project."""

import os
import pathlib

import hypothesis
import pytest

# How long a test takes says nothing of the code on a machine that does other things too.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores among them. Programs that they start inherit this.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

ROOT = pathlib.Path(__file__).resolve().parent.parent


def _data_folder() -> pathlib.Path:
    return pathlib.Path(os.environ.get("BERT_WWM_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def test_data() -> pathlib.Path:
    """A folder of real texts and vocabularies; its README.md says what they are."""
    folder = _data_folder()
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set BERT_WWM_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def golden() -> pathlib.Path:
    """What the reference implementations compute, beside the test data."""
    folder = _data_folder().parent / "golden"
    if not folder.is_dir():
        pytest.skip(f"no golden values at {folder}; set BERT_WWM_TEST_DATA")
    return folder


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
