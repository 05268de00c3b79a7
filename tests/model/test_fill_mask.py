"""Blanks filled by a model whose answers are known: it has learned, or been given, little else."""

import itertools

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.model import heads
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.fill_mask import Lexicon, MaskFiller, best_pieces, best_words

PIECES = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "x", "y", "A", "B", "C", "D"]
MASK = PIECES.index("[MASK]")
BLANK = [2, 3]


def sequence(text):
    return [PIECES.index(piece) for piece in ["[CLS]", *text.split(), "[SEP]"]]


@pytest.fixture(scope="module")
def config():
    return BertConfig(
        vocab_size=len(PIECES),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=8,
        initializer_range=0.1,
    )


def save(folder, config, steps, biases=None):
    """Saves a model that has learned `x A B y` and `x C D y`; returns the checkpoint's prefix.

    Args:
        folder: where to.
        config: the encoder's configuration.
        steps: of training, with A and C, B and D, or both masked.
        biases: of LERT's classifiers, whose weights are 0, by task.
    """
    biases = biases or {}
    masked = np.tile([[1, 0], [0, 1], [1, 1]], [2, 1])
    ids = np.repeat([sequence("x A B y"), sequence("x C D y")], 3, axis=0)
    labels = ids[:, BLANK].copy()
    ids[:, BLANK] = np.where(masked, MASK, labels)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        model = BertModel(config, False, tf.constant(ids, tf.int32))
        positions = tf.constant([BLANK] * len(ids))
        states = heads.masked_states(config, model.get_sequence_output(), positions)
        targets = tf.constant(labels, tf.int32), tf.constant(masked, tf.float32)
        words = heads.masked_lm(config, states, model.get_embedding_table(), *targets)
        step = tf.train.AdamOptimizer(0.01).minimize(tf.reduce_sum(words.weights * words.losses()))
        for task, bias in biases.items():
            with tf.variable_scope(f"cls/predictions/output_{task}_layer"):
                tf.get_variable("kernel", initializer=tf.zeros([config.hidden_size, len(bias)]))
                tf.get_variable("bias", initializer=tf.constant(bias, tf.float32))
        session.run(tf.global_variables_initializer())
        for _ in range(steps):
            session.run(step)
        return tf.train.Saver().save(session, str(folder / "model.ckpt"))


@pytest.fixture(scope="module")
def filler(config, tmp_path_factory):
    return MaskFiller(config, save(tmp_path_factory.mktemp("pairs"), config, steps=100))


TWO_MASKS = sequence("x [MASK] [MASK] y")
PAIRS = {"".join(p): sequence(" ".join(p))[1:-1] for p in itertools.product(PIECES, repeat=2)}


def joint(filler, text):
    """The chain of conditionals, piece by piece, one sequence a run."""
    first, second = PAIRS[text]
    apart = filler.log_probs(TWO_MASKS, BLANK)
    filled = list(TWO_MASKS)
    if apart[0].max() >= apart[1].max():
        filled[BLANK[0]] = first
        return apart[0, first] + filler.log_probs(filled, BLANK[1:])[0, second]
    filled[BLANK[1]] = second
    return apart[1, second] + filler.log_probs(filled, BLANK[:1])[0, first]


def test_pairs_that_belong_together_are_found(filler):
    """By the product of its pieces AD is as good as AB."""
    apart = np.exp(filler.log_probs(TWO_MASKS, BLANK))
    assert apart[0, PIECES.index("A")] * apart[1, PIECES.index("D")] > 0.1
    found = best_pieces(filler, TWO_MASKS, BLANK, PIECES, 4)
    assert {found[0].text, found[1].text} == {"AB", "CD"}
    assert np.exp([c.log_prob for c in found[:2]]).sum() > 0.95
    assert np.exp(found[2].log_prob) < 0.02


def test_the_beam_scores_the_chain_one_by_one(filler):
    found = best_pieces(filler, TWO_MASKS, BLANK, PIECES, 100)
    assert len(found) == 100  # more than one batch
    assert {c.text for c in found} == set(PAIRS)
    assert [c.log_prob for c in found] == pytest.approx(
        [joint(filler, c.text) for c in found], abs=1e-4
    )
    assert [c.log_prob for c in found] == sorted([c.log_prob for c in found], reverse=True)
    assert np.exp([c.log_prob for c in found]).sum() == pytest.approx(1, abs=1e-4)


def test_batches_are_one_by_one(filler):
    """Rows of more than one batch, each another sequence."""
    rows = np.array([[*TWO_MASKS[:1], row % 10, *TWO_MASKS[2:]] for row in range(70)])
    rows[:, 4] = np.arange(70) // 10
    values, pieces = filler.likeliest(rows, 3, 99)
    assert values.shape == pieces.shape == (70, len(PIECES))
    labels = np.arange(70) % len(PIECES)
    of_labels = filler.log_probs_of(rows, 3, labels)
    for row in (0, 31, 32, 69):
        (alone,) = filler.log_probs(rows[row], [3])
        np.testing.assert_allclose(values[row], np.sort(alone)[::-1], atol=1e-5)
        np.testing.assert_allclose(alone[pieces[row]], values[row], atol=1e-5)
        assert of_labels[row] == pytest.approx(alone[labels[row]], abs=1e-5)
    assert len({tuple(row) for row in values.round(4)}) > 10


