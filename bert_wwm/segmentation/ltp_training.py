"""Training of LTP perceptron models from tagged text.

The result is a folder that ``ltp.LTP(folder)`` and ``ltp.py`` load: config.json and one file a
task: cws_model.bin (words), pos_model.bin (parts of speech), ner_model.bin (names).
"""

import functools
import itertools
import os
import shutil
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bert_wwm.core import files, input_files, seeding
from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.core.json_files import write_json
from bert_wwm.core.staging import temporary_folder
from bert_wwm.core.workers import WorkerError, map_blocks
from bert_wwm.segmentation import perceptron_file
from bert_wwm.segmentation.ltp_perceptron import load_perceptron
from bert_wwm.segmentation.tagged_text import NER_TAGS, POS_TAGS, Sentence, map_tag, read_corpus

TASKS = ("cws", "pos", "ner")

# Full-width letters, digits and punctuation -> ASCII.
_HALF_WIDTH = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)}
# By how many sentences of the training text LTP's trainer chooses the best epoch.
_SELECTION_SIZE = 500
# The least ratio of features to leave out that is above 0, as LTP's trainer wants it.
_NO_MORE = 1e-300


class TaskResult(NamedTuple):
    """The result of training a task."""

    seconds: float
    size: int  # bytes of the model's file
    scores: dict[str, float]  # fractions of 1; none without held-out text


def train(
    paths: Sequence[str],
    output_dir: str,
    tasks: Sequence[str] = TASKS,
    num_epochs: int = 5,
    heldout_fraction: float = 0.05,
    random_seed: int = 12345,
    num_processes: int = 0,  # 0: one for each CPU core
    report: Callable[[str], None] = print,
) -> dict[str, TaskResult]:
    """Trains the models of some tasks and writes their folder, config.json last.

    The passive-aggressive perceptron is trained: on the People's Daily it is as good after two
    epochs as the averaged one after four. It runs on one core, so tasks run side by side. The same
    text and seed give the same bytes.

    Every second training sentence is turned from full-width letters, digits and punctuation to
    ASCII: newspaper text has full-width ones only, other text mostly ASCII.

    A fraction (0 to 1) of the sentences is not trained on but scored. cws and ner: precision,
    recall and F1 of words and names; pos: accuracy. Held-out tags are predicted for the words of
    the text, names from predicted tags if pos is among the tasks.
    """
    _check(tasks, num_epochs, heldout_fraction)
    sentences, unknown = read_corpus(paths)
    report(f"{len(sentences)} sentences, {sum(len(s.words) for s in sentences)} words")
    for tag, count in unknown.most_common():
        report(f"tag {tag!r}, not one of PKU's, taken for {map_tag(tag)!r}: {count} times")
    order = seeding.permutation(seeding.rng_for(random_seed, 0, 0, 0), len(sentences))
    heldout_size = int(len(sentences) * heldout_fraction)
    heldout = [sentences[index] for index in order[:heldout_size]]
    training = [
        _make_half_width(sentences[index]) if turn % 2 else sentences[index]
        for turn, index in enumerate(order[heldout_size:])
    ]
    if "ner" in tasks and not any(_has_name(sentence) for sentence in training):
        raise DataError(
            f"{list_few(paths)}: no name to learn ner from; expected tags nr, ns or nt, "
            "or --tasks without ner"
        )
    report(f"training on {len(training)} sentences, {heldout_size} held out, {num_epochs} epochs")
    with temporary_folder() as work:
        seconds = _train_tasks(training, tasks, num_epochs, num_processes, work, report)
        scores = score(work, tasks, heldout) if heldout else {task: {} for task in tasks}
        results = {}
        input_files.check_unchanged()
        for task in tasks:
            path = os.path.join(work, f"{task}_model.bin")
            results[task] = TaskResult(seconds[task], files.size(path), scores[task])
            with files.atomic_path(os.path.join(output_dir, f"{task}_model.bin")) as target:
                shutil.copyfile(path, target)
    config = {
        "nerual": False,  # LTP's spelling.
        "tasks": {task: f"{task}_model.bin" for task in tasks},
        "training": {
            "input": {os.path.basename(path): files.sha256(path) for path in paths},
            "num_sentences": len(training),
            "num_heldout_sentences": heldout_size,
            "num_epochs": num_epochs,
            "random_seed": random_seed,
            "unknown_tags": dict(unknown),
            "heldout_scores": scores,
        },
    }
    write_json(os.path.join(output_dir, "config.json"), config)
    return results


def _check(tasks: Sequence[str], num_epochs: int, heldout_fraction: float) -> None:
    unknown = [task for task in tasks if task not in TASKS]
    if unknown or not tasks:
        raise ConfigError(f"tasks {', '.join(unknown) or '(none)'}; expected {', '.join(TASKS)}")
    if num_epochs < 1:
        raise ConfigError(f"{num_epochs} epochs; expected 1 or more")
    if not 0 <= heldout_fraction < 1:
        raise ConfigError(f"held-out fraction {heldout_fraction}; expected 0 or more, less than 1")


def _make_half_width(sentence: Sentence) -> Sentence:
    return sentence._replace(words=[word.translate(_HALF_WIDTH) for word in sentence.words])


def _has_name(sentence: Sentence) -> bool:
    return any(label != "O" for label in sentence.ner)


