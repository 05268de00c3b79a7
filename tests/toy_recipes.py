"""Recipes at toy size: a few sentences, small models, four steps."""

import gzip
import json
import pathlib
import re

import launcher
from recipes import EXPECTED, commands

from bert_wwm.cli.recipes import load_recipe

# Words of one to three pieces of tests/conftest.py's vocabulary, with their tags.
CHINESE = [
    ("使用/v/O/HED", "语言/n/O/ATT", "模型/n/O/VOB", "来/v/O/COO", "预测/v/O/COO", "。/wp/O/WP"),
    ("我们/r/O/SBV", "在/p/O/ADV", "学习/v/O/HED", "，/wp/O/WP", "大家/r/O/SBV", "好/a/O/COO"),
    ("今天/nt/O/ADV", "天气/n/O/SBV", "很/d/O/ADV", "不错/a/O/HED", "！/wp/O/WP"),
    ("中国/ns/S-Ns/ATT", "人民/n/O/SBV", "预测/v/O/HED", "概率/n/O/VOB", "。/wp/O/WP"),
]
ENGLISH = ["a probability b", "bert probability c", "abc probability a", "b bert a c"]
SIMILAR = (
    "语言\t模型 概率\n模型\t语言\n预测\t学习 使用\n使用\t学习\n学习\t使用\n概率\t模型\n"
    "我们\t大家\n大家\t我们\n中国\t人民\n人民\t大家\n今天\t天气\n天气\t今天\n很\t不\n好\t大\n"
)

MOST_LAYERS = 6


def depth(name: str) -> int:
    """The layers of a toy: all of a model that was cut out of another, a sixth of a whole one."""
    layers = EXPECTED[name].layers
    return layers if layers <= MOST_LAYERS else layers // 6


def _documents(sentences: list) -> list[list]:
    return [sentences[n % 4 :] + sentences[: n % 3 + 1] for n in range(24)]


class Toy:
    """Runs recipes at toy size, each command once.

    Args:
        folder: where all files go.
        vocab_file: the vocabulary.
    """

    def __init__(self, folder: pathlib.Path, vocab_file: str):
        self.folder = folder
        self._vocab_file = vocab_file
        self._vocab_size = len(pathlib.Path(vocab_file).read_text(encoding="utf-8").split())
        self._made: dict[tuple, str] = {}
        (folder / "similar.txt").write_text(SIMILAR, encoding="utf-8")
        self._write_texts()

    def _write_texts(self) -> None:
        words = [[item.split("/")[0] for item in sentence] for sentence in CHINESE]
        for name, sentences in (
            ("chinese", [" ".join(sentence) for sentence in words]),
            ("english", ENGLISH),
        ):
            (self.folder / name).mkdir()
            text = "\n\n".join("\n".join(document) for document in _documents(sentences))
            (self.folder / name / "a.txt").write_text(text, encoding="utf-8")
        lines = [
            '{"format": "segmented corpus 1", "segmenter": {"name": "ltp"}, '
            '"tags": ["pos", "ner", "dep"]}',
            '{"block": [0, 0]}',
        ]
        for document in _documents(CHINESE):
            for sentence in document:
                columns = zip(*(item.split("/") for item in sentence))
                lines.append(json.dumps(dict(zip(("words", "pos", "ner", "dep"), columns))))
            lines.append("")
        (self.folder / "segmented").mkdir()
        with gzip.open(self.folder / "segmented" / "tagged.gz-00000-of-00001", "wt") as file:
            file.write("\n".join(lines) + "\n")

    def _config(self, name: str, num_hidden_layers: int) -> dict[str, object]:
        """A recipe's configuration, made small."""
        path = launcher.ROOT / load_recipe(name).flags["bert_config_file"]
        config = json.loads(path.read_text(encoding="utf-8"))
        return {
            **config,
            "hidden_size": 32,
            "intermediate_size": 64,
            "max_position_embeddings": 64,
            "num_attention_heads": 2,
            "num_hidden_layers": num_hidden_layers,
            "vocab_size": self._vocab_size,
        }

    def run(self, line: list[str], places: dict[str, str], *flags: str) -> str:
        """Runs a command with its placeholders filled in; returns what it prints."""
        places = {
            "VOCAB": self._vocab_file,
            "SIMILAR_WORDS": f"{self.folder}/similar.txt",
            "configs": f"{launcher.ROOT}/configs",
            **places,
        }
        line = [re.sub(r"(?<==)(configs|[A-Z_]+)\b", lambda m: places[m[0]], word) for word in line]
        key = tuple(line)
        if key not in self._made:
            self._made[key] = launcher.output(*line, *flags, cwd=self.folder)
        return self._made[key]

    def make_records(self, name: str) -> None:
        *_, line, _ = commands(name)
        english = name.startswith("english")
        self.run(
            line,
            {"CORPUS": str(self.folder / ("english" if english else "chinese"))},
            f"--segmenter={'none' if english else 'presegmented'}",
            "--max_seq_length=32",
            "--max_predictions_per_seq=5",
            "--dupe_factor=1",
            "--num_output_shards=1",
            "--num_workers=1",
        )

    def init(self, name: str) -> pathlib.Path:
        """The folder of a model with both of BERT's heads, and more layers than most toys."""
        folder = self.folder / "init"
        if not folder.exists():
            from bert_wwm.compat import tf
            from bert_wwm.model import heads
            from bert_wwm.model.bert import BertConfig, BertModel

            config = BertConfig.from_dict(self._config(name, MOST_LAYERS))
            with tf.Graph().as_default(), tf.Session() as session:
                tf.set_random_seed(7)
                ids = tf.zeros([1, 4], tf.int32)
                model = BertModel(config, False, ids)
                states = heads.masked_states(config, model.get_sequence_output(), ids)
                heads.masked_lm(config, states, model.get_embedding_table(), ids, ids)
                heads.sentence_pair(config, model.get_pooled_output(), ids[:, 0])
                session.run(tf.global_variables_initializer())
                tf.train.Saver().save(session, str(folder / "bert_model.ckpt"))
        return folder

    def train(self, name: str) -> str:
        """Makes a recipe's records and trains it for four steps; returns what is printed."""
        self.make_records(name)
        init = EXPECTED[name].init
        if isinstance(init, str):
            self.train(init)
        config = self.folder / f"{name}.json"
        config.write_text(json.dumps(self._config(name, depth(name))), encoding="utf-8")
        *_, line = commands(name)
        return self.run(
            line,
            {"INIT": str(self.init(name))} if isinstance(init, int) else {},
            f"--bert_config_file={config}",
            "--max_seq_length=32",
            "--max_predictions_per_seq=5",
            "--train_batch_size=8",
            "--num_train_steps=4",
            "--num_warmup_steps=1",
            "--log_every_steps=4",
        )
