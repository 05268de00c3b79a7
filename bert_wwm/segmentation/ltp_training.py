"""Training of LTP perceptron models from text whose words are tagged in PKU's way.

What comes out is a folder that ``ltp.LTP(folder)`` and ``ltp.py`` load: config.json and one
file a task: cws_model.bin (words), pos_model.bin (parts of speech), ner_model.bin (names).
"""

import collections
import concurrent.futures
import json
import multiprocessing
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bert_wwm.core import files, input_files, seeding
from bert_wwm.core.errors import ConfigError, DataError, list_few
from bert_wwm.core.staging import temporary_folder
from bert_wwm.segmentation import perceptron_file

TASKS = ("cws", "pos", "ner")

# LTP 4's label inventories (HIT-SCIR/ltp, python/core/data): the 863 part-of-speech set without g
# and x, and with %, to which no tag of PKU's is mapped; names of persons (Nh), organisations (Ni)
# and places (Ns), as B(egin), I(nside), E(nd) and S(ingle word).
POS_TAGS = tuple("a b c d e h i j k m n nd nh ni nl ns nt nz o p q r u v wp ws z %".split())
NER_TAGS = ("O", *(f"{place}-{kind}" for place in "BEIS" for kind in ("Nh", "Ni", "Ns")))

# PKU's tags (Yu et al. 2002, the People's Daily of 1998) in LTP's. Morphemes (Ag, Ng, ...) go to
# the class that they are morphemes of, uses of a class as another (ad, an, vd, vn) to the class.
PKU_TO_LTP = {
    **{tag: tag for tag in (*"abcdehijkmnopqruvz", "ns", "nz")},
    **{"Ag": "a", "ad": "a", "an": "a", "Bg": "b", "Dg": "d", "f": "nd", "l": "i", "Mg": "m"},
    **{"Ng": "n", "nr": "nh", "nt": "ni", "nx": "ws", "Qg": "q", "Rg": "r", "s": "nl", "t": "nt"},
    **{"Tg": "nt", "vd": "v", "vn": "v", "Vg": "v", "w": "wp", "x": "ws", "y": "u", "Yg": "u"},
}
# For a tag without an entry, no part of which has one either.
UNKNOWN_TAG = "n"

_NAMES = {"nh": "Nh", "ni": "Ni", "ns": "Ns"}
_LINE_ID = re.compile(r"\d{8}-\d{2}-\d{3}-\d{3}/m")
_PINYIN = re.compile(r"(?<=.)\{[a-z]+\d?\}$")
# Full-width letters, digits and punctuation -> ASCII.
_HALF_WIDTH = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)}
# By how many sentences of the training text LTP's trainer chooses the best epoch.
_SELECTION_SIZE = 500
# The least ratio of features to leave out that is above 0, as LTP's trainer wants it.
_NO_MORE = 1e-300


class Sentence(NamedTuple):
    """Words with LTP's tags; three lists of the same length."""

    words: list[str]
    pos: list[str]
    ner: list[str]


class TaskResult(NamedTuple):
    """How the training of a task went; scores are fractions of 1, empty without held-out text."""

    seconds: float
    size: int  # Bytes of the model's file.
    scores: dict[str, float]


def ltp_tag(tag: str) -> str:
    """Returns LTP's tag for PKU's: by its entry, else its longest beginning with one, else n.

    Example: vn -> v, wkz (as newer releases write) -> wp, ?? -> n
    """
    for end in range(len(tag), 0, -1):
        if tag[:end] in PKU_TO_LTP:
            return PKU_TO_LTP[tag[:end]]
    return UNKNOWN_TAG


def parse_line(line: str, where: str, unknown: Counter[str] | None = None) -> Sentence:
    """Reads a line of ``word/tag`` tokens.

    An id at the start (``19980101-01-001-001/m``) and pinyin (``的{de5}/u``) are left out. Brackets
    (``[中央/n 电视台/n]nt``) make one name of what they hold, if it is one of an organisation or a
    place. Persons' surname and given name are two words in PKU's text: nr words that follow each
    other are taken two by two, the last of an odd number with the two before it.

    Args:
        line: the line.
        where: ``path:line``, for errors.
        unknown: where tags that ``PKU_TO_LTP`` lacks are counted.

    Raises:
        DataError: a token without a word or a tag, or brackets that don't match.
    """
    sentence = Sentence([], [], [])
    bracket: int | None = None
    for number, token in enumerate(line.split()):
        if number == 0 and _LINE_ID.fullmatch(token):
            continue
        word, _, tag = token.rpartition("/")
        tag, closing, name = tag.partition("]")
        if len(word) > 1 and word.startswith("["):
            if bracket is not None:
                raise DataError(f"{where}: {token!r} opens a bracket within another; expected one")
            bracket = len(sentence.words)
            word = word[1:]
        word, tag = _PINYIN.sub("", word), _PINYIN.sub("", tag)
        if not word or not tag or (closing and not name):
            raise DataError(f"{where}: token {number + 1} is {token!r}; expected word/tag")
        if unknown is not None and tag not in PKU_TO_LTP:
            unknown[tag] += 1
        sentence.words.append(word)
        sentence.pos.append(ltp_tag(tag))
        sentence.ner.append("O")
        if closing:
            if bracket is None:
                raise DataError(f"{where}: {token!r} closes a bracket that none opened")
            if ltp_tag(name) in _NAMES:
                _label(sentence.ner, bracket, len(sentence.words), _NAMES[ltp_tag(name)])
            bracket = None
    if bracket is not None:
        raise DataError(f"{where}: the bracket before {sentence.words[bracket]!r} is never closed")
    _label_names(sentence)
    return sentence


