"""The rows of sequence tagging: named entities, and whatever else each token has a tag for."""

import functools
from collections.abc import Sequence

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

_row = functools.partial(
    Task,
    kind="tagging",
    files={"train": ("train.txt",), "dev": ("dev.txt",), "test": ("test.txt",)},
    read=read_columns,
    score=score,
    metrics=METRICS,
    best_metric="f1",
)

add(
    _row(
        name="msra_ner",
        title="MSRA-NER",
        files={
            "train": ("msra_train_bio.txt", "train.txt", "train1.txt"),
            "dev": ("dev.txt",),
            "test": ("msra_test_bio.txt", "test.txt", "testright1.txt"),
        },
        read=read_msra,
        settings=Settings(256, 64, 5.0, 2e-5),
        source=_CLUE,
    ),
    _row(
        name="peopledaily_ner",
        title="People's Daily",
        settings=Settings(128, 64, 5.0, 2e-5),
        source=f"{_CLUE}; its sentences have 100 characters at most",
    ),
    _row(
        name="cluener",
        title="CLUENER2020",
        files={"train": ("train.json",), "dev": ("dev.json",), "test": ("test.json",)},
        read=read_cluener,
        settings=Settings(128, 24, 4.0, 3e-5),
        source="CLUENER2020's run_ner_softmax.sh",
        submission=cluener_lines,
    ),
    _row(
        name="ner",
        title="tagged sentences of your own",
        settings=Settings(256, 64, 5.0, 2e-5),
        source=f"as for MSRA-NER: {_CLUE}",
    ),
)