def _train_tasks(
    training: Sequence[Sentence],
    tasks: Sequence[str],
    num_epochs: int,
    num_processes: int,
    work: str,
    report: Callable[[str], None],
) -> dict[str, float]:
    """Trains models into ``work``; returns the seconds of each."""
    # LTP's trainer keeps the epoch that does best on what it is given to evaluate. Without that it
    # keeps the first epoch, and where its F1 is undefined (no name right) none, and aborts. So it
    # gets sentences that it is trained on, those with names first; it never sees held-out ones.
    selection = sorted(training, key=lambda sentence: not _has_name(sentence))[:_SELECTION_SIZE]
    for task in tasks:
        for name, sentences in ("train", training), ("selection", selection):
            lines = _format_for_trainer(sentences, task)
            files.write_text(os.path.join(work, f"{task}.{name}"), lines)
    seconds: dict[str, float] = {}
    # Processes, as a panic in the trainer ends the one it runs in.
    num_workers = min(len(tasks), num_processes or os.cpu_count() or 1)
    train_task = functools.partial(_train_task, num_epochs=num_epochs, work=work)
    try:
        for task, spent in map_blocks(train_task, tasks, num_workers):
            seconds[task] = spent
            report(f"{task}: trained in {spent:.1f} s")
    except WorkerError:
        raise DataError(
            "LTP's trainer crashed, as it does when it gets no word, tag or name right; "
            f"expected more text than this ({len(training)} to train on), or more memory"
        ) from None
    return seconds


def _format_for_trainer(sentences: Sequence[Sentence], task: str) -> str:
    columns = {"cws": 1, "pos": 2, "ner": 3}[task]
    return "".join(
        " ".join("/".join(token) for token in zip(*sentence[:columns])) + "\n"
        for sentence in sentences
    )


def _train_task(task: str, num_epochs: int, work: str) -> float:
    """Trains one model, in a process of its own; returns the seconds it took."""
    from ltp_extension.perceptron import Algorithm, CWSTrainer, NERTrainer, POSTrainer

    # The trainer prints each epoch's score on the selection, which would only mislead, and a
    # backtrace where it crashes. Errors of Python's reach the parent all the same.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    start = time.time()
    makers = {
        "cws": CWSTrainer,
        "pos": lambda: POSTrainer(list(POS_TAGS)),
        "ner": lambda: NERTrainer(list(NER_TAGS)),
    }
    trainer = makers[task]()
    trainer.algorithm = Algorithm("Pa")
    trainer.epoch = num_epochs
    trainer.shuffle = False  # It has no seed; the sentences come in random order already.
    # Features without weight are left out. By its default the trainer leaves out so many at least,
    # the heaviest ones first, and of equal ones any.
    trainer.ratio = _NO_MORE
    trainer.load_train_data(os.path.join(work, f"{task}.train"))
    trainer.load_eval_data(os.path.join(work, f"{task}.selection"))
    path = os.path.join(work, f"{task}_model.bin")
    trainer.train().save(path)
    perceptron_file.write(path, task, perceptron_file.read(path, task))  # in an order of its own
    return time.time() - start


def score(
    folder: str, tasks: Sequence[str], sentences: Sequence[Sentence]
) -> dict[str, dict[str, float]]:
    """Scores the models of a folder; see ``train`` for what is scored."""
    from ltp_extension.algorithms import get_entities

    def predict(task: str, *inputs: Sequence) -> list[list[str]]:
        path = os.path.join(folder, f"{task}_model.bin")
        return load_perceptron(path, task).batch_predict(*inputs, parallelism=True)

    words = [sentence.words for sentence in sentences]
    tags = [sentence.pos for sentence in sentences]
    scores = {}
    if "cws" in tasks:
        found = predict("cws", ["".join(sentence) for sentence in words])
        scores["cws"] = _score_sets(
            [_find_spans(s) for s in words], [_find_spans(s) for s in found]
        )
    if "pos" in tasks:
        predicted = predict("pos", words)
        pairs = [pair for gold, guess in zip(tags, predicted) for pair in zip(gold, guess)]
        scores["pos"] = {"accuracy": sum(gold == guess for gold, guess in pairs) / len(pairs)}
        tags = predicted
    if "ner" in tasks:
        labels = predict("ner", words, tags)
        names = [set(get_entities(sentence.ner)) for sentence in sentences]
        scores["ner"] = _score_sets(names, [set(get_entities(guess)) for guess in labels])
    return scores


def _find_spans(words: Sequence[str]) -> set:
    """Returns the words of a sentence as (start, end) in characters."""
    ends = list(itertools.accumulate(map(len, words)))
    return set(zip([0, *ends], ends))


def _score_sets(gold: Sequence[set], found: Sequence[set]) -> dict[str, float]:
    """Returns micro-averaged precision, recall and F1, 0 where there is nothing to divide by."""
    right = sum(len(a & b) for a, b in zip(gold, found))
    precision = right / max(1, sum(map(len, found)))
    recall = right / max(1, sum(map(len, gold)))
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def format_table(results: dict[str, TaskResult]) -> str:
    """Returns the results as lines of text, scores in per cent."""
    lines = [f"{'task':<6}{'seconds':>9}{'MB':>8}  held-out"]
    for task, result in results.items():
        scores = ", ".join(f"{name} {100 * value:.2f}" for name, value in result.scores.items())
        size = result.size / 1e6
        lines.append(f"{task:<6}{result.seconds:>9.1f}{size:>8.1f}  {scores or 'none'}")
    return "\n".join(lines)