def test_words_are_judged_as_wholes(filler):
    """By its pieces and its frequency AD is chosen first, but it is in nothing that was learned."""
    counts = {"AD": 9.0, "CB": 9.0, "AB": 1.0, "CD": 1.0}
    words = {word: (PAIRS[word], count) for word, count in counts.items()}
    words["x"] = ([PIECES.index("x")], 9.0)
    lexicon = Lexicon(words, len(PIECES))
    apart = [c.text for c in lexicon.best(filler.log_probs(TWO_MASKS, BLANK), 4)]
    assert set(apart[:2]) == {"AD", "CB"}
    found = best_words(filler, lexicon, TWO_MASKS, BLANK, 10)
    assert {c.text for c in found[:2]} == {"AB", "CD"} and len(found) == 4
    shares = np.exp([joint(filler, c.text) for c in found])
    assert np.exp([c.log_prob for c in found]) == pytest.approx(shares / shares.sum(), rel=1e-3)
    assert best_words(filler, lexicon, sequence("[MASK] [MASK] [MASK]"), range(1, 4), 10) == []


def test_words_that_are_not_judged_keep_their_share(filler):
    words = {word: (PAIRS[word], 1.0) for word in ("AB", "CD", "AC", "xx")}
    lexicon = Lexicon(words, len(PIECES))
    chosen = lexicon.best(filler.log_probs(TWO_MASKS, BLANK), 2)
    found = best_words(filler, lexicon, TWO_MASKS, BLANK, 2)
    assert {c.text for c in found} == {c.text for c in chosen}
    total = np.exp([c.log_prob for c in chosen]).sum()
    assert np.exp([c.log_prob for c in found]).sum() == pytest.approx(total)


def test_a_single_mask_is_what_the_head_says(filler):
    ids = sequence("x [MASK] D y")
    found = best_pieces(filler, ids, [2], PIECES, 3)
    (log_probs,) = filler.log_probs(ids, [2])
    assert found[0].text == "C" and np.exp(found[0].log_prob) > 0.9
    assert [c.log_prob for c in found] == pytest.approx(sorted(log_probs)[:-4:-1], abs=1e-5)


def test_tags_come_from_the_heads_that_the_checkpoint_has(filler, config, tmp_path):
    assert filler.tasks == ()
    pos, dep = (np.full(len(INVENTORIES[task].labels), -20.0) for task in ("pos", "dep"))
    pos[INVENTORIES["pos"].labels.index("v")] = np.log(0.7)
    pos[INVENTORIES["pos"].labels.index("n")] = np.log(0.3)
    dep[INVENTORIES["dep"].labels.index("HED")] = 0
    checkpoint = save(tmp_path, config, steps=0, biases={"pos": pos, "dep": dep})
    lert = MaskFiller(config, checkpoint)
    assert lert.tasks == ("pos", "dep")
    tags = lert.tags(TWO_MASKS, BLANK)
    assert len(tags) == 2
    for by_task in tags:
        assert list(by_task) == ["pos", "dep"]
        assert [label.text for label in by_task["pos"][:2]] == ["v", "n"]
        assert np.exp([c.log_prob for c in by_task["pos"][:2]]) == pytest.approx([0.7, 0.3], 1e-3)
        assert by_task["dep"][0].text == "HED" and by_task["dep"][0].log_prob > -1e-3
        assert [len(labels) for labels in by_task.values()] == [28, 14]


def test_an_untrained_head_is_noted(filler, config, tmp_path):
    assert not filler.note
    untrained = MaskFiller(config, save(tmp_path, config, steps=0))
    assert untrained.note.startswith("the masked LM head was never trained")


def test_a_checkpoint_without_the_head_is_refused(config, tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        BertModel(config, False, tf.constant([TWO_MASKS]))
        session.run(tf.global_variables_initializer())
        encoder = tf.train.Saver().save(session, str(tmp_path / "encoder"))
    with pytest.raises(CheckpointError) as raised:
        MaskFiller(config, encoder)
    message = str(raised.value)
    assert "lacks cls/predictions/transform/dense/kernel" in message
    assert "expected a checkpoint with a masked LM head" in message
    assert "output_pos_layer" not in message


# Words of the pieces 0 to 4: a b c d e, which occur 7, 8, 6, 1 and 0 times.
WORDS = {"ab": ([0, 1], 6.0), "cb": ([2, 1], 2.0), "c": ([2], 4.0), "ad": ([0, 3], 1.0)}
FREQUENCIES = np.array([7, 8, 6, 1, 0]) / 22


def log(*rows):
    return np.log(np.maximum(rows, 1e-30))


def test_a_context_that_tells_nothing_leaves_words_by_frequency():
    found = Lexicon(WORDS, 5).best(log(FREQUENCIES, FREQUENCIES), 3)
    assert [candidate.text for candidate in found] == ["ab", "cb", "ad"]
    assert np.exp([c.log_prob for c in found]) == pytest.approx([6 / 9, 2 / 9, 1 / 9])


def test_the_context_is_weighed_against_it():
    rows = log([0.1, 0.1, 0.6, 0.1, 0.1], FREQUENCIES)
    found = Lexicon(WORDS, 5).best(rows, 2)
    assert [candidate.text for candidate in found] == ["cb", "ab"]
    odds = (2 * 0.6 / (6 / 22)) / (6 * 0.1 / (7 / 22))
    assert np.exp(found[0].log_prob - found[1].log_prob) == pytest.approx(odds)


def test_only_words_of_the_length_of_the_blank_fit():
    assert [c.text for c in Lexicon(WORDS, 5).best(log(FREQUENCIES), 5)] == ["c"]
    assert Lexicon(WORDS, 5).best(log(*[FREQUENCIES] * 3), 5) == []
