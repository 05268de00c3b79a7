"""The rows of sequence tagging: named entities, and whatever else each token has a tag for."""

from collections.abc import Sequence
from typing import Any

from bert_wwm.metrics.tagging import evaluate
from bert_wwm.tasks.examples import Tagged
from bert_wwm.tasks.tagging_files import cluener_lines, read_cluener, read_columns, read_msra
from bert_wwm.tasks.task import Settings, Task, add

METRICS = ("precision", "recall", "f1")


def score(examples: Sequence[Tagged], predictions: Sequence[Sequence[str]]) -> dict[str, float]:
    """Returns seqeval's micro precision, recall and F1 of entities, and accuracy, in percent."""
    scores = evaluate([example.tags or () for example in examples], predictions)
    return {name: 100 * scores[name] for name in (*METRICS, "accuracy")}


# What HFL fine-tuned NER with is not known but for the batch of 64.
_CLUE = "CLUE's run_ner_msra.sh, batch of Chinese-BERT-wwm"

_SPLITS = {"train": ("train.txt",), "dev": ("dev.txt",), "test": ("test.txt",)}


def _add(name: str, title: str, settings: Settings, source: str, **others: Any) -> None:
    """Adds a row; what it doesn't say is as of files of lines of a token and its tag."""
    defaults = {"files": _SPLITS, "read": read_columns}
    add(
        Task(
            name=name,
            title=title,
            kind="tagging",
            score=score,
            metrics=METRICS,
            best_metric="f1",
            settings=settings,
            source=source,
            **{**defaults, **others},
        )
    )


_add(
    "msra_ner",
    "MSRA-NER",
    Settings(256, 64, 5.0, 2e-5),
    _CLUE,
    files={
        "train": ("msra_train_bio.txt", "train.txt", "train1.txt"),
        "dev": ("dev.txt",),
        "test": ("msra_test_bio.txt", "test.txt", "testright1.txt"),
    },
    read=read_msra,
)
_add(
    "peopledaily_ner",
    "People's Daily",
    Settings(128, 64, 5.0, 2e-5),
    f"{_CLUE}; its sentences have 100 characters at most",
)
_add(
    "cluener",
    "CLUENER2020",
    Settings(128, 24, 4.0, 3e-5),
    "CLUENER2020's run_ner_softmax.sh",
    files={"train": ("train.json",), "dev": ("dev.json",), "test": ("test.json",)},
    read=read_cluener,
    submission=cluener_lines,
)
_add(
    "ner",
    "tagged sentences of your own",
    Settings(256, 64, 5.0, 2e-5),
    f"as for MSRA-NER: {_CLUE}",
)
