"""Models of LTP made on the spot: a perceptron trained on a few sentences, a random neural one."""

import json

import pytest

from bert_wwm.segmentation import ltp_training

_SUBJECTS = (
    "我/r",
    "他们/r",
    "江/nr 泽民/nr",
    "中国/ns 人民/n",
    "新华社/nt 记者/n",
    "[中央/n 电视台/n]nt",
)
_VERBS = ("爱/v", "参观/v", "离开/v 了/u", "来到/v", "研究/v")
_OBJECTS = ("北京/ns", "天安门/ns", "语言/n 模型/n", "１９９８年/t 的/u 春天/t", "北京/ns 大学/n")


@pytest.fixture(scope="session")
def tagged_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """150 sentences of word/tag tokens."""
    path = tmp_path_factory.mktemp("tagged") / "tagged.txt"
    lines = [
        f"{subject}  {verb}  {thing}  。/w"
        for subject in _SUBJECTS
        for verb in _VERBS
        for thing in _OBJECTS
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def perceptron_folder(tagged_file: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A perceptron model for all three tasks."""
    folder = str(tmp_path_factory.mktemp("perceptron"))
    ltp_training.train([tagged_file], folder, num_epochs=3, report=lambda line: None)
    return folder


_PIECES = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] ， 。 ！ 我 爱 北 京 天 安 门 他 们 的 一 是 a b c d e 0 1 2 "
    "##a ##b ##c ##d ##e ##0 ##1 ##2"
).split()


# The labels that LTP's released models have.
_LABELS = {
    "cws": ["I-W", "B-W"],
    "pos": "a b c d e h i j k m n nd nh ni nl ns nt nz o p q r u v wp ws z".split(),
    "ner": "O B-Nh B-Ni B-Ns E-Nh E-Ni E-Ns I-Nh I-Ni I-Ns S-Nh S-Ni S-Ns".split(),
    "dep": "ADV ATT CMP COO DBL FOB HED IOB LAD POB RAD SBV VOB WP".split(),
}
_PROCESSORS = {"cws": "TokenOnly", "pos": "WordsOnly", "ner": "WordsOnly", "dep": "WordsWithHead"}
_HEADS: dict[str, dict[str, object]] = {
    "cws": {"_ltp_target_": "token.MLPTokenClassifier"},
    "pos": {"_ltp_target_": "token.MLPTokenClassifier"},
    "ner": {
        "_ltp_target_": "token.RelTransformerTokenClassifier",
        "hidden_size": 16,
        "num_heads": 2,
        "num_layers": 1,
    },
    "dep": {
        "_ltp_target_": "graph.BiaffineClassifier",
        "arc_hidden_size": 16,
        "rel_hidden_size": 16,
    },
}


def _neural_config() -> dict[str, object]:
    """The config.json of a tiny neural model, written as those of LTP's released ones."""
    models = "ltp_core.models"
    backbone = {
        "model_type": "bert",
        "vocab_size": len(_PIECES),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 512,
    }
    heads = {
        task: {
            **head,
            "_ltp_target_": f"{models}.components.{head['_ltp_target_']}",
            "input_size": 16,
            "num_labels": len(_LABELS[task]),
        }
        for task, head in _HEADS.items()
    }
    return {
        "nerual": True,
        "model": {
            "_ltp_target_": f"{models}.ltp_model.LTPModule",
            "backbone": {"_ltp_target_": f"{models}.utils.load_transformers", "config": backbone},
            "processor": {
                task: {"_ltp_target_": f"{models}.processor.{name}"}
                for task, name in _PROCESSORS.items()
            },
            "heads": heads,
        },
        "vocabs": _LABELS,
    }


@pytest.fixture(scope="session")
def neural_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A neural model with random weights: words and tags are random, the same every time."""
    import torch
    from ltp import nerual

    folder = tmp_path_factory.mktemp("neural")
    config = _neural_config()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(_PIECES) + "\n", encoding="utf-8")
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    torch.manual_seed(0)
    torch.save(nerual.LTP(config=config).model.state_dict(), folder / "pytorch_model.bin")
    return str(folder)
