"""Small inputs of all programs, made when they are first needed."""

import functools
import json
import pathlib
import random

import launcher
import numpy as np
from finetuning_runs import BAD, CHARACTERS, GOOD, chnsenticorp, entities, questions, reviews

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIAL, *dict.fromkeys(f"{CHARACTERS}{GOOD}{BAD}中国人民什么。，！")]
CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 16,
    "initializer_range": 0.02,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "type_vocab_size": 2,
    "vocab_size": len(PIECES),
}
RECORD_SIZES = ("--max_seq_length=32", "--max_predictions_per_seq=5")
TAGGED = "我/r 爱/v 北京/ns 。/w\n他/r 来到/v 天安门/ns 。/w\n今天/t 天气/n 很/d 好/a ！/w\n"


def write_documents(path: pathlib.Path, size: int, seed: int) -> None:
    """Writes a sentence a line and a blank line between documents, ``size`` bytes or more."""
    rng = random.Random(seed)
    documents: list[str] = []
    while size > 0:
        lines = [
            "".join(rng.choices(CHARACTERS, k=rng.randint(4, 20))) + "。"
            for _ in range(rng.randint(2, 12))
        ]
        documents.append("\n".join(lines) + "\n")
        size -= len(documents[-1].encode()) + 1
    path.write_text("\n".join(documents), encoding="utf-8")


class Inputs:
    """Files in a folder of their own.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder

    def _write(self, name: str, text: str) -> pathlib.Path:
        path = self._folder / name
        path.write_text(text, encoding="utf-8")
        return path

    @functools.cached_property
    def corpus(self) -> str:
        """A pattern of two files: four blocks of text."""
        write_documents(self._folder / "corpus-a.txt", 1_100_000, 1)
        write_documents(self._folder / "corpus-b.txt", 700_000, 2)
        return str(self._folder / "corpus-?.txt")

    @functools.cached_property
    def small_corpus(self) -> pathlib.Path:
        write_documents(self._folder / "small.txt", 12_000, 3)
        return self._folder / "small.txt"

    @functools.cached_property
    def tagged(self) -> pathlib.Path:
        return self._write("tagged.txt", TAGGED * 400)

    @functools.cached_property
    def texts(self) -> pathlib.Path:
        rng = random.Random(4)
        lines = ("".join(rng.choices(CHARACTERS, k=rng.randint(2, 40))) for _ in range(600))
        return self._write("texts.txt", "".join(f"{line}\n" for line in lines))

    @functools.cached_property
    def vectors(self) -> pathlib.Path:
        """Word vectors in word2vec's text format."""
        rng = np.random.default_rng(5)
        words = [one + other for one in CHARACTERS for other in CHARACTERS]
        rows = [f"{w} {' '.join(f'{v:.4f}' for v in rng.normal(size=8))}\n" for w in words]
        return self._write("vectors.txt", f"{len(words)} 8\n" + "".join(rows))

    @functools.cached_property
    def vocabulary(self) -> pathlib.Path:
        return self._write("vocab.txt", "".join(f"{piece}\n" for piece in PIECES))

    @functools.cached_property
    def config(self) -> pathlib.Path:
        return self._write("bert_config.json", json.dumps(CONFIG))

    @functools.cached_property
    def model(self) -> list[str]:
        """The flags of a model without weights."""
        return [f"--bert_config_file={self.config}", f"--vocab_file={self.vocabulary}"]

    @functools.cached_property
    def records(self) -> pathlib.Path:
        path = self._folder / "train.tfrecord"
        launcher.run(
            "create_pretraining_data_wwm.py",
            f"--input_file={self.small_corpus}",
            f"--output_file={path}",
            f"--vocab_file={self.vocabulary}",
            "--segmenter=characters",
            *RECORD_SIZES,
        )
        return path

    @functools.cached_property
    def tasks(self) -> pathlib.Path:
        """A folder of toy tasks: ``train``, ``dev`` and ``test`` of each kind."""
        folder = self._folder / "tasks"
        folder.mkdir()
        for seed, (name, count) in enumerate((("train", 64), ("dev", 16), ("test", 8))):
            for ending, text in (
                (".tsv", chnsenticorp(reviews(count, seed))),
                (".txt", entities(count, seed)),
                (".json", questions(count, seed)),
            ):
                (folder / f"{name}{ending}").write_text(text, encoding="utf-8")
        return folder

    @functools.cached_property
    def finetuned(self) -> pathlib.Path:
        """The folder of a classifier's training."""
        folder = self._folder / "finetuned"
        launcher.run(
            "run_classifier.py",
            "--task_name=chnsenticorp",
            f"--data_dir={self.tasks}",
            *self.model,
            *("--max_seq_length=24", "--train_batch_size=16", "--num_train_epochs=1"),
            *("--do_train", "--do_eval", f"--output_dir={folder}"),
        )
        return folder

    @functools.cached_property
    def checkpoint(self) -> str:
        """The prefix of a pretrained model with its configuration and vocabulary beside it."""
        from bert_wwm.convert import google_folder

        google_folder.write_folder(str(self._folder / "google"), self._random_model())
        return str(self._folder / "google" / google_folder.CHECKPOINT)

    @functools.cached_property
    def hugging_face(self) -> pathlib.Path:
        """The folder of the same model in Hugging Face's form."""
        from bert_wwm.convert import hugging_face

        folder = self._folder / "hugging_face"
        hugging_face.write_folder(str(folder), self._random_model())
        return folder

    def _random_model(self):
        from bert_wwm.convert import names
        from bert_wwm.convert.pretrained import Pretrained

        rng = np.random.default_rng(6)
        parts = [names.ENCODER, names.POOLER, names.MASKED_LM, names.PAIR]
        shapes = names.variables(CONFIG, parts, 0)
        tensors = {n: rng.normal(size=shape).astype(np.float32) for n, shape in shapes.items()}
        return Pretrained(tensors, dict(CONFIG), list(PIECES))

    @functools.cached_property
    def ltp_model(self) -> pathlib.Path:
        """The folder of a perceptron for words, tags and names."""
        folder = self._folder / "ltp"
        launcher.run(
            "scripts/train_ltp_model.py",
            f"--input_file={self.tagged}",
            f"--output_dir={folder}",
            "--num_epochs=1",
            "--heldout_fraction=0.1",
        )
        return folder