def _label_names(sentence: Sentence) -> None:
    """Labels the names that single words, or surname and given name, make."""
    start = 0
    while start < len(sentence.words):
        tag, end = sentence.pos[start], start + 1
        if tag in _NAMES and sentence.ner[start] == "O":
            persons = start
            while sentence.pos[persons : persons + 1] == ["nh"]:
                persons += 1
            if persons - start > 1:
                end = persons if persons - start == 3 else start + 2
            _label(sentence.ner, start, end, _NAMES[tag])
        start = end


def _label(labels: list[str], start: int, end: int, kind: str) -> None:
    """Writes the labels of one name of the words [start, end)."""
    if end - start == 1:
        labels[start] = f"S-{kind}"
        return
    inside = [f"I-{kind}"] * (end - start - 2)
    labels[start:end] = [f"B-{kind}", *inside, f"E-{kind}"]


def read_corpus(paths: Sequence[str]) -> tuple[list[Sentence], Counter[str]]:
    """Reads tagged sentences, one a line, and counts the tags that ``PKU_TO_LTP`` lacks.

    Raises:
        DataError: a file or a line can't be used (``path:line``), or there is no sentence at all.
    """
    unknown: Counter[str] = collections.Counter()
    sentences = []
    for path in paths:
        for number, line in enumerate(files.read_lines(path), 1):
            sentence = parse_line(line, f"{path}:{number}", unknown)
            if sentence.words:
                sentences.append(sentence)
    if not sentences:
        raise DataError(f"{list_few(paths)}: no sentence; expected word/tag tokens")
    return sentences, unknown


