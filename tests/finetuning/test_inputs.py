import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.finetuning.input import host_input_fn, scattered
from bert_wwm.finetuning.objective import TaggingObjective
from bert_wwm.finetuning.tpu_input import record_input_fn
from bert_wwm.tasks.batches import Padding, TrainingOrder, prediction_batches
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


def test_the_host_gives_each_batch_its_length():
    order = TrainingOrder(TABLE.lengths, 4, 20, 1, Padding(SHAPES, by_length=True))
    found = read(host_input_fn(TABLE, OBJECTIVE, NAMES, order.batch, 20, 5), 4)
    assert len(found) == 15
    for step, arrays in enumerate(found, 5):
        check(arrays, *order.batch(step))


@pytest.mark.parametrize("first", [0, 5])
def test_records_hold_the_same_batches_padded_to_the_longest(first, tmp_path):
    order = TrainingOrder(TABLE.lengths, 4, 20, 1, Padding(SHAPES, by_length=True))
    path = str(tmp_path / "a" / "train.tfrecord")
    input_fn = record_input_fn(TABLE, OBJECTIVE, NAMES, order.batch, 20, first, path, 16, 4)
    found = read(input_fn, 4)
    assert len(found) == 20 - first
    for step, arrays in enumerate(found, first):
        check(arrays, order.batch(step).rows, 16)


def test_records_are_written_once(tmp_path):
    path = str(tmp_path / "train.tfrecord")
    order = TrainingOrder(TABLE.lengths, 4, 20, 1, Padding(SHAPES, by_length=True))
    record_input_fn(TABLE, OBJECTIVE, NAMES, order.batch, 20, 0, path, 16, 4)
    assert len(read(record_input_fn(TABLE, OBJECTIVE, NAMES, None, 20, 0, path, 16, 4), 4)) == 20
    assert [file.name for file in tmp_path.iterdir()] == ["train.tfrecord"]


def test_predictions_on_a_tpu_cover_everything(tmp_path):
    """50 sequences in batches of 8: the last is filled up, and what fills it up is left out."""
    batches = prediction_batches(TABLE.lengths, 8, SHAPES)
    path = str(tmp_path / "dev.tfrecord")
    input_fn = record_input_fn(
        TABLE, OBJECTIVE, [], batches.__getitem__, len(batches), 0, path, 16, 8
    )
    outputs = ({"tag_logits": arrays["input_ids"]} for arrays in read(input_fn, 8))
    found = scattered(outputs, batches, TABLE, OBJECTIVE)
    assert len(found) == 50
    for row in range(50):
        assert found[row]["tag_logits"].tolist() == TABLE.of_tokens("input_ids", row).tolist()


def test_outputs_of_sequences_are_not_cut():
    batches = prediction_batches(TABLE.lengths, 8, SHAPES)
    outputs = [{"logits": np.repeat(batch.rows[:, None], 16, axis=1)} for batch in batches]
    found = scattered(outputs, batches, TABLE, OBJECTIVE)
    assert [output["logits"].tolist() for output in found] == [[row] * 16 for row in range(50)]
