"""Programs run as users run them."""

import json
import pathlib
from collections.abc import Callable

import launcher
import pytest

from bert_wwm.corpus.sentences import split_sentences

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
def make_records_of_corpus(corpus, vocab_file, tmp_path_factory) -> Callable[..., pathlib.Path]:
    """Makes records of the corpus in a folder of their own; returns the folder."""

    def make(names, *flags):
        folder = tmp_path_factory.mktemp("records")
        launcher.run(
            "create_pretraining_data_wwm.py",
            f"--input_file={corpus}",
            f"--output_file={','.join(str(folder / name) for name in names)}",
            f"--vocab_file={vocab_file}",
            "--segmenter=characters",
            "--dupe_factor=3",
            *flags,
        )
        return folder

    return make


@pytest.fixture(scope="session")
def records(make_records_of_corpus) -> str:
    """Records of the corpus, of length 32 with 5 predictions."""
    flags = ("--max_seq_length=32", "--max_predictions_per_seq=5")
    return str(make_records_of_corpus(["a.tfrecord"], *flags) / "a.tfrecord")


LONG = ("--max_seq_length=64", "--max_predictions_per_seq=10")
SHORT_INSTANCES = (*LONG, "--short_seq_prob=0.9")


@pytest.fixture(scope="session")
def single_records(make_records_of_corpus) -> str:
    """Records of the corpus, of length 64 with 10 predictions; most are much shorter."""
    return str(make_records_of_corpus(["a.tfrecord"], *SHORT_INSTANCES) / "a.tfrecord")


@pytest.fixture(scope="session")
def packed_records(make_records_of_corpus) -> str:
    """The same, packed, in nine files, which are two sections of the stream: a pattern."""
    names = [f"part-{number}" for number in range(9)]
    return f"{make_records_of_corpus(names, *SHORT_INSTANCES, '--pack')}/part-*"


CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 32,
    "initializer_range": 0.02,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
}


@pytest.fixture(scope="session")
def bert_config(vocab_file, tmp_path_factory) -> Callable[..., str]:
    """Writes a small model's configuration, with some values changed; returns its path."""
    folder = tmp_path_factory.mktemp("config")

    def write(**changes) -> str:
        pieces = pathlib.Path(vocab_file).read_text(encoding="utf-8").split()
        values = {**CONFIG, "vocab_size": len(pieces), **changes}
        path = folder / f"{'-'.join(f'{k}={v}' for k, v in changes.items()) or 'small'}.json"
        path.write_text(json.dumps(values))
        return str(path)

    return write


@pytest.fixture(scope="session")
def pretrain(records, bert_config):
    """Runs the program on a small model; returns its result."""

    def run_program(output_dir, *flags, status=0, environment=None, **changes):
        return launcher.run(
            "run_pretraining.py",
            f"--input_file={records}",
            f"--output_dir={output_dir}",
            f"--bert_config_file={bert_config(**changes)}",
            "--max_seq_length=32",
            "--max_predictions_per_seq=5",
            "--train_batch_size=8",
            "--num_train_steps=40",
            "--num_warmup_steps=4",
            "--learning_rate=1e-3",
            "--log_every_steps=10",
            *flags,
            status=status,
            environment=environment,
        )

    return run_program


@pytest.fixture(scope="session")
def trained(pretrain, tmp_path_factory):
    """A model trained for 40 steps and evaluated; its folder, and what the program printed."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    return folder, pretrain(folder, "--do_train", "--do_eval").stdout


@pytest.fixture(scope="module")
def model(bert_config, vocab_file):
    """The flags of a model of one layer and its vocabulary."""
    return f"--bert_config_file={bert_config(num_hidden_layers=1)}", f"--vocab_file={vocab_file}"
