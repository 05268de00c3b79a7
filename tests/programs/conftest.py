"""Programs run as users run them."""

import os
import pathlib
import subprocess
import sys
from typing import Callable

import pytest

from bert_wwm.text.sentences import split_sentences

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs a program with flags; ``status`` is what it should end with."""

    def run_program(program: str, *flags: str, status: int = 0):
        result = subprocess.run(
            [sys.executable, str(ROOT / program), *flags],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
            check=False,
        )
        assert result.returncode == status, result.stdout + result.stderr
        if status:
            assert "Traceback" not in result.stderr, result.stderr
        return result

    return run_program


TEXT = (
    "使用语言模型来预测下一个词的概率。我们在学习。今天天气很不错！中国人民大家好。"
    "使用 BERT 预测 Probability。2019年中国人民在学习语言。我们大家来使用模型。"
)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small corpus of twelve documents."""
    sentences = split_sentences(TEXT)
    documents = [sentences[n % 7 :] + sentences[: n % 5] for n in range(12)]
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("\n\n".join("\n".join(d) for d in documents) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def records(run, corpus, vocab_file, tmp_path_factory) -> str:
    """Records of the corpus, of length 32 with 5 predictions."""
    path = str(tmp_path_factory.mktemp("records") / "a.tfrecord")
    run(
        "create_pretraining_data_wwm.py",
        f"--input_file={corpus}",
        f"--output_file={path}",
        f"--vocab_file={vocab_file}",
        "--segmenter=characters",
        "--max_seq_length=32",
        "--max_predictions_per_seq=5",
        "--dupe_factor=3",
    )
    return path
