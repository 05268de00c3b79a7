"""A trained model fills blanks, with pieces or with whole words, and tags them.

A blank is a run of masked positions. Its pieces depend on each other, so they are judged together,
by the chain of conditionals: each piece given the context and the pieces that were put in before
it. Other blanks of the sentence stay masked meanwhile.

A sequence is given by its ids, ``[CLS]`` and ``[SEP]`` included and ``[MASK]`` at the blank, and a
blank by its positions. Candidates come with the best first.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.model import heads, untrained_head
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.checkpoint import plan_restore

# B batch, S sequence, P positions, V vocabulary

# Sequences of one run: each takes memory for V log probabilities.
_BATCH_SIZE = 32
_CLASSIFIER = re.compile(r"^cls/predictions/output_(\w+)_layer/")


class Candidate(NamedTuple):
    """A text for a blank, or a label, and its log probability in nats."""

    text: str
    log_prob: float


class MaskFiller:
    """Predicts masked positions.

    Attributes:
        checkpoint: prefix of its files.
        tasks: of LERT's classifiers (``pos``, ``ner``, ``dep``) those that the checkpoint has.
        note: a sentence if the masked LM head was never trained, or "".

    Raises:
        CheckpointError: the checkpoint is missing, broken or does not fit.
    """

    def __init__(self, config: BertConfig, checkpoint: str):
        with tf.Graph().as_default():
            self._ids = tf.placeholder(tf.int32, [None, None])  # [B, S]
            self._positions = tf.placeholder(tf.int32, [None, None])  # [B, P]
            self._pieces = tf.placeholder(tf.int32, [None, None])  # [B, P]
            self._count = tf.placeholder_with_default(1, [])
            model = BertModel(config, False, self._ids)
            states = heads.masked_states(config, model.get_sequence_output(), self._positions)
            targets = self._pieces, tf.ones_like(self._positions, tf.float32)
            words = heads.masked_lm(config, states, model.get_embedding_table(), *targets)
            self._log_probs = words.log_probs()
            self._log_probs_of = -words.losses()
            count = tf.minimum(self._count, config.vocab_size)
            self._likeliest = tf.nn.top_k(self._log_probs, count)
            tags = {
                task: heads.linguistic(config, states, task, len(inventory.labels), *targets)
                for task, inventory in INVENTORIES.items()
            }
            plan = plan_restore(tf.trainable_variables(), checkpoint)
            self.checkpoint = plan.checkpoint
            self.tasks = _find_classifiers(plan.initialized, plan.checkpoint)
            self.note = untrained_head.describe_restored(plan.checkpoint, plan.sources)
            self._tags = {task: tags[task].log_probs() for task in self.tasks}
            plan.apply()
            self._session = tf.Session()
            self._session.run(tf.global_variables_initializer())

    def log_probs(self, ids: Sequence[int], positions: Sequence[int]) -> np.ndarray:
        """Returns log probabilities over the vocabulary: float32 array of shape [P, V]."""
        feed = {self._ids: [list(ids)], self._positions: [list(positions)]}
        return self._session.run(self._log_probs, feed)

    def tags(
        self, ids: Sequence[int], positions: Sequence[int]
    ) -> list[dict[str, list[Candidate]]]:
        """Returns LERT's labels of each position: for each task all, the likeliest first."""
        feed = {self._ids: [list(ids)], self._positions: [list(positions)]}
        found = self._session.run(self._tags, feed)
        return [
            {task: _rank(INVENTORIES[task].labels, found[task][row]) for task in self.tasks}
            for row in range(len(positions))
        ]

    def likeliest(
        self, rows: np.ndarray, position: int, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns log probabilities and ids [B, count] of the likeliest pieces of sequences [B, S].

        They are those at one position, the likeliest first; the vocabulary may have fewer.
        """
        values, pieces = self._run(self._likeliest, rows, position, rows[:, position], count)
        return values, pieces

    def log_probs_of(self, rows: np.ndarray, position: int, pieces: np.ndarray) -> np.ndarray:
        """Returns the log probability [B] of a piece [B] at one position of sequences [B, S]."""
        return self._run([self._log_probs_of], rows, position, pieces)[0]

    def _run(
        self, outputs: Any, rows: np.ndarray, position: int, pieces: np.ndarray, count: int = 1
    ) -> list[np.ndarray]:
        found = []
        for start in range(0, len(rows), _BATCH_SIZE):
            part = slice(start, start + _BATCH_SIZE)
            feed = {
                self._ids: rows[part],
                self._positions: np.full([len(rows[part]), 1], position),
                self._pieces: pieces[part, None],
                self._count: count,
            }
            found.append(self._session.run(outputs, feed))
        return [np.concatenate(parts) for parts in zip(*found)]


def _find_classifiers(initialized: Sequence[str], checkpoint: str) -> tuple[str, ...]:
    """Returns the classifiers that a checkpoint has, by the variables that it lacks."""
    matches = {name: _CLASSIFIER.match(name) for name in initialized}
    missing = [name for name, match in matches.items() if not match]
    if missing:
        raise CheckpointError(
            f"{checkpoint}: lacks {', '.join(missing)}; expected a checkpoint with a masked LM head"
        )
    absent = {match[1] for match in matches.values() if match}
    return tuple(task for task in INVENTORIES if task not in absent)


def _rank(texts: Sequence[str], log_probs: np.ndarray) -> list[Candidate]:
    order = np.argsort(-log_probs, kind="stable")
    return [Candidate(texts[index], float(log_probs[index])) for index in order]


class Lexicon:
    """Words that may fill a blank, and how often each occurs.

    One run of the model judges each piece of a blank by itself; by the product alone, frequent
    pieces make up rare words, or none. The frequency of words comes in by Bayes' rule: with pieces
    c_i that are independent given the context,

        p(word | context) ~ p(word) * prod_i p(c_i | context) / p(c_i)

    A context that tells the model nothing leaves the words in the order of their frequency. Each
    word is given with the ids of its pieces, and how often it occurs.
    """

    def __init__(self, words: Mapping[str, tuple[Sequence[int], float]], vocab_size: int):
        self._by_length: dict[int, list[str]] = {}
        self._words = words
        pieces = np.zeros(vocab_size)
        for word, (ids, count) in words.items():
            self._by_length.setdefault(len(ids), []).append(word)
            np.add.at(pieces, np.asarray(ids), count)
        # Pieces that are in no word are never looked up; 1 keeps their logarithm finite.
        self._log_pieces = np.log(np.maximum(pieces, 1.0) / max(1.0, pieces.sum()))

    def best(self, log_probs: np.ndarray, num_candidates: int) -> list[Candidate]:
        """Returns the words that fit a blank of as many pieces best: log_probs [pieces, V].

        Probabilities are among all words of that length.
        """
        fitting = self._by_length.get(len(log_probs), [])
        if not fitting:
            return []
        ids = np.array([self._words[word][0] for word in fitting])  # [words, pieces]
        priors = np.log([self._words[word][1] for word in fitting])
        lift = log_probs - self._log_pieces
        scores = priors + lift[np.arange(len(log_probs)), ids].sum(axis=1)
        scores -= _log_sum(scores)
        order = np.argsort(-scores, kind="stable")[:num_candidates]
        return [Candidate(fitting[index], float(scores[index])) for index in order]

    def ids(self, word: str) -> Sequence[int]:
        """Returns the ids of a word's pieces."""
        return self._words[word][0]


def best_pieces(
    filler: MaskFiller,
    ids: Sequence[int],
    blank: Sequence[int],
    pieces: Sequence[str],
    beam_size: int,
) -> list[Candidate]:
    """Returns the sequences of pieces that fit a blank best, words or not.

    A beam search: after each position the best sequences are kept, and the model sees them for the
    next position. A text has the sum of its pieces' log probabilities. ``pieces`` is the vocabulary
    as it should be shown.
    """
    rows = np.array([ids])
    scores = np.zeros(1)
    for position in _order_positions(filler, ids, blank):
        log_probs, likeliest = filler.likeliest(rows, position, beam_size)
        longer = (scores[:, None] + log_probs).ravel()
        best = np.argsort(-longer, kind="stable")[:beam_size]
        rows = rows[best // log_probs.shape[1]]
        rows[:, position] = likeliest.ravel()[best]
        scores = longer[best]
    texts = ("".join(pieces[piece] for piece in row[blank]) for row in rows)
    return [Candidate(text, float(score)) for text, score in zip(texts, scores)]


def best_words(
    filler: MaskFiller,
    lexicon: Lexicon,
    ids: Sequence[int],
    blank: Sequence[int],
    beam_size: int,
) -> list[Candidate]:
    """Returns the words of as many pieces as a blank that fit it best.

    The lexicon chooses words by the probabilities of each piece by itself, and by their
    frequencies. The model then judges the chosen words as a whole. By then it knows which pieces
    make up words, and how frequent ones; the lexicon's prior would count that twice. Probabilities
    are among all words of that length: the chosen ones share what the lexicon gives to them.
    """
    chosen = lexicon.best(filler.log_probs(ids, blank), beam_size)
    if not chosen:
        return []
    words = [word for word, _ in chosen]
    spelt = np.array([lexicon.ids(word) for word in words])  # [words, pieces]
    rows = np.tile(ids, [len(words), 1])
    scores = np.zeros(len(words))
    for position in _order_positions(filler, ids, blank):
        pieces = spelt[:, position - blank[0]]
        scores += filler.log_probs_of(rows, position, pieces)
        rows[:, position] = pieces
    scores += _log_sum([log_prob for _, log_prob in chosen]) - _log_sum(scores)
    return _rank(words, scores)


def _log_sum(log_probs: Sequence[float]) -> float:
    return float(np.logaddexp.reduce(log_probs))


def _order_positions(filler: MaskFiller, ids: Sequence[int], blank: Sequence[int]) -> list[int]:
    """Returns the positions of a blank in the order in which they are filled.

    The position that the model is surest of comes first: there a narrow beam loses least. All
    candidates share one order: only then the chain of conditionals is one distribution over them.
    """
    surest = filler.log_probs(ids, blank).max(axis=1)
    return [blank[index] for index in np.argsort(-surest, kind="stable")]