def train(
    paths: Sequence[str],
    output_dir: str,
    tasks: Sequence[str] = TASKS,
    num_epochs: int = 5,
    heldout_fraction: float = 0.05,
    random_seed: int = 12345,
    num_processes: int = 0,
    report: Callable[[str], None] = print,
) -> dict[str, TaskResult]:
    """Trains the models of some tasks and writes their folder.

    The passive-aggressive perceptron is trained: on the People's Daily it is as good after two
    epochs as the averaged one after four. It runs on one core, so tasks run side by side. The same
    text and seed give the same bytes.

    Every second training sentence is turned from full-width letters, digits and punctuation to
    ASCII: newspaper text has full-width ones only, other text mostly ASCII.

    Args:
        paths: files of ``word/tag`` tokens, one sentence a line.
        output_dir: a local folder. Each file appears there when it is complete, config.json last.
        tasks: some of ``TASKS``.
        num_epochs: passes over the training text.
        heldout_fraction: how much (fraction of 1 of all sentences) isn't trained on but scored.
        random_seed: of the choice of held-out sentences and of the order of the others.
        num_processes: how many tasks are trained at the same time; 0: one for each CPU core.
        report: where lines of progress go.

    Returns:
        The result of each task. cws and ner: precision, recall and F1 of words and names; pos:
        accuracy. Held-out tags are predicted for the words of the text, names from predicted tags
        if pos is among the tasks.

    Raises:
        ConfigError: an unknown task, or a number out of its range.
        DataError: the text can't be used, see ``read_corpus``, or has changed.
    """
    _check(tasks, num_epochs, heldout_fraction)
    sentences, unknown = read_corpus(paths)
    report(f"{len(sentences)} sentences, {sum(len(s.words) for s in sentences)} words")
    for tag, count in unknown.most_common():
        report(f"tag {tag!r}, not one of PKU's, taken for {ltp_tag(tag)!r}: {count} times")
    order = seeding.permutation(seeding.rng_for(random_seed, 0, 0, 0), len(sentences))
    heldout_size = int(len(sentences) * heldout_fraction)
    heldout = [sentences[index] for index in order[:heldout_size]]
    training = [
        _half_width(sentences[index]) if turn % 2 else sentences[index]
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
                _copy(path, target)
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
    text = json.dumps(config, ensure_ascii=False, indent=2)
    files.write_text(os.path.join(output_dir, "config.json"), text + "\n")
    return results


def _check(tasks: Sequence[str], num_epochs: int, heldout_fraction: float) -> None:
    unknown = [task for task in tasks if task not in TASKS]
    if unknown or not tasks:
        raise ConfigError(f"tasks {', '.join(unknown) or '(none)'}; expected {', '.join(TASKS)}")
    if num_epochs < 1:
        raise ConfigError(f"{num_epochs} epochs; expected 1 or more")
    if not 0 <= heldout_fraction < 1:
        raise ConfigError(f"held-out fraction {heldout_fraction}; expected 0 or more, less than 1")


def _half_width(sentence: Sentence) -> Sentence:
    return sentence._replace(words=[word.translate(_HALF_WIDTH) for word in sentence.words])


def _has_name(sentence: Sentence) -> bool:
    return any(label != "O" for label in sentence.ner)


def _copy(source: str, target: str) -> None:
    with open(target, "wb") as stream:
        stream.write(files.read_bytes(source))


def _trainer_lines(sentences: Sequence[Sentence], task: str) -> str:
    """Returns text in the format of LTP's trainer of a task."""
    columns = {"cws": 1, "pos": 2, "ner": 3}[task]
    return "".join(
        " ".join("/".join(token) for token in zip(*sentence[:columns])) + "\n"
        for sentence in sentences
    )


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
    # gets sentences that it is trained on, those with names first; the held-out ones are never
    # shown to it.
    selection = sorted(training, key=lambda sentence: not _has_name(sentence))[:_SELECTION_SIZE]
    for task in tasks:
        files.write_text(os.path.join(work, f"{task}.train"), _trainer_lines(training, task))
        files.write_text(os.path.join(work, f"{task}.selection"), _trainer_lines(selection, task))
    seconds = {}
    # Processes, as a panic in the trainer ends the one it runs in; spawned, as the threads of the
    # trainer's pool don't live on in a fork.
    with concurrent.futures.ProcessPoolExecutor(
        min(len(tasks), num_processes or os.cpu_count() or 1),
        mp_context=multiprocessing.get_context("spawn"),
    ) as pool:
        futures = {pool.submit(_train_task, task, num_epochs, work): task for task in tasks}
        for future in concurrent.futures.as_completed(futures):
            task = futures[future]
            try:
                seconds[task] = future.result()
            except concurrent.futures.process.BrokenProcessPool:
                raise DataError(
                    "LTP's trainer crashed, as it does when it gets no word, tag or name right; "
                    f"expected more text than this ({len(training)} to train on), or more memory"
                ) from None
            report(f"{task}: trained in {seconds[task]:.1f} s")
    return seconds


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
    """Scores the models of a folder; see ``train`` for what is scored how."""
    from ltp_extension.algorithms import get_entities
    from ltp_extension.perceptron import CWSModel, NERModel, POSModel

    words = [sentence.words for sentence in sentences]
    tags = [sentence.pos for sentence in sentences]
    scores = {}
    if "cws" in tasks:
        model = CWSModel.load(os.path.join(folder, "cws_model.bin"))
        found = model.batch_predict(["".join(sentence) for sentence in words], True)
        scores["cws"] = _f1([_spans(s) for s in words], [_spans(s) for s in found])
    if "pos" in tasks:
        tagger = POSModel.load(os.path.join(folder, "pos_model.bin"))
        predicted = tagger.batch_predict(words, True)
        pairs = [pair for gold, guess in zip(tags, predicted) for pair in zip(gold, guess)]
        scores["pos"] = {"accuracy": sum(gold == guess for gold, guess in pairs) / len(pairs)}
        tags = predicted
    if "ner" in tasks:
        recognizer = NERModel.load(os.path.join(folder, "ner_model.bin"))
        labels = recognizer.batch_predict(words, tags, True)
        gold_names = [set(get_entities(sentence.ner)) for sentence in sentences]
        scores["ner"] = _f1(gold_names, [set(get_entities(guess)) for guess in labels])
    return scores


def _spans(words: Sequence[str]) -> set:
    """Returns the words of a sentence as (start, end) in characters."""
    spans, start = set(), 0
    for word in words:
        spans.add((start, start + len(word)))
        start += len(word)
    return spans


def _f1(gold: Sequence[set], found: Sequence[set]) -> dict[str, float]:
    """Returns micro-averaged precision, recall and F1, 0 where there is nothing to divide by."""
    right = sum(len(a & b) for a, b in zip(gold, found))
    precision = right / max(1, sum(map(len, found)))
    recall = right / max(1, sum(map(len, gold)))
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def table(results: dict[str, TaskResult]) -> str:
    """Returns the results as lines of text, scores in per cent."""
    lines = [f"{'task':<6}{'seconds':>9}{'MB':>8}  held-out"]
    for task, result in results.items():
        scores = ", ".join(f"{name} {100 * value:.2f}" for name, value in result.scores.items())
        size = result.size / 1e6
        lines.append(f"{task:<6}{result.seconds:>9.1f}{size:>8.1f}  {scores or 'none'}")
    return "\n".join(lines)
