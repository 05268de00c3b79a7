"""Hidden states of texts in windows and batches against those of each text by itself."""

import functools

import numpy as np
import pytest
from feature_tables import build_table

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError, DataError
from bert_wwm.finetuning.hidden_states import Extraction, extract_states
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.train.estimator import Machine

RNG = np.random.default_rng(4)
LENGTHS = RNG.integers(2, 25, 75)
IDS = [RNG.integers(1, 50, length) for length in LENGTHS]
SEGMENTS = [np.arange(length) * 2 // length for length in LENGTHS]
LAYERS, BATCH_SIZE = (-1, 0, -3, -1), 4
TOKEN_BYTES = len(LAYERS) * 32 * 4


@pytest.fixture(scope="module")
def config():
    return BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=40,
        max_position_embeddings=24,
        type_vocab_size=2,
        initializer_range=0.2,
    )


def save(config, prefix, left_out="-", num_texts=None):
    """Saves random weights; returns the states of the first texts: [T, layers, H] of each."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(5)
        ids, segments = (tf.placeholder(tf.int32, [1, None]) for _ in range(2))
        model = BertModel(config, False, ids, token_type_ids=segments, scope="bert")
        session.run(tf.global_variables_initializer())
        kept = [v for v in tf.global_variables() if not v.name.startswith(left_out)]
        tf.train.Saver(kept).save(session, str(prefix))
        states = tf.stack(model.get_all_encoder_layers(), axis=2)
        return [
            session.run(states, {ids: [a], segments: [b]})[0, :, list(LAYERS)].transpose(1, 0, 2)
            for a, b in zip(IDS[:num_texts], SEGMENTS)
        ]


@pytest.fixture(scope="module")
def saved(config, tmp_path_factory):
    """A checkpoint, and the states of each text."""
    prefix = tmp_path_factory.mktemp("model") / "bert_model.ckpt"
    return str(prefix), save(config, prefix)


def make(config, checkpoint, folder, pooling=None, **options):
    machine = Machine(str(folder), BATCH_SIZE, BATCH_SIZE, 1, 1, 0)
    extraction = Extraction(checkpoint, LAYERS, pooling)

    def extract(tables, records=None, **more):
        return extract_states(config, extraction, machine, 24, tables, print, records, **more)

    return functools.partial(extract, **options)


def tables(size=BATCH_SIZE):
    for begin in range(0, len(IDS), size):
        part = slice(begin, begin + size)
        yield build_table({"input_ids": IDS[part], "segment_ids": SEGMENTS[part]}, {})


WINDOWS = {"one": 1 << 28, "several": 150 * TOKEN_BYTES, "one a block": 0}


@pytest.mark.slow
@pytest.mark.parametrize(
    "window, records",
    [("one", False), ("several", False), ("one a block", False), ("several", True)],
)
def test_states_are_those_of_each_text_by_itself(config, saved, window, records, tmp_path):
    checkpoint, expected = saved
    extract = make(config, checkpoint, tmp_path / "run", window_bytes=WINDOWS[window])
    path = str(tmp_path / "input") if records else None
    read = []
    texts = extract((read.append(table) or table for table in tables()), path)
    found = [next(texts)]
    assert (len(read) == 19) == (records or window == "one")  # else no more than are needed soon
    found += texts
    assert [ids.tolist() for ids, _ in found] == [ids.tolist() for ids in IDS]
    assert len(found) == len(expected)
    for row, ((_, states), truth) in enumerate(zip(found, expected)):
        assert states.shape == (LENGTHS[row], len(LAYERS), 32) and states.dtype == np.float32
        np.testing.assert_allclose(states, truth, atol=1e-5)
    assert not (tmp_path / "input").exists()


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_pooled_states_leave_padding_out(config, saved, pooling, tmp_path):
    checkpoint, expected = saved
    extract = make(config, checkpoint, tmp_path, pooling)
    done = []
    found = list(extract(tables(), progress=done.append))
    assert len(found) == 75 and done == [*range(4, 75, 4), 75]
    for (_, states), truth in zip(found, expected):
        truth = truth[0] if pooling == "cls" else truth.mean(axis=0)
        assert states.shape == (len(LAYERS), 32)
        np.testing.assert_allclose(states, truth, atol=1e-5)


def test_batches_of_one_length_give_the_same(config, saved, tmp_path):
    checkpoint, expected = saved
    extract = make(config, checkpoint, tmp_path, shapes=(24,))
    for (_, states), truth in zip(extract(tables()), expected):
        np.testing.assert_allclose(states, truth, atol=1e-5)


def test_what_goes_wrong_with_the_texts_is_told_as_it_is(config, saved, tmp_path):
    def broken():
        yield from list(tables())[:9]
        raise DataError("texts.txt:37: is no text")

    extract = make(config, saved[0], tmp_path, window_bytes=0)
    found = []
    with pytest.raises(DataError, match=r"^texts\.txt:37: is no text$"):
        for text in extract(broken()):
            found.append(text)
    assert len(found) == 32  # the ninth block was waiting for others


@pytest.mark.slow
def test_a_checkpoint_needs_no_pooler_but_all_layers(config, tmp_path):
    expected = save(config, tmp_path / "a" / "bert_model.ckpt", "bert/pooler/", 8)
    extract = make(config, str(tmp_path / "a" / "bert_model.ckpt"), tmp_path / "run")
    found = list(extract(tables()))
    np.testing.assert_allclose(found[7][1], expected[7], atol=1e-5)

    save(config, tmp_path / "b" / "bert_model.ckpt", "bert/encoder/layer_1/", 0)
    extract = make(config, str(tmp_path / "b" / "bert_model.ckpt"), tmp_path / "run")
    with pytest.raises(CheckpointError, match="lacks 16 variables of the encoder"):
        list(extract(tables()))
