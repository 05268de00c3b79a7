"""A trained model fills blanks, with pieces or with whole words."""

from typing import Dict, List, NamedTuple, Sequence

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.checkpoint import plan_restore
from bert_wwm.model.heads import masked_lm_output


class Candidate(NamedTuple):
    """What may stand in a blank, and its log probability in nats, summed over its pieces."""

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


def best_words(
    log_probs: np.ndarray, words: Dict[str, Sequence[int]], num_candidates: int
) -> List[Candidate]:
    """Returns the words that fit a blank best, the best first.

    The pieces of a word are predicted independently, as they are in pretraining.

    Args:
        log_probs: of shape [pieces of the blank, V].
        words: ids of the pieces of each word; those of another length don't fit.
        num_candidates: how many to return.
    """
    fitting = [(word, ids) for word, ids in words.items() if len(ids) == len(log_probs)]
    if not fitting:
        return []
    ids = np.array([ids for _, ids in fitting])  # [words, pieces]
    scores = log_probs[np.arange(len(log_probs)), ids].sum(axis=1)
    order = np.argsort(-scores, kind="stable")[:num_candidates]
    return [Candidate(fitting[index][0], float(scores[index])) for index in order]


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
