"""The tasks of classifying a text, or a pair of texts.

Settings are those of the paper of Chinese BERT-wwm, RoBERTa-wwm and MacBERT (arXiv 1906.08101 v3,
table IV), where it has the task; it gives no batch size, which its author does elsewhere.
"""

import functools
import re
from collections.abc import Callable, Sequence

from bert_wwm.core.errors import DataError
from bert_wwm.metrics import classification
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.sentence_files import Labels, list_labels, unknown_label
from bert_wwm.tasks.sentence_json import JsonReader, clue_lines
from bert_wwm.tasks.sentence_news import read_news
from bert_wwm.tasks.sentence_tables import Columns, TableReader, UserTableReader
from bert_wwm.tasks.task import Settings, Task, add

Measure = Callable[[Sequence[str], Sequence[str]], dict[str, float]]

_PAPER = "arXiv 1906.08101 v3, table IV; batch: ymcui/Chinese-BERT-wwm issues 7, 14 and 36"
_PAPER_CLUE = "arXiv 1906.08101 v3, table IV; batch: as in its other tasks (inferred)"
_CLUE = "CLUEbenchmark/CLUE, baselines/models/roberta_wwm_ext/run_classifier_{}.sh"
_GOOGLE = "google-research/bert, README, sentence (and sentence-pair) classification"
_GOOGLE_SETTINGS = Settings(128, 32, 3.0, 2e-5)

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_SCORE = re.compile(r"[0-9]{1,5}(\.[0-9]+)?")

_SPLITS = ("train", "dev", "test")
_TSV = {split: (f"{split}.tsv",) for split in _SPLITS}
_TABLES = {split: (f"{split}.tsv", f"{split}.txt") for split in _SPLITS}
_JSON = {split: (f"{split}.json",) for split in _SPLITS}

_BINARY = Labels(("0", "1"))
_INFERENCE = Labels(
    ("contradiction", "entailment", "neutral"),
    renamed={"contradictory": "contradiction"},
    undecided={"-": "no agreement"},
)
_NEWS = Labels(tuple(str(label) for label in range(100, 117) if label not in (105, 111)))
# Two texts and a label, or none; a text behind a label, or alone.
_PAIR_COLUMNS = {3: Columns(0, 1, 2), 2: Columns(0, 1)}
_TEXT_COLUMNS = {2: Columns(1, None, 0), 1: Columns(0)}


def score(
    measures: Sequence[Measure], examples: Sequence[Sentence], predictions: Sequence[str]
) -> dict[str, float]:
    """Returns what the measures say of predictions, fractions of 100."""
    targets = []
    for example in examples:
        if example.label is None:
            raise DataError(f"example {example.id} has no label; expected one, to score by")
        targets.append(example.label)
    scores: dict[str, float] = {}
    for measure in measures:
        scores.update(measure(targets, predictions))
    return {name: 100 * value for name, value in scores.items()}


_accuracy = functools.partial(score, (classification.accuracy,))


_row = functools.partial(Task, kind="sentence", files=_TSV, score=_accuracy, metrics=("accuracy",))
_paper_row = functools.partial(_row, files=_TABLES, source=_PAPER)
_clue_row = functools.partial(_row, files=_JSON, submission=clue_lines)
_google_row = functools.partial(_row, settings=_GOOGLE_SETTINGS, source=_GOOGLE)

