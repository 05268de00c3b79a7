"""Which heads records call for, and how their losses add up."""

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError
from bert_wwm.finetuning.objective import NO_LABEL
from bert_wwm.finetuning.reading import ReadingObjective
from bert_wwm.finetuning.sentence import SentenceObjective
from bert_wwm.finetuning.tagging import TaggingObjective
from bert_wwm.model.heads import Prediction
from bert_wwm.train.objective import Objective, Predictor, sum_losses
from bert_wwm.train.pretraining_objective import HEADS, PretrainingObjective, heads_for, lert_ramps

MASKED = ["input_ids", "input_mask", "segment_ids", "masked_lm_ids", "masked_lm_weights"]
LERT = ["pos_labels", "ner_labels", "dep_labels"]
PAIR = ["next_sentence_labels"]


@pytest.mark.parametrize(
    "fields, pairing, expected",
    [
        (MASKED, None, ["masked_lm"]),
        (MASKED + PAIR, None, ["masked_lm", "next_sentence"]),
        (MASKED + PAIR, "nsp", ["masked_lm", "next_sentence"]),
        (MASKED + PAIR, "sop", ["masked_lm", "sentence_order"]),
        (MASKED + LERT, "contiguous", ["masked_lm", "pos", "ner", "dep"]),
        ([*MASKED, "ner_labels"], "contiguous", ["masked_lm", "ner"]),
        ([*MASKED, "target_positions"], "contiguous", ["position"]),
        ([*MASKED, "target_positions", *PAIR], "nsp", ["position", "next_sentence"]),
    ],
)
def test_heads_by_fields(fields, pairing, expected):
    assert heads_for(fields, pairing) == tuple(expected)
    without = tuple(head for head in expected if not HEADS[head].is_of_pairs)
    assert heads_for(fields, pairing, sentence_pair_loss=False) == without


def test_ramps_are_hfls_fractions():
    names = ["masked_lm", "pos", "ner", "dep"]
    assert lert_ramps(names, 2_000_000) == {"pos": 333_333, "ner": 666_667, "dep": 1_000_000}
    assert lert_ramps(names, 60) == {"pos": 10, "ner": 20, "dep": 30}
    assert lert_ramps(["masked_lm", "ner"], 60, [7]) == {"ner": 7}
    assert lert_ramps(["masked_lm"], 60) == {}


@pytest.mark.parametrize("end_steps", [[1, 2], [1, 2, 3, 4], [1, 0, 3], []])
def test_ramps_need_a_step_for_each_task(end_steps):
    with pytest.raises(ConfigError, match="pos, ner, dep"):
        lert_ramps(["masked_lm", "pos", "ner", "dep"], 60, end_steps)


def test_weights_rise_to_1_and_stay(graph):
    objective = PretrainingObjective(("masked_lm", "pos"), {"pos": 10})
    with tf.Session() as session:
        for step, expected in ((0, 0.0), (5, 0.5), (10, 1.0), (25, 1.0)):
            weights = objective.weights(tf.constant(step, tf.int64))
            assert weights["masked_lm"] == 1.0
            assert session.run(weights["pos"]) == pytest.approx(expected)


def test_parts_add_up_to_the_batch(graph):
    """Sums over the totals of the whole batch, however it is cut."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=[12, 5]).astype(np.float32)
    labels = rng.integers(5, size=12).astype(np.int32)
    weights = (rng.random(12) < 0.6).astype(np.float32)
    pair_logits = rng.normal(size=[4, 2]).astype(np.float32)
    totals = {"masked_lm": tf.constant(weights.sum()), "next_sentence": tf.constant(4.0)}

    def part(rows, pairs):
        predictions = {
            "masked_lm": Prediction(*map(tf.constant, (logits[rows], labels[rows], weights[rows]))),
            "next_sentence": Prediction(
                tf.constant(pair_logits[pairs]),
                tf.zeros([len(pair_logits[pairs])], tf.int32),
                tf.ones([len(pair_logits[pairs])]),
            ),
        }
        return sum_losses(predictions, totals, {"masked_lm": 1.0, "next_sentence": 0.5})

    with tf.Session() as session:
        whole = session.run(part(slice(0, 12), slice(0, 4)))
        first, second = session.run(
            [part(slice(0, 3), slice(0, 1)), part(slice(3, 12), slice(1, 4))]
        )
    for name, value in whole.items():
        assert first[name] + second[name] == pytest.approx(value, rel=1e-6), name
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    losses = -log_probs[np.arange(12), labels]
    masked = (losses * weights).sum() / (weights.sum() + 1e-5)
    assert whole["masked_lm_loss"] == pytest.approx(masked, rel=1e-5)
    right = (logits.argmax(-1) == labels) * weights
    assert whole["masked_lm_accuracy"] == pytest.approx(right.sum() / weights.sum(), rel=1e-4)
    assert whole["loss"] == pytest.approx(masked + 0.5 * whole["next_sentence_loss"], rel=1e-5)


def test_a_replica_without_labels_adds_nothing_to_the_totals(graph):
    labels = [0, 1, NO_LABEL, NO_LABEL]
    objective = SentenceObjective(2)

    def total(part):
        return objective.totals({"label_ids": tf.constant(part)})["label"]

    with tf.Session() as session:
        first, second, whole = session.run([total(labels[:2]), total(labels[2:]), total(labels)])
    assert first + second == whole == 2
    assert second > 0


def test_which_objectives_learn_and_which_predict():
    assert isinstance(PretrainingObjective(("masked_lm",)), Objective)
    assert not isinstance(PretrainingObjective(("masked_lm",)), Predictor)
    for objective in (SentenceObjective(2), TaggingObjective(2), ReadingObjective()):
        assert isinstance(objective, Objective)
        assert isinstance(objective, Predictor)
