import types

import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import DataError
from bert_wwm.finetuning.input import host_input_fn, record_input_fn
from bert_wwm.finetuning.prediction import predict_tables
from bert_wwm.finetuning.sentence import SentenceObjective
from bert_wwm.finetuning.tagging import TaggingObjective
from bert_wwm.tasks.batches import Padding, TrainingOrder
from bert_wwm.tasks.features import table_of

RNG = np.random.default_rng(2)
LENGTHS = RNG.integers(3, 17, 50)
TABLE = table_of(
    {
        "input_ids": [RNG.integers(1, 30000, length) for length in LENGTHS],
        "segment_ids": [np.arange(length) % 2 for length in LENGTHS],
        "tag_ids": [RNG.integers(-1, 5, length) for length in LENGTHS],
    },
    {"label_ids": RNG.integers(-1, 3, 50), "example": range(50)},
)
OBJECTIVE = TaggingObjective(5)
NAMES = ["tag_ids", "label_ids"]
SHAPES = (8, 16)


def read(input_fn, batch_size):
    with tf.Graph().as_default():
        following = tf.data.make_one_shot_iterator(input_fn({"batch_size": batch_size})).get_next()
        batches = []
        with tf.Session() as session:
            while True:
                try:
                    batches.append(session.run(following))
                except tf.errors.OutOfRangeError:
                    return batches


def check(arrays, rows, length):
    for name in ("input_ids", "segment_ids", *NAMES):
        assert arrays[name].dtype == np.int32
    for place, row in enumerate(rows):
        size = LENGTHS[row]
        for name in ("input_ids", "segment_ids", "tag_ids"):
            assert (arrays[name][place, :size] == TABLE.of_tokens(name, row)).all()
        assert arrays["input_ids"].shape == (len(rows), length)
        assert arrays["input_mask"][place].tolist() == [1] * size + [0] * (length - size)
        assert (arrays["tag_ids"][place, size:] == -1).all()
        assert arrays["label_ids"][place] == TABLE.rows["label_ids"][row]


@pytest.fixture
def order():
    return TrainingOrder(TABLE.lengths, 4, 20, 1, Padding(SHAPES, by_length=True))


def batches_of(order, first=0):
    return lambda: ((TABLE, order.batch(number)) for number in range(first, 20))


def test_the_host_gives_each_batch_its_length(order):
    found = read(host_input_fn(batches_of(order, 5), OBJECTIVE, NAMES), 4)
    assert len(found) == 15
    for step, arrays in enumerate(found, 5):
        check(arrays, *order.batch(step))


@pytest.mark.parametrize("first", [0, 5])
def test_records_hold_the_same_batches_padded_to_the_longest(order, first, tmp_path):
    path = str(tmp_path / "a" / "train.tfrecord")
    input_fn = record_input_fn(batches_of(order), OBJECTIVE, NAMES, path, 16, 4, first)
    found = read(input_fn, 4)
    assert len(found) == 20 - first
    for step, arrays in enumerate(found, first):
        check(arrays, order.batch(step).rows, 16)


def test_records_are_written_once(order, tmp_path):
    path = str(tmp_path / "train.tfrecord")
    record_input_fn(batches_of(order), OBJECTIVE, NAMES, path, 16, 4)
    again = record_input_fn(lambda: iter(()), OBJECTIVE, NAMES, path, 16, 4)
    assert len(read(again, 4)) == 20
    assert [file.name for file in tmp_path.iterdir()] == ["train.tfrecord"]


class FakeEstimators:
    """Puts out the ids of the tokens, and of each sequence the first of them."""

    machine = types.SimpleNamespace(eval_batch_size=8)

    def predict(self, input_fn, checkpoint):
        for arrays in read(input_fn, 8):
            yield {"tag_logits": arrays["input_ids"], "logits": arrays["input_ids"][:, :3]}


@pytest.mark.parametrize("on_tpu", [False, True])
def test_outputs_come_in_the_order_of_the_tables_without_padding(tmp_path, on_tpu):
    """50 sequences in batches of 8: what fills up a TPU's last one is left out."""
    records = str(tmp_path / "dev.tfrecord") if on_tpu else None
    tables, done = [TABLE, TABLE], []
    for _ in range(2):  # of the second time the records are there
        found = list(
            predict_tables(
                FakeEstimators(),
                OBJECTIVE,
                iter(tables),
                SHAPES,
                records=records,
                progress=done.append,
            )
        )
        assert [table for table, _ in found] == tables
        for _, outputs in found:
            assert len(outputs) == 50
            for row, output in enumerate(outputs):
                ids = TABLE.of_tokens("input_ids", row).tolist()
                assert output["tag_logits"].tolist() == ids
                assert output["logits"].tolist() == ids[:3]
        assert done[-1] == 100


@pytest.mark.parametrize("on_tpu", [False, True])
def test_what_reading_raises_is_raised(tmp_path, on_tpu):
    def tables():
        yield TABLE
        raise DataError("broken")

    records = str(tmp_path / "dev.tfrecord") if on_tpu else None
    windows = predict_tables(
        FakeEstimators(), SentenceObjective(2), tables(), SHAPES, records=records
    )
    with pytest.raises(DataError, match="broken"):
        list(windows)