add(
    _paper_row(
        "xnli",
        "XNLI (Chinese)",
        files={
            "train": (
                "multinli/multinli.train.zh.tsv",
                "multinli.train.zh.tsv",
                "XNLI-MT-1.0/multinli/multinli.train.zh.tsv",
                "train.tsv",
            ),
            "dev": ("xnli.dev.tsv", "XNLI-1.0/xnli.dev.tsv", "dev.tsv"),
            "test": ("xnli.test.tsv", "XNLI-1.0/xnli.test.tsv", "test.tsv"),
        },
        read=TableReader(True, _INFERENCE, _PAIR_COLUMNS, language="zh"),
        labels=_INFERENCE.known,
        settings=Settings(128, 64, 2.0, 3e-5),
    ),
    *(
        _paper_row(
            name,
            title,
            read=TableReader(columns is _PAIR_COLUMNS, _BINARY, columns),
            labels=_BINARY.known,
            settings=Settings(max_seq_length, 64, 3.0, learning_rate),
        )
        for name, title, columns, max_seq_length, learning_rate in (
            ("lcqmc", "LCQMC", _PAIR_COLUMNS, 128, 2e-5),
            ("bq", "BQ Corpus", _PAIR_COLUMNS, 128, 3e-5),
            ("chnsenticorp", "ChnSentiCorp", _TEXT_COLUMNS, 256, 2e-5),
        )
    ),
    _paper_row(
        "thucnews",
        "THUCNews",
        files={
            "train": ("cnews.train.txt", "train.txt", "train.tsv", "train"),
            "dev": ("cnews.val.txt", "dev.txt", "val.txt", "dev.tsv", "dev"),
            "test": ("cnews.test.txt", "test.txt", "test.tsv", "test"),
        },
        read=read_news,
        settings=Settings(512, 64, 3.0, 2e-5),
    ),
    # The paper speaks of titles and keywords; the text is the title alone, as in CLUE's program.
    _clue_row(
        "tnews",
        "TNEWS",
        read=JsonReader("sentence", None, _NEWS),
        labels=_NEWS.known,
        settings=Settings(128, 64, 3.0, 2e-5),
        source=_PAPER_CLUE,
    ),
    _clue_row(
        "ocnli",
        "OCNLI",
        files={
            **_JSON,
            "train": tuple(f"train{size}.json" for size in (".50k", "", ".30k", ".10k", ".3k")),
        },
        read=JsonReader("sentence1", "sentence2", _INFERENCE),
        labels=_INFERENCE.known,
        settings=Settings(128, 64, 3.0, 2e-5),
        source=_PAPER_CLUE,
        small_learning_rate=5e-5,
    ),
    *(
        _clue_row(
            name,
            title,
            read=JsonReader(text_a, text_b, labels),
            labels=labels.known,
            settings=Settings(128, 32, 3.0, 2e-5),
            source=_CLUE.format(name),
        )
        for name, title, text_a, text_b, labels in (
            ("cmnli", "CMNLI", "sentence1", "sentence2", _INFERENCE),
            ("afqmc", "AFQMC", "sentence1", "sentence2", _BINARY),
            ("csl", "CSL", "keyword", "abst", _BINARY),
            ("iflytek", "IFLYTEK", "sentence", None, Labels(tuple(map(str, range(119))))),
        )
    ),
    _google_row(
        "cola",
        "CoLA",
        read=TableReader(False, _BINARY, {4: Columns(3, None, 1)}),
        labels=_BINARY.known,
        score=functools.partial(
            score, (classification.matthews_correlation, classification.accuracy)
        ),
        metrics=("matthews_correlation", "accuracy"),
    ),
    _google_row(
        "mnli",
        "MultiNLI (matched)",
        files={**_TSV, "dev": ("dev_matched.tsv",), "test": ("test_matched.tsv",)},
        read=TableReader(True, _INFERENCE),
        labels=_INFERENCE.known,
    ),
    _google_row(
        "mrpc",
        "MRPC",
        read=TableReader(True, _BINARY),
        labels=_BINARY.known,
        score=functools.partial(
            score, (functools.partial(classification.f1, positive="1"), classification.accuracy)
        ),
        metrics=("f1", "accuracy"),
    ),
    # GLUE's, and the Chinese translations of it, which have no header.
    _google_row(
        "sts-b",
        "STS-B",
        kind="regression",
        read=TableReader(True, Labels(), _PAIR_COLUMNS, label_names=("score",)),
        score=functools.partial(score, (classification.correlations,)),
        metrics=("spearman", "pearson"),
        source="google-research/bert, README, as for its other sentence pairs (inferred)",
        shows_labels=False,
    ),
)


def user_task(text_columns: Sequence[str], label_column: str) -> Task:
    """Returns the task of a user's own tables, ``tsv``; the columns are ``UserTableReader``'s."""
    return _google_row(
        "tsv",
        "a table of your own",
        files={split: (f"{split}.tsv", f"{split}.csv") for split in _SPLITS},
        read=UserTableReader(tuple(text_columns), label_column),
    )


def collect_labels(path: str, examples: Sequence[Sentence]) -> list[str]:
    """Returns the labels of training examples, two at least, sorted; numbers by their size."""
    found = set()
    for example in examples:
        if example.label is None:
            raise DataError(f"{path}:{example.line}: has no label; expected one for each example")
        found.add(example.label)
    if len(found) < 2:
        raise DataError(
            f"{path}: its labels are {', '.join(map(repr, found)) or 'none'}; expected two "
            "different ones at least"
        )
    if all(_NUMBER.fullmatch(label) for label in found):
        return sorted(found, key=lambda label: (float(label), label))
    return sorted(found)


def check_labels(
    path: str, examples: Sequence[Sentence], labels: Sequence[str], required: bool
) -> None:
    """Checks the labels of a file against those of the training, and that required ones exist."""
    known = frozenset(labels)
    for example in examples:
        if example.label is None:
            if required:
                raise DataError(
                    f"{path}:{example.line}: has no label; expected {list_labels(labels)}"
                )
        elif example.label not in known:
            raise unknown_label(path, example.line, example.label, labels)


def check_scores(path: str, examples: Sequence[Sentence], required: bool) -> None:
    """Checks that the labels of a file are scores, and that each example has one if required."""
    for example in examples:
        if example.label is None and not required:
            continue
        if example.label is None or not _SCORE.fullmatch(example.label):
            found = "no score" if example.label is None else f"the score {example.label!r}"
            raise DataError(f"{path}:{example.line}: has {found}; expected a number from 0 up")
