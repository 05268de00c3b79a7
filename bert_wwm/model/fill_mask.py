"""A trained model fills blanks, with pieces or with whole words."""

from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.checkpoint import plan_restore
from bert_wwm.model.heads import masked_lm_output


class Candidate(NamedTuple):
    """What may stand in a blank, and its log probability in nats."""

    text: str
    log_prob: float


class MaskFiller:
    """Predicts what stands at the masked positions of a sequence.

    Args:
        config: the encoder's configuration.
        checkpoint: prefix of a checkpoint's files with a masked LM head.

    Raises:
        CheckpointError: the checkpoint is missing, broken or does not fit.
    """

    def __init__(self, config: BertConfig, checkpoint: str):
        self._graph = tf.Graph()
        with self._graph.as_default():
            self._ids = tf.placeholder(tf.int32, [1, None])
            self._positions = tf.placeholder(tf.int32, [1, None])
            model = BertModel(config, False, self._ids)
            head = masked_lm_output(
                config,
                model.get_sequence_output(),
                model.get_embedding_table(),
                self._positions,
                tf.zeros_like(self._positions),
                tf.ones_like(self._positions, tf.float32),
            )
            self._log_probs = head.log_probs
            plan = plan_restore(tf.trainable_variables(), checkpoint)
            if plan.initialized:
                raise CheckpointError(
                    f"{checkpoint}: lacks {', '.join(plan.initialized)}; "
                    "expected a checkpoint with a masked LM head"
                )
            plan.apply()
            self._session = tf.Session(graph=self._graph)
            self._session.run(tf.global_variables_initializer())

    def log_probs(self, ids: Sequence[int], positions: Sequence[int]) -> np.ndarray:
        """Returns log probabilities over the vocabulary, of shape [positions, V].

        Args:
            ids: the sequence, ``[CLS]`` and ``[SEP]`` included.
            positions: the positions to predict.
        """
        feed = {self._ids: [list(ids)], self._positions: [list(positions)]}
        return self._session.run(self._log_probs, feed)


class Lexicon:
    """Words that may fill a blank, and how often each occurs.

    The model predicts the pieces of a word independently of each other, as it was trained to; so
    by its probabilities alone, frequent pieces make up words that are none, or rare ones. What is
    known of words is put in by Bayes' rule: with pieces c_i that are independent given the context,

        p(word | context) ~ p(word) * prod_i p(c_i | context) / p(c_i)

    A context that tells the model nothing leaves the words in the order of their frequency.

    Args:
        words: for each word the ids of its pieces, and how often it occurs.
        vocab_size: V.
    """

    def __init__(self, words: Mapping[str, Tuple[Sequence[int], float]], vocab_size: int):
        self._by_length: Dict[int, List[str]] = {}
        self._words = words
        pieces = np.zeros(vocab_size)
        for word, (ids, count) in words.items():
            self._by_length.setdefault(len(ids), []).append(word)
            np.add.at(pieces, np.asarray(ids), count)
        # Pieces that are in no word are never looked up; 1 keeps their logarithm finite.
        self._log_pieces = np.log(np.maximum(pieces, 1.0) / max(1.0, pieces.sum()))

    def best(self, log_probs: np.ndarray, num_candidates: int) -> List[Candidate]:
        """Returns the words that fit a blank best, the best first.

        Args:
            log_probs: of shape [pieces of the blank, V].
            num_candidates: how many to return.

        Returns:
            Words of as many pieces as the blank; probabilities are among all words of that length.
        """
        fitting = self._by_length.get(len(log_probs), [])
        if not fitting:
            return []
        ids = np.array([self._words[word][0] for word in fitting])  # [words, pieces]
        priors = np.log([self._words[word][1] for word in fitting])
        lift = log_probs - self._log_pieces
        scores = priors + lift[np.arange(len(log_probs)), ids].sum(axis=1)
        scores -= scores.max() + np.log(np.exp(scores - scores.max()).sum())
        order = np.argsort(-scores, kind="stable")[:num_candidates]
        return [Candidate(fitting[index], float(scores[index])) for index in order]


def best_pieces(
    log_probs: np.ndarray, pieces: Sequence[str], num_candidates: int
) -> List[Candidate]:
    """Returns the sequences of pieces that fit a blank best, words or not, the best first.

    Args:
        log_probs: of shape [pieces of the blank, V].
        pieces: the vocabulary.
        num_candidates: how many to return.
    """
    candidates = [Candidate("", 0.0)]
    for row in log_probs:
        best = np.argsort(-row, kind="stable")[:num_candidates].tolist()
        longer = [
            Candidate(
                candidate.text + pieces[piece].replace("##", "", 1),
                candidate.log_prob + float(row[piece]),
            )
            for candidate in candidates
            for piece in best
        ]
        candidates = sorted(longer, key=lambda c: -c.log_prob)[:num_candidates]
    return candidates
