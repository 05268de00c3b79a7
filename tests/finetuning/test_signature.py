import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.finetuning import export, reading
from bert_wwm.model.bert import BertConfig


@pytest.fixture
def graph():
    with tf.Graph().as_default():
        yield


def brute_force(starts, ends, begin, end, width):
    spans = [
        (starts[i] + ends[j], i, j)
        for i in range(begin, end)
        for j in range(i, min(end, i + width))
    ]
    return max(spans, key=lambda span: (span[0], -span[1], -span[2])) if spans else (-2e4, 0, 0)


@pytest.mark.parametrize("width", [1, 3, 100])
def test_the_best_span_of_all(graph, width):
    rng = np.random.default_rng(width)
    starts, ends = rng.normal(size=(2, 50, 12)).astype(np.float32)
    begin = rng.integers(1, 8, 50).astype(np.int32)
    end = np.minimum(begin + rng.integers(-1, 8, 50), 12).astype(np.int32)
    assert (end <= begin).any()
    best = reading.find_best_spans(*map(tf.constant, (starts, ends, begin, end)), width)
    with tf.Session() as session:
        first, last, scores = session.run(best)
    for row in range(50):
        score, i, j = brute_force(starts[row], ends[row], begin[row], end[row], width)
        assert (first[row], last[row]) == (i, j)
        assert scores[row] == pytest.approx(score)


@pytest.mark.parametrize(
    "segments, mask, span",
    [
        ([0, 0, 0, 1, 1, 1], [1] * 6, (3, 5)),
        ([0, 0, 1, 1, 1, 0], [1, 1, 1, 1, 1, 0], (2, 4)),
        ([0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], (2, 3)),  # whatever stands at padding
        ([0, 0, 0, 1, 0, 0], [1, 1, 1, 1, 0, 0], (3, 3)),  # an empty context, and its [SEP]
        ([0, 0, 0, 0, 0, 0], [1] * 6, (0, -1)),
    ],
)
def test_the_context_is_what_segment_1_holds_but_for_its_end(graph, segments, mask, span):
    inputs = {"segment_ids": tf.constant([segments]), "input_mask": tf.constant([mask])}
    with tf.Session() as session:
        begin, end = session.run(reading.find_context(inputs))
    assert (begin[0], end[0]) == span


def test_the_batch_that_formats_are_compared_by_fits_the_smallest_model():
    config = BertConfig(vocab_size=3, max_position_embeddings=6, type_vocab_size=1)
    batch = export.probe(config)
    assert batch["input_ids"].shape == (3, 6) and batch["input_ids"].max() < 3
    assert batch["segment_ids"].max() == 0
    assert batch["input_mask"].sum(axis=1).tolist() == [6, 6, 5]
    segments = export.probe(BertConfig(vocab_size=9))["segment_ids"]
    assert segments.any(axis=1).all() and not segments.all(axis=1).any()
